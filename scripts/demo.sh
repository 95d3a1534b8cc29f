#!/usr/bin/env bash
# The README's first command: installs what is missing, builds, learns three tasks, evaluates them again from their files.
#   demo.sh [DATA_DIR]    on the built-in synthetic images, or on CIFAR-100 in DATA_DIR (train.bin, test.bin)
set -euo pipefail

data=${1:-synthetic}
[ "$data" = synthetic ] || data=$(cd "$data" && pwd)
cd "$(dirname "$0")/.."
scripts/deps.sh --run
cmake -S . -B build/release -G Ninja -DXST_TESTS=OFF >/dev/null
cmake --build build/release
run=runs/demo-$(date +%Y%m%d-%H%M%S)
build/release/xst train experiments/demo.yaml --data "$data" --out "$run"
build/release/xst eval "$run"
echo "the run is in $run; what is in it: src/store/FORMAT.md"
