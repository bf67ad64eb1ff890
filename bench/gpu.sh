#!/usr/bin/env bash
# What a machine with a CUDA GPU is asked, in one call of less than ten minutes, from a checkout and without installing:
# agreement on Iris in float32 and tf32; the CPU and the GPU in one race; a large factorisation; tf32.
#   bench/gpu.sh FOLDER        agree-*.txt, report.txt and the three records are left in FOLDER
# What is not done in its time is ended, and its record keeps every finished race.
set -uo pipefail
shopt -s nullglob
out=$(realpath -m "${1:?give the folder that the records go to}")
cd "$(dirname "$0")/.."
mkdir -p "$out"
python=${PYTHON:-python3}
"$python" -c 'import bench.session, bench.report.pictures, autograd, pytest_benchmark' || {
    echo "give, in a folder on PYTHONPATH, the packages of pyproject.toml that are missing here" >&2
    exit 2
}
codes=()
of_eager="--backend torch-eager --backend torch-cuda-graph --backend jax-scan"
with_twins="$of_eager --backend torch-eager-by-hand --backend torch-cuda-graph-by-hand --backend jax-scan-by-hand"

within() { # SECONDS COMMAND...
    timeout --kill-after=15 "$@"
    codes+=($?)
}
agree() { # SECONDS DTYPE OPTIONS...
    within "$1" "$python" -m bench.agree --device cuda --dtype "$2" --deadline 60 "${@:3}" >"$out/agree-$2.txt"
    cat "$out/agree-$2.txt"
}
race() { # SECONDS OPTIONS...
    local folder
    folder=$(mktemp -d)
    within "$1" "$python" -m pytest bench/ --benchmark-only --quick --deadline 60 --results "$folder" "${@:2}"
    for record in "$folder"/*.json; do
        "$python" -m bench.report "$record" --results "$(mktemp -d)" >>"$out/report.txt"
        cp "$record" "$out"
    done
}

agree 120 float32 --problem factorisation/iris --problem mlp/iris
agree 60 tf32 --problem factorisation/iris $of_eager
race 160 --device cpu --device cuda --backend numpy $with_twins --backend jax-jit \
    --problem factorisation/iris --problem factorisation/2000x1000r32
race 110 --device cuda $of_eager --problem factorisation/4096x4096r128
race 60 --device cuda --dtype tf32 $of_eager --problem factorisation/2000x1000r32
for code in "${codes[@]}"; do
    ((code)) && exit "$code"
done
exit 0
