#!/usr/bin/env bash
# Everything a machine with a CUDA GPU is asked, in one call, from a checkout and without installing:
# agreement in every precision, the sizes a GPU is for on the GPU alone, then the CPU and the GPU in one race.
#   bench/gpu.sh FOLDER        the records, the report of the last and agree.txt are left in FOLDER
set -uo pipefail
out=$(realpath -m "${1:?give the folder that the record goes to}")
cd "$(dirname "$0")/.."
mkdir -p "$out"
python=${PYTHON:-python3}

small=(--problem factorisation/iris --problem mlp/iris --problem factorisation/2000x1000r32 --problem mlp/digits)
large=(--problem factorisation/8192x8192r128 --problem mlp/32768x784-2048-10)
race=("$python" -m pytest bench/ --benchmark-only --quick --results "$out")

"$python" -m bench.agree --device cuda --dtype float64 --dtype float32 --dtype tf32 "${small[@]:0:4}" | tee "$out/agree.txt"
agreed=${PIPESTATUS[0]}
# The large sizes on the GPU alone: a CPU would take most of an hour over them.
"${race[@]}" --device cuda "${large[@]}"
large_raced=$?
"${race[@]}" --device cpu --device cuda "${small[@]}"
raced=$?
"$python" -m bench.report --results "$out" >"$out/report.txt"
printf '%s\n' "$agreed" "$large_raced" "$raced" | sort -n | tail -1 | { read -r worst; exit "$worst"; }
