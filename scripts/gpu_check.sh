#!/usr/bin/env bash
# All that needs a GPU, in one command, from a bundle or a source tree: correctness first, then speed. Ends with a table on
# stdout; the same as JSON in OUT/gpu_check.json, a log of each part beside it. After SECONDS (480) no other part begins, and
# the one that runs is stopped: `full`, which is not part of them, has 20 minutes of its own.
#   gpu_check.sh [--parts LIST] [--build DIR] [--out DIR] [--seconds N] [--dry-run] DATA_DIR
# DATA_DIR: folder with train.bin and test.bin, or `synthetic`. Parts, all by default but `full`:
#   ops       one test per operation, every precision, against plain loops in double
#   forced    100 steps from the CPU's state, CPU against CUDA; recorded graphs against single launches
#   resume    a deterministic run that is killed and resumed ends in the same bits
#   sanitize  compute-sanitizer on a tiny run and on the test of the fused FC layers: memcheck, racecheck, initcheck, synccheck
#   bench     xst bench at full width, bf16: step, operations, ceilings; again with the library's FC products (bench_general),
#             and with one branch (bench_single)
#   peer      the same step in PyTorch, eager (channels first and last: the faster counts) and compiled
#   train     a short run, and its evaluation from the files
#   full      experiments/paper.yaml as it is (20 tasks x 100 epochs): not part of the 8 minutes
# --dry-run: tiny nets, for trying this script without a GPU (XST_CUDA_MODULE names the module that stands in for it).
set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
parts=ops,forced,resume,bench,peer,train,sanitize
build='' out=gpu_check data='' dry= seconds=480
while [ $# -gt 0 ]; do
    case $1 in
        --parts | --build | --out | --seconds)
            [ $# -ge 2 ] || { echo "gpu_check: $1 wants a value" >&2; exit 2; }
            declare "${1#--}=$2"
            shift 2
            ;;
        --dry-run) dry=1; shift ;;
        -*) echo "gpu_check: $1 is no option: see the head of this file" >&2; exit 2 ;;
        *) data=$1; shift ;;
    esac
done
known=,ops,forced,resume,sanitize,bench,peer,train,full,
for name in ${parts//,/ }; do
    [[ $known == *",$name,"* ]] || { echo "gpu_check: there is no part $name: see the head of this file" >&2; exit 2; }
done
[ -n "$data" ] || { echo "usage: $0 [--parts LIST] [--build DIR] [--out DIR] [--seconds N] [--dry-run] DATA_DIR" >&2; exit 2; }
[ -n "$build" ] || { if [ -x "$here/xst" ]; then build=$here; else build=$here/build; fi; }
xst=$build/xst
[ -x "$xst" ] || { echo "gpu_check: $xst is not there: name the build folder with --build" >&2; exit 2; }
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
rm -f "$out"/*.log "$out"/*.json
: >"$out/parts"

# Net and task: tiny (10 steps an epoch) for what only has to be right, a small one for a short run. Widths and groups of 8:
# else the fused FC kernels would not run.
net=(--net "[8, M, M, 8, M, M, 8]" --fc "[16]" --expand 1 --group 8)
[ -z "$dry" ] || net=(--net "[1, M, M, 8, M, M, 8]" --fc "[16]" --expand 1 --round-channels 1 --group 2 --group-fc 8)
tiny=("${net[@]}" --capacity-tasks 3 --tasks 2 --epochs 2 --batch 125 --valid-share 0.5 --update-every 5 --eval-every 1
    --checkpoint-every 1 --backend cuda --data "$data")
short=(--width 0.25 --tasks 2 --epochs 4 --precision bf16 --backend cuda --data "$data")
bench=(--backend cuda --precision bf16)
if [ -n "$dry" ]; then
    short=("${tiny[@]}" --precision bf16)
    bench+=("${net[@]}" --batch 8 --rounds 2)
fi

# part NAME SECONDS: runs run_NAME; exit 77: skipped. The last line of its log says why it was skipped or failed.
part() {
    local name=$1 limit=$2 start status=passed rc=0 note=''
    [[ ,$parts, == *",$name,"* ]] || return 0
    if [ -n "$dry" ]; then
        limit=$((10 * limit))
    elif [ "$name" != full ]; then
        [ "$SECONDS" -lt "$seconds" ] || { printf '%s\tskipped\t77\t0\tno time was left\n' "$name" >>"$out/parts"; return 0; }
        limit=$((limit < seconds - SECONDS ? limit : seconds - SECONDS))
    fi
    start=$(date +%s.%N)
    timeout -k 5 "$limit" bash -c "$(declare -p tiny short bench build out here data xst dry); $(declare -f); run_$name" \
        >"$out/$name.log" 2>&1 || rc=$?
    case $rc in 0) ;; 77) status=skipped ;; *) status=failed ;; esac
    [ $rc != 124 ] || echo "took more than $limit s" >>"$out/$name.log"
    [ $status = passed ] || note=$(tail -n 1 "$out/$name.log" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g' | cut -c1-200)
    printf '%s\t%s\t%d\t%s\t%s\n' "$name" "$status" "$rc" \
        "$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}')" "$note" >>"$out/parts"
}

# A backend that does not open is skipped by name in these tests; here that is a failure.
tests() {
    local test log bad=() missing=
    for test in "$@"; do
        echo "== $(basename "$test")"
        log=$("$test" 2>&1) || bad+=("$(basename "$test")")
        echo "$log"
        missing=${missing:-$(grep -m 1 '^skipped: cuda' <<<"$log")}
    done
    [ ${#bad[@]} = 0 ] || echo "failed: ${bad[*]}"
    [ -z "$missing" ] || echo "$missing"
    [ ${#bad[@]} = 0 ] && [ -z "$missing" ]
}

run_ops() {
    local list=() test
    for test in "$build"/tests/ops_*; do
        if [ -x "$test" ] && [ -f "$test" ] && [[ $test != *_forced && $test != *_replay ]]; then
            list+=("$test")
        fi
    done
    tests "${list[@]}"
}

run_forced() {
    tests "$build/tests/ops_forced" "$build/tests/ops_replay"
}

# Every file but for clock times and the folder's name.
same_bits() {
    diff -r --exclude=manifest.json --exclude=metrics.csv --exclude=config.yaml "$1" "$2"
}

run_resume() {
    local pid precision epochs=100
    [ -z "$dry" ] || epochs=2
    for precision in fp32 bf16; do
        rm -rf "$out/whole.run" "$out/killed.run"
        "$xst" train "${tiny[@]}" --epochs $epochs --precision $precision --deterministic on --out "$out/whole.run" || return
        "$xst" train "${tiny[@]}" --epochs $epochs --precision $precision --deterministic on --out "$out/killed.run" &
        pid=$!
        until grep -q '^2,1,' "$out/killed.run/metrics.csv" 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
        kill -KILL $pid
        wait $pid
        [ "$(grep -c '"done"' "$out/killed.run/manifest.json")" -lt 2 ] || { echo "it was over before it was killed"; return 1; }
        "$xst" train --resume --out "$out/killed.run" && same_bits "$out/whole.run" "$out/killed.run" || return
    done
}

# initcheck and racecheck look at our kernels only (their names end in _kernel): the libraries' are not ours to mend.
# Deterministic, so that cuDNN does not try every algorithm it has under the tool.
run_sanitize() {
    local tool ours
    command -v compute-sanitizer >/dev/null || { echo "there is no compute-sanitizer on this machine"; return 77; }
    for tool in memcheck racecheck initcheck synccheck; do
        ours=()
        [[ $tool != initcheck && $tool != racecheck ]] || ours=(--kernel-regex kns=_kernel)
        rm -rf "$out/sanitize.run"
        for run in "$xst train ${tiny[*]@Q} --epochs 1 --tasks 2 --precision bf16 --deterministic on --out ${out@Q}/sanitize.run" \
            "${build@Q}/tests/ops_fused"; do
            eval "compute-sanitizer --tool $tool --report-api-errors no --error-exitcode 1 ${ours[*]} $run" ||
                { echo "$tool found something: see the log"; return 1; }
        done
    done
}

run_bench() {
    local one branches
    for one in bench bench_general bench_single; do
        branches=$([ $one = bench_single ] && echo 0 || echo 2)
        XST_CUDA_BRANCHES=$branches XST_CUDA_FC=${one#bench_} "$xst" bench "${bench[@]}" --json >"$out/$one.json" || { rm -f "$out/$one.json"; return 1; }
    done
}

run_peer() {
    local peer=(python3 "$here/scripts/peer_pytorch.py" --mode speed --device cuda --precision bf16 --json)
    python3 -c 'import torch' 2>/dev/null || { echo "there is no PyTorch on this machine"; return 77; }
    python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || { echo "PyTorch sees no GPU"; return 77; }
    "${peer[@]}" >"$out/peer_eager.json" && "${peer[@]}" --channels-last 1 >"$out/peer_eager_last.json" &&
        "${peer[@]}" --channels-last 1 --compile --graphs >"$out/peer_compiled.json"
}

run_train() {
    rm -rf "$out/train.run"
    "$xst" train "${short[@]}" --out "$out/train.run" && "$xst" eval "$out/train.run" --json >"$out/eval.json"
}

run_full() {
    rm -rf "$out/full.run"
    "$xst" train "$here/experiments/paper.yaml" --precision bf16 --backend cuda --data "$data" --out "$out/full.run" &&
        "$xst" eval "$out/full.run" --json >"$out/full.json"
}

# Limits, not shares: two or three times what a part is expected to take.
part ops 240
part forced 120
part resume 90
part bench 120
part peer 240
part train 100
part sanitize 240
part full 1200

"$xst" info --json >"$out/info.json" 2>/dev/null || echo null >"$out/info.json"
{
    printf '{"dry_run": %s, "info": %s, "parts": [' "$([ -n "$dry" ] && echo true || echo false)" "$(cat "$out/info.json")"
    awk -F '\t' '{printf "%s{\"part\": \"%s\", \"status\": \"%s\", \"exit\": %d, \"seconds\": %s, \"note\": \"%s\"}",
                  (NR > 1 ? ", " : ""), $1, $2, $3, $4, $5}' "$out/parts"
    printf ']'
    for file in bench bench_general bench_single peer_eager peer_eager_last peer_compiled eval full; do
        if [ -s "$out/$file.json" ]; then
            printf ', "%s": %s' "$file" "$(cat "$out/$file.json")"
        fi
    done
    printf '}\n'
} >"$out/gpu_check.json"
printf '%-10s %-8s %8s  %s\n' part status seconds note
awk -F '\t' '{printf "%-10s %-8s %8s  %s\n", $1, $2, $4, $5}' "$out/parts"
[ -s "$out/parts" ] && ! cut -f 2 "$out/parts" | grep -q failed
