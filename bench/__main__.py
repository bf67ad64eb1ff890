"""`python -m bench`: the commands, a line each; --version, and what can be raced."""

import argparse
import sys
from importlib.metadata import version

import backends
from bench.console.exit import GOOD, ended, printing
from bench.workloads import DEFAULT_PROBLEMS, WORKLOADS

COMMANDS = {
    "pytest bench/ --benchmark-only": "check the answers, race, keep a record",
    "python -m bench.report": "what the newest record says",
    "python -m bench.report A B": "which cells became faster or slower from record A to record B",
    "python -m bench.agree": "whether the backends compute the same; nothing is timed",
    "python -m bench.calibrate": "how often the harness itself is wrong",
    "python -m backends": "the libraries that load here, and their versions",
}


def main() -> int:
    """Print the commands, the version, or all backends and problems."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="The commands of this suite.")
    parser.add_argument("--version", action="version", version=version("autodiff-backends-compared"))
    parser.add_argument("--list", action="store_true", help="list the backends and the problems")
    listed = parser.parse_args().list
    with printing():
        print("\n".join(_names() if listed else [f"{command:32}{what}" for command, what in COMMANDS.items()]))
        if not listed:
            print("\nEach has --help.  `python -m bench --list` lists the backends and the problems.")
    return GOOD


def _names() -> list[str]:
    modes = [
        f"  {name:28}{'the same, by hand' if mode.is_twin else mode.code}" for name, mode in backends.MODES.items()
    ]
    sizes = [
        f"  {name}/{size}" + (" (default)" if f"{name}/{size}" in DEFAULT_PROBLEMS else "")
        for name, workload in WORKLOADS.items()
        for size in dict.fromkeys([*workload.DEFAULT_SIZES, *workload.SWEEP_SIZES])
    ]
    return ["backends (--backend):", *modes, "", "problems (--problem), and any other size:", *sizes]


if __name__ == "__main__":
    sys.exit(ended(main))
