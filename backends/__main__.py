"""`python -m backends`: the version of each library, loaded in a process of its own, and the names to race."""

import subprocess
import sys

import backends


def versions(name: str) -> str:
    """Return `torch 2.13.0+cpu` for a backend that loads, or why it does not."""
    code = "import sys, backends; print(', '.join(map(' '.join, backends.load(sys.argv[1]).versions.items())))"
    done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True)
    said = done.stderr.strip().splitlines() or [f"its process ended with {done.returncode} and without a word"]
    return done.stdout.strip() or f"{name}: {said[-1]}"


if __name__ == "__main__":
    print(", ".join(versions(library.modes[0].name) for library in backends.LIBRARIES.values()))
    print("backends on the CPU:", ", ".join(backends.on("cpu")))
