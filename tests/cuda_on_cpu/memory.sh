#!/usr/bin/env bash
# The kernel tests under MemorySanitizer, which GCC does not have: everything is compiled anew by clang, the runner too.
#   memory.sh SOURCE_DIR WORK_DIR INCLUDE_DIR...      exit 77: there is no clang that can
set -euo pipefail

source=$1 work=$2
shift 2
includes=(-I"$source/tests/cuda_on_cpu" -I"$source/cuda" -I"$source/src" -I"$source/include")
for folder in "$@"; do
    includes+=(-isystem "$folder")
done
c=$(command -v clang-14 || command -v clang) && cpp=$(command -v clang++-14 || command -v clang++) ||
    { echo "skipped: no clang"; exit 77; }
flags=(-fsanitize=memory -O1 -g -fno-omit-frame-pointer -ffp-contract=off -D_GNU_SOURCE)
mkdir -p "$work"
echo 'int main(void) { return 0; }' >"$work/try.c"
"$c" -fsanitize=memory "$work/try.c" -o "$work/try" 2>/dev/null && "$work/try" ||
    { echo "skipped: this clang has no MemorySanitizer"; exit 77; }

objects=()
# compile COMPILER STANDARD_AND_LANGUAGE FILE...
compile() {
    local compiler=$1 language=$2 file
    shift 2
    for file in "$@"; do
        objects+=("$work/$(basename "$file").o")
        # shellcheck disable=SC2086
        "$compiler" "${flags[@]}" "${includes[@]}" $language -c "$file" -o "${objects[-1]}"
    done
}
reference=()
for file in "$source"/src/backend/ref/*.c; do
    [ "$(basename "$file")" = ref.c ] || reference+=("$file")
done
compile "$c" -std=gnu17 "${reference[@]}" "$source"/src/base/{random,error,memory}.c "$source/src/columns/geometry.c" \
    "$source/src/program/tensors.c" "$source"/tests/cuda_on_cpu/*.c
compile "$cpp" "-std=gnu++17 -xc++" "$source"/cuda/*.cu "$source"/tests/cuda_on_cpu/{planted.cu,blocks.cpp,fibers.cpp,warps.cpp}
"$cpp" -fsanitize=memory "${objects[@]}" -lm -o "$work/driver"

"$work/driver"
# and it sees what it should
if "$work/driver" planted uninitialised >"$work/planted" 2>&1 || ! grep -q 'use-of-uninitialized-value' "$work/planted"; then
    echo "failed: memory that was never written went unnoticed"
    exit 1
fi
