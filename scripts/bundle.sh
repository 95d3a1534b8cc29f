#!/usr/bin/env bash
# Packs the built program, the CUDA module, the test programs of operations, the scripts for a GPU machine and the shared
# libraries they need (not the driver's, not CUDA's, not the C library) into one archive that runs from any folder.
#   bundle.sh BUILD_DIR OUT.tar.xz
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 BUILD_DIR OUT.tar.xz" >&2; exit 2; }
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
limit=$((14 * 1024 * 1024))
[ -x "$build/xst" ] || { echo "bundle: $build/xst is not there: build first" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/xst-bundle
mkdir -p "$root/lib" "$root/tests" "$root/scripts"

install -s -m 755 "$build/xst" "$root/"
programs=("$root/xst")
if [ -f "$build/xst_cuda.so" ]; then
    install -m 755 "$build/xst_cuda.so" "$root/"
    strip --strip-unneeded "$root/xst_cuda.so"
fi
for test in "$build"/tests/ops_*; do
    if [ -f "$test" ] && [ -x "$test" ]; then
        install -s -m 755 "$test" "$root/tests/"
        programs+=("$root/tests/$(basename "$test")")
    fi
done
cp "$source"/scripts/peer_*.py "$source/scripts/gpu_check.sh" "$source/scripts/load_run.py" "$root/scripts/"
cp -r "$source/experiments" "$source/LICENSE" "$root/"

# Libraries by name (programs look in lib/ beside them first); what every Linux has stays out.
ldd "${programs[@]}" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
    grep -vE '/(libc|libm|libdl|libpthread|librt|libresolv|ld-linux[^/]*)[.]so|libcuda|libcudnn|libcublas|libnv' |
    while read -r library; do
        cp -L "$library" "$root/lib/"
        strip --strip-unneeded "$root/lib/$(basename "$library")"
    done
tar -C "$work" -c xst-bundle | xz -T1 --x86 --lzma2=preset=9e >"$work/bundle.tar.xz"
size=$(stat -c %s "$work/bundle.tar.xz")
if [ "$size" -gt "$limit" ]; then
    echo "bundle: $size bytes, more than $limit: leave something out" >&2
    exit 1
fi
mv "$work/bundle.tar.xz" "$2"
echo "$2: $size bytes"
