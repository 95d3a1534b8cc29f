# The CUDA backend as the program sees it: what it says where something is missing, and whole runs on the stand-in, which
# does CUDA's calls on the CPU (XST_CUDA_FAKE: its module; XST_OLD_DRIVER: a folder with a driver of CUDA 11).

load tiny

# Small enough for the stand-in: 10 steps an epoch.
SMALL=(--net "[1, M, M, 8, M, M, 8]" --fc "[16]" --expand 1 --round-channels 1 --group 2 --capacity-tasks 3 --epochs 2 --batch 125
    --valid-share 0.5 --update-every 5 --eval-every 1 --checkpoint-every 1 --backend cuda --deterministic on)

module_is_built() {
    [ -f "$XST_BUILD/xst_cuda.so" ]
}

need_no_driver() {
    if [ -e /dev/nvidiactl ] || [ -e /proc/driver/nvidia ]; then
        skip "there is a driver"
    fi
}

need_stand_in() {
    [ -n "$XST_CUDA_FAKE" ] || skip "the CUDA toolkit was not there"
    export XST_CUDA_MODULE=$XST_CUDA_FAKE
}

@test "no driver, or no module: one line that says so, and nothing is made" {
    need_no_driver
    local what="xst_cuda.so is not there"
    module_is_built && what="no NVIDIA driver"
    refused 2 "$what" "$XST" train "${TINY[@]}" --backend cuda --out "$RUN" && one_line
    grep -q -- "--backend cpu" "$RUNS/err"
    [ ! -e "$RUN" ]
}

@test "no driver: the rest of the program works, and auto takes the CPU" {
    need_no_driver
    "$XST" info --json >"$RUNS/info"
    jq -e '.backends[] | select(.name == "cuda") | .available == false and (.missing | length > 0)' "$RUNS/info"
    "$XST" train "${TINY[@]}" --tasks 1 --epochs 1 --backend auto --out "$RUN" 2>/dev/null
    jq -e '.backend == "cpu"' "$RUN/manifest.json"
}

@test "a driver that is too old: which CUDA it serves, and which is needed" {
    module_is_built && [ -n "$XST_OLD_DRIVER" ] || skip "the CUDA module was not built"
    LD_LIBRARY_PATH=$XST_OLD_DRIVER refused 2 "too old: it serves CUDA 11.4" "$XST" train --backend cuda --out "$RUN" && one_line
}

@test "a module that is none" {
    XST_CUDA_MODULE=$RUNS/none.so refused 2 "none.so" "$XST" train --backend cuda --out "$RUN" && one_line
    [ ! -e "$RUN" ]
}

@test "stand-in: two tasks are learnt; killed and resumed, the same bits; every task again from the files" {
    need_stand_in
    [ -z "$XST_SANITIZE" ] || skip "takes a minute under sanitizers"
    "$XST" train "${SMALL[@]}" --tasks 2 --out "$RUNS/whole" 2>/dev/null
    "$XST" train "${SMALL[@]}" --tasks 2 --out "$RUN" 2>/dev/null &
    pid=$!
    until grep -q '^2,1,' "$RUN/metrics.csv" 2>/dev/null && [ -e "$RUN/resume.h5" ]; do sleep 0.1; done
    kill -9 $pid
    wait $pid || true
    "$XST" train --resume --out "$RUN" 2>/dev/null
    same_run "$RUNS/whole" "$RUN"
    "$XST" eval "$RUN" >/dev/null
}

@test "stand-in: bf16, from the command line" {
    need_stand_in
    "$XST" train "${SMALL[@]}" --precision bf16 --tasks 1 --epochs 1 --out "$RUN" 2>/dev/null
    "$XST" eval "$RUN" >/dev/null
}

@test "stand-in: cpg, stage by stage the columns that the CPU keeps" {
    need_stand_in
    [ -z "$XST_SANITIZE" ] || skip "takes a minute under sanitizers"
    echo 20 >"$RUNS/goals"
    CPG=("${SMALL[@]}" --tasks 1 --epochs 1 --batch 100 --method cpg --cpg-goals "$RUNS/goals" --cpg-train-floor 0
        --cpg-patience 1)
    "$XST" train "${CPG[@]}" --out "$RUNS/cuda" 2>/dev/null
    "$XST" train "${CPG[@]}" --backend cpu --out "$RUNS/cpu" 2>/dev/null
    [ "$(wc -l <"$RUNS/cuda/metrics.csv")" -gt 3 ]
    diff <(cut -d, -f1,2,9,11 "$RUNS/cuda/metrics.csv") <(cut -d, -f1,2,9,11 "$RUNS/cpu/metrics.csv")
}

@test "stand-in: a profiler sees tasks, phases, epochs, programs and layers, one inside the other" {
    need_stand_in
    export NVTX_INJECTION64_PATH=$XST_NVTX NVTX_RECORD=$RUNS/ranges
    "$XST" train "${SMALL[@]}" --tasks 2 --epochs 1 --out "$RUN" 2>/dev/null
    [ "$(grep -c '^task' "$NVTX_RECORD")" = 2 ]
    [ "$(grep -c '^ phase' "$NVTX_RECORD")" = 2 ]
    [ "$(grep -c '^  epoch 1$' "$NVTX_RECORD")" = 2 ]
    [ "$(grep -c '^   step' "$NVTX_RECORD")" -ge 20 ]
    grep -q '^ *features[.]0$' "$NVTX_RECORD"
    ! grep -q 'without a begin' "$NVTX_RECORD"
}
