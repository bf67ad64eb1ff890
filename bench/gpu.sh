#!/usr/bin/env bash
# What a machine with a CUDA GPU is asked, in one call of less than ten minutes, from a checkout and without installing:
# agreement of all on Iris in float32 and tf32, the CPU and the GPU in one race, then larger sizes on the GPU alone.
#   bench/gpu.sh FOLDER        agree.txt, report.txt and the two records are left in FOLDER
# A race that is not done in its time is interrupted as by Ctrl-C: its record keeps every finished one.
set -uo pipefail
out=$(realpath -m "${1:?give the folder that the records go to}")
cd "$(dirname "$0")/.."
mkdir -p "$out"
python=${PYTHON:-python3}
"$python" -c 'import bench.session, bench.report.pictures, backends.by_hand, array_api_compat, pytest_benchmark' || {
    echo "give, in a folder on PYTHONPATH, the packages of pyproject.toml that are missing here" >&2
    exit 2
}

within() { # SECONDS COMMAND...
    timeout --signal=INT --kill-after=20 "$@"
}
race() { # SECONDS OPTIONS...
    within "$1" "$python" -m pytest bench/ --benchmark-only --quick --results "$out" "${@:2}"
}

within 170 "$python" -m bench.agree --device cuda --dtype float32 --dtype tf32 --problem factorisation/iris | tee "$out/agree.txt"
codes=("${PIPESTATUS[0]}")
race 200 --device cpu --device cuda --problem factorisation/iris --problem factorisation/2000x1000r32 --problem mlp/iris
codes+=($?)
race 110 --device cuda --dtype float32 --dtype tf32 --problem factorisation/4096x4096r128
codes+=($?)
for record in "$out"/*.json; do
    "$python" -m bench.report "$record" --results "$(mktemp -d)"
done >"$out/report.txt"
for code in "${codes[@]}"; do
    ((code)) && exit "$code"
done
exit 0
