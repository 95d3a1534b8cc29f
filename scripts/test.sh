#!/usr/bin/env bash
# All checks of the project, from a fresh clone: formatting, static checks, and every test in an optimised build and in one
# with address and undefined-behaviour sanitizers. Ends with what the tests said.
#
# Tests that want real images look for CIFAR-100 in the folder XST_DATA names; where it is not set, in ../shared/data/cifar100,
# which is unpacked once; else they are skipped by name.
set -euo pipefail

cd "$(dirname "$0")/.."
work=build/test
jobs=$(nproc)
failed=()

step() {
    printf '\n== %s\n' "$*"
}

real_data() {
    local packed=../shared/data/cifar100/unpack.sh folder=$work/cifar100
    if [ -n "${XST_DATA:-}" ] || [ ! -x "$packed" ]; then
        return
    fi
    if [ ! -f "$folder/train.bin" ]; then
        step "unpacking CIFAR-100"
        "$packed" "$folder"
    fi
    XST_DATA=$(cd "$folder" && pwd)
    export XST_DATA
}

# build NAME CMAKE_OPTION...
build() {
    local name=$1
    shift
    step "building $name"
    cmake -S . -B "$work/$name" -G Ninja -DXST_WERROR=ON "$@" >"$work/$name.configure.log" ||
        { cat "$work/$name.configure.log"; exit 1; }
    cmake --build "$work/$name" -j "$jobs"
}

# tests NAME CTEST_OPTION...
tests() {
    local name=$1
    shift
    step "testing $name"
    ctest --test-dir "$work/$name" -j "$jobs" --output-on-failure "$@" 2>&1 | tee "$work/$name.log" || failed+=("tests of $name")
}

c_files() {
    git ls-files -- '*.c' '*.h' '*.cu' '*.cpp' '*.hpp' 2>/dev/null ||
        find . -path './build*' -prune -o -type f -regex '.*[.]\(c\|h\|cu\|cpp\|hpp\)' -print | sed 's|^[.]/||'
}

check_format() {
    step "formatting"
    c_files | xargs clang-format-14 --dry-run -Werror || failed+=(formatting)
}

# GCC's vector shuffle, some of its attributes and options are unknown to clang; here it only has to parse them. The CUDA backend's
# host side is checked where it is built, that is where the toolkit's headers are.
check_static() {
    step "static checks"
    mkdir -p "$work/tidy"
    sed 's/-fsanitize-sections=[a-z_]*//g' "$work/release/compile_commands.json" >"$work/tidy/compile_commands.json"
    c_files | grep -E '^(src|cuda)/.*[.]c$' |
        while read -r file; do
            if [ "${file#cuda/}" = "$file" ] || grep -q "/$file\"" "$work/release/compile_commands.json"; then
                echo "$file"
            fi
        done |
        xargs -P "$jobs" -n 1 clang-tidy-14 --quiet -p "$work/tidy" --extra-arg=-Wno-ignored-attributes \
            '--extra-arg=-D__builtin_shuffle(a,b,mask)=((void)(mask),(a)+(b))' 2> >(grep -v 'warnings generated' >&2) ||
        failed+=("static checks")
}

scripts/deps.sh --test
mkdir -p "$work"
real_data
build release -DCMAKE_BUILD_TYPE=Release
check_format
check_static
tests release
build sanitize -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="-O1 -g" -DXST_SANITIZE=address,undefined
# What is labelled release-only is too slow, or measures speed.
tests sanitize -LE release-only

step "summary"
for name in release sanitize; do
    echo "$name:"
    sed -n '/% tests passed/,$p' "$work/$name.log"
done
if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
