#!/bin/sh
# Registers, shared memory and spills of every CUDA kernel, by architecture, as a table (needs nvcc, no GPU).
#   scripts/kernel_table.sh            compares with cuda/registers.csv; spills or a difference end with 1
#   scripts/kernel_table.sh --write    writes cuda/registers.csv
set -eu
cd "$(dirname "$0")/.."
nvcc=${NVCC:-nvcc}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo "file,arch,kernel,registers,shared_bytes" >"$out/table"
for arch in 80 90 100; do
    for file in cuda/*.cu; do
        "$nvcc" -std=c++17 -O3 -fmad=false -Werror all-warnings -Xcompiler -Wall,-Wextra -Isrc -Iinclude -arch=sm_$arch -cubin \
            -Xptxas -v,-warn-spills,-warn-lmem-usage -o "$out/cubin" "$file" >"$out/log" 2>&1 || { cat "$out/log"; exit 1; }
        # A name ends in the kernel's own name and template arguments; what stands before contains the file's hash.
        sed -n "s/.*Compiling entry function '\([^']*\)'.*/\1/p; s/.*Used \([0-9]*\) registers.*/& /p" "$out/log" |
            c++filt | sed 's/(anonymous namespace)::/@/' |
            awk -v file="${file#cuda/}" -v arch="sm_$arch" '
                /Used [0-9]+ registers/ {
                    match($0, /Used [0-9]+/); r = substr($0, RSTART + 5, RLENGTH - 5)
                    s = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH - 11) : 0
                    gsub(/,/, ";", name); print file "," arch "," name "," r "," s; next }
                { name = $0; sub(/^void /, "", name); gsub(/_GLOBAL__N__[0-9a-f_]*cu_[0-9a-f]*::/, "", name)
                  sub(/^@/, "", name); sub(/\(.*/, "", name) }'
    done
done | sort >>"$out/table"
if [ "${1:-}" = --write ]; then
    cp "$out/table" cuda/registers.csv
else
    diff -u cuda/registers.csv "$out/table" && echo "$(($(wc -l <"$out/table") - 1)) kernels as in cuda/registers.csv, no spills"
fi
