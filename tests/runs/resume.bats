# Invariant 6: killed at any moment and resumed, a run ends with the same files, bit for bit.

load tiny

# Kills the command after a random while; longer and longer, so that the run gets ahead.
kill_soon() {
    "$@" >/dev/null 2>&1 &
    local pid=$! turn=$KILLS
    sleep "$(awk -v r=$RANDOM -v t="$turn" 'BEGIN { print 0.05 + r / 32767 * (0.4 + 0.08 * t) }')"
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

@test "kill -9 at 20 random moments" {
    "$XST" train "${TINY[@]}" --out "$RUNS/whole" 2>/dev/null
    RANDOM=$$
    for KILLS in $(seq 20); do
        kill_soon "$XST" train --resume "${TINY[@]}" --out "$RUN"
    done
    "$XST" train --resume "${TINY[@]}" --out "$RUN" 2>/dev/null
    same_run "$RUNS/whole" "$RUN"
    "$XST" eval "$RUN" >/dev/null
    [ -z "$(find "$RUN" -name '*.tmp')" ] && [ ! -e "$RUN/resume.h5" ]
}

@test "killed between tasks: the next one starts from the files as it would have from memory" {
    # No checkpoint inside a task: what is resumed comes from tasks/NN.h5 alone (columns, BN, biases).
    "$XST" train "${TINY[@]}" --checkpoint-every 0 --out "$RUNS/whole" 2>/dev/null
    "$XST" train "${TINY[@]}" --checkpoint-every 0 --out "$RUN" 2>/dev/null &
    pid=$!
    until grep -q '"done"' "$RUN/manifest.json" 2>/dev/null; do sleep 0.01; done
    kill -9 $pid
    wait $pid || true
    grep -q '"waiting"' "$RUN/manifest.json"
    "$XST" train --resume --out "$RUN" 2>/dev/null
    same_run "$RUNS/whole" "$RUN"
}

@test "stopped by SIGTERM inside an epoch: exit 143, and the same end" {
    "$XST" train "${TINY[@]}" --out "$RUNS/whole" 2>/dev/null
    "$XST" train "${TINY[@]}" --out "$RUN" 2>"$RUNS/err" &
    pid=$!
    until [ -s "$RUN/metrics.csv" ]; do sleep 0.05; done
    sleep 0.2
    kill -TERM $pid
    code=0
    wait $pid || code=$?
    [ $code = 143 ]
    grep -q "^xst: stopped" "$RUNS/err"
    [ -e "$RUN/resume.h5" ]
    "$XST" train --resume --out "$RUN" 2>/dev/null
    same_run "$RUNS/whole" "$RUN"
}

@test "a finished run is left as it is, and an option that differs is refused" {
    "$XST" train "${TINY[@]}" --out "$RUN" 2>/dev/null
    cp -r "$RUN" "$RUNS/copy"
    "$XST" train --resume --out "$RUN"
    diff -r "$RUN" "$RUNS/copy"
    refused 2 "lr" "$XST" train --resume --lr 0.5 --out "$RUN"
    diff -r "$RUN" "$RUNS/copy"
}

@test "two runs of one configuration are equal; another seed is not" {
    "$XST" train "${TINY[@]}" --tasks 1 --epochs 1 --out "$RUNS/a" 2>/dev/null
    "$XST" train "${TINY[@]}" --tasks 1 --epochs 1 --out "$RUNS/b" 2>/dev/null
    "$XST" train "${TINY[@]}" --tasks 1 --epochs 1 --seed 1 --out "$RUNS/c" 2>/dev/null
    same_run "$RUNS/a" "$RUNS/b"
    ! cmp -s "$RUNS/a/tasks/01.h5" "$RUNS/c/tasks/01.h5"
}
