#!/usr/bin/env bash
# All that needs a GPU, in one command, from a bundle or a source tree: correctness first, then speed. Ends with a table on
# stdout; the same as JSON in gpu_check.json, logs beside it. Each part has a share of 8 minutes.
#   gpu_check.sh [--parts ops,forced,sanitize,bench,peer,train] [--build DIR] [--out DIR] DATA_DIR
# DATA_DIR: folder with train.bin and test.bin, or `synthetic`. XST_CUDA_MODULE names another module (dry run on a CPU).
set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
parts=ops,forced,sanitize,bench,peer,train
build=
out=gpu_check
data=
while [ $# -gt 0 ]; do
    case $1 in
        --parts) parts=$2; shift 2 ;;
        --build) build=$2; shift 2 ;;
        --out) out=$2; shift 2 ;;
        -*) echo "gpu_check: $1 is no option: see the head of this file" >&2; exit 2 ;;
        *) data=$1; shift ;;
    esac
done
[ -n "$data" ] || { echo "usage: $0 [--parts LIST] [--build DIR] [--out DIR] DATA_DIR" >&2; exit 2; }
[ -n "$build" ] || { if [ -x "$here/xst" ]; then build=$here; else build=$here/build; fi; }
xst=$build/xst
[ -x "$xst" ] || { echo "gpu_check: $xst is not there: name the build folder with --build" >&2; exit 2; }
mkdir -p "$out" || exit 2
: >"$out/parts"

# part NAME SECONDS COMMAND...: passed, failed or skipped (exit 77), with its time.
part() {
    local name=$1 limit=$2 start status=passed rc=0
    shift 2
    case ",$parts," in *",$name,"*) ;; *) return ;; esac
    start=$(date +%s.%N)
    timeout "$limit" "$@" >"$out/$name.log" 2>&1 || rc=$?
    if [ "$rc" = 77 ]; then
        status=skipped
    elif [ "$rc" != 0 ]; then
        status=failed
    fi
    printf '%s %s %d %.1f\n' "$name" "$status" "$rc" "$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN {print b - a}')" >>"$out/parts"
}

# A backend that does not open is skipped by name in these tests; here that is a failure.
tests() {
    local test log rc=0
    for test in "$@"; do
        log=$("$test" 2>&1) || rc=1
        echo "$log"
        if grep -q '^skipped: cuda' <<<"$log"; then
            rc=1
        fi
    done
    return $rc
}

run_ops() {
    local list=() test
    for test in "$build"/tests/ops_*; do
        if [ -x "$test" ] && [ -f "$test" ] && [ "$(basename "$test")" != ops_forced ]; then
            list+=("$test")
        fi
    done
    tests "${list[@]}"
}

run_forced() {
    tests "$build/tests/ops_forced"
}

run_sanitize() {
    command -v compute-sanitizer >/dev/null || return 77
    rm -rf "$out/sanitize.run"
    compute-sanitizer --error-exitcode 1 "$xst" train --width 0.125 --tasks 2 --epochs 1 --backend cuda --data "$data" --out "$out/sanitize.run"
}

run_bench() {
    "$xst" bench --backend cuda --precision bf16 --json >"$out/bench.json"
}

run_peer() {
    local peer=$here/scripts/peer_pytorch.py
    python3 -c 'import torch, sys; sys.exit(0 if torch.cuda.is_available() else 77)' || return 77
    python3 "$peer" --mode speed --device cuda --precision bf16 --json >"$out/peer_eager.json" &&
        python3 "$peer" --mode speed --device cuda --precision bf16 --compile --graphs --json >"$out/peer_compiled.json"
}

run_train() {
    rm -rf "$out/train.run"
    "$xst" train --width 0.125 --tasks 2 --epochs 1 --backend cuda --data "$data" --out "$out/train.run" && "$xst" eval "$out/train.run" --json >"$out/eval.json"
}

export -f tests run_ops run_forced run_sanitize run_bench run_peer run_train
export build xst out here data
part_of() {
    part "$1" "$2" bash -c "run_$1"
}
part_of ops 120
part_of forced 60
part_of sanitize 60
part_of bench 80
part_of peer 110
part_of train 50

"$xst" info --json >"$out/info.json" 2>/dev/null || echo null >"$out/info.json"
{
    printf '{"info": %s, "parts": [' "$(cat "$out/info.json")"
    awk '{printf "%s{\"part\": \"%s\", \"status\": \"%s\", \"exit\": %d, \"seconds\": %s}", (NR > 1 ? ", " : ""), $1, $2, $3, $4}' \
        "$out/parts"
    printf ']'
    for file in bench peer_eager peer_compiled eval; do
        if [ -s "$out/$file.json" ]; then
            printf ', "%s": %s' "$file" "$(cat "$out/$file.json")"
        fi
    done
    printf '}\n'
} >"$out/gpu_check.json"
printf '%-10s %-8s %8s\n' part status seconds
awk '{printf "%-10s %-8s %8s\n", $1, $2, $4}' "$out/parts"
! grep -q ' failed ' "$out/parts"
