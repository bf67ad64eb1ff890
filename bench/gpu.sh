#!/usr/bin/env bash
# Everything a machine with a CUDA GPU is asked, in one call, from a checkout and without installing:
# agreement in every precision, then the CPU and the GPU in one race from Iris to the sizes a GPU is for.
#   bench/gpu.sh FOLDER        the record, its report and agree.txt are left in FOLDER
set -uo pipefail
out=$(realpath -m "${1:?give the folder that the record goes to}")
cd "$(dirname "$0")/.."
mkdir -p "$out"
python=${PYTHON:-python3}

small=(--problem factorisation/iris --problem mlp/iris)
large=(--problem factorisation/2000x1000r32 --problem factorisation/8192x8192r128 --problem mlp/digits --problem mlp/32768x784-2048-10)

"$python" -m bench.agree --device cuda --dtype float64 --dtype float32 --dtype tf32 "${small[@]}" | tee "$out/agree.txt"
agreed=${PIPESTATUS[0]}
"$python" -m pytest bench/ --benchmark-only --quick --device cpu --device cuda "${small[@]}" "${large[@]}" --results "$out"
raced=$?
"$python" -m bench.report --results "$out" >"$out/report.txt"
exit $((agreed > raced ? agreed : raced))
