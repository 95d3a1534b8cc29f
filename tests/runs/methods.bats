# Every method of the table learns, forgets nothing where it promises so, and is resumed inside any of its phases.

load tiny

setup_file() {
    export GOALS=$BATS_FILE_TMPDIR/goals HIGH=$BATS_FILE_TMPDIR/high
    printf '20\n# the second is out of reach\n99.5 %%\n30\n' >"$GOALS"
    printf '99\n99\n' >"$HIGH"
}

# Stages of one epoch; every stage counts.
CPG=(--method cpg --cpg-goals "$GOALS" --cpg-train-floor 0 --cpg-patience 1)
# Few of them: five in task 1, none in task 2, which is retrained.
QUICK=("${CPG[@]}" --cpg-goals "$HIGH" --tasks 2 --capacity-tasks 2 --epochs 1)

@test "methods that promise it forget nothing, and their masks and counts are right" {
    for method in xst xst-element scratch cpg packnet piggyback xbm rigl; do
        options=(--method $method)
        [ $method != cpg ] || options=("${QUICK[@]}")
        "$XST" train "${TINY[@]}" --epochs 1 "${options[@]}" --out "$RUNS/$method" 2>/dev/null
        "$XST" eval "$RUNS/$method" --json >"$RUNS/eval.json"
        jq -e '.runs[0] | .forgetting == 0 and .logits_identical' "$RUNS/eval.json"
    done
    # packnet has no mask: all earlier weights are on
    jq -e '.tasks[1].mask_density == null' "$RUNS/packnet/manifest.json"
    # piggyback and xbm: later tasks own nothing
    [ "$(awk -F, '$1 > 1 { s += $9 } END { print s }' "$RUNS/piggyback/metrics.csv")" = 0 ]
    [ "$(awk -F, '$1 > 1 { s += $9 } END { print s }' "$RUNS/xbm/metrics.csv")" = 0 ]
}

@test "what a user should know is said at the start" {
    "$XST" train "${TINY[@]}" --epochs 1 --tasks 2 --gate paper --out "$RUNS/paper" 2>"$RUNS/err"
    head -1 "$RUNS/err" | grep -q "near chance"
    "$XST" train "${TINY[@]}" "${QUICK[@]}" --tasks 1 --out "$RUNS/cpg" 2>"$RUNS/err"
    head -1 "$RUNS/err" | grep -q "test images"
}

@test "cpg: stages in metrics.csv, the kept one in manifest.json" {
    "$XST" train "${TINY[@]}" --epochs 1 --tasks 2 "${CPG[@]}" --out "$RUN" 2>"$RUNS/err"
    grep -q "prune 0.3  epoch 1/1" "$RUNS/err"
    [ "$(head -1 "$RUN/metrics.csv" | cut -d, -f11)" = phase ]
    # task 1 reaches 20 %: all ten stages; the net is task 1's after them, so no retraining
    [ "$(awk -F, '$1 == 1 { print $11 }' "$RUN/metrics.csv" | uniq | tr '\n' ' ')" = \
        "fine-tune prune 0.1 prune 0.2 prune 0.3 prune 0.4 prune 0.5 prune 0.6 prune 0.7 prune 0.8 prune 0.9 prune 0.95 " ]
    jq -e '.tasks[0].kept | test("^(fine-tune|prune 0.[0-9]+)$")' "$RUN/manifest.json"
    # task 2 of 3 misses 99.5 %: q = rint(10/2)/10, pruning ends at 0.5 and that stage is kept
    jq -e '.tasks[1].kept | test("^prune 0.5")' "$RUN/manifest.json"
    awk -F, '$1 == 2 { print $11 }' "$RUN/metrics.csv" | grep -q retrain
    # active weights fall through the stages
    awk -F, '$11 ~ /prune/ && $1 == 1 { if (n && $9 >= n) exit 1; n = $9 }' "$RUN/metrics.csv"
}

@test "cpg and packnet, killed at random moments and resumed, end with the same files" {
    [ -z "${XST_SANITIZE:-}" ] || skip "in the optimised build alone, for time"
    for method in packnet cpg; do
        options=(--method packnet --tasks 2 --epochs 2)
        [ $method != cpg ] || options=("${QUICK[@]}")
        "$XST" train "${TINY[@]}" "${options[@]}" --out "$RUNS/whole-$method" 2>/dev/null
        RANDOM=7
        for turn in $(seq 6); do
            "$XST" train --resume "${TINY[@]}" "${options[@]}" --out "$RUNS/$method" >/dev/null 2>&1 &
            pid=$!
            sleep "$(awk -v r=$RANDOM -v t="$turn" 'BEGIN { print 0.1 + r / 32767 * (0.6 + 0.2 * t) }')"
            kill -9 $pid 2>/dev/null || true
            wait $pid 2>/dev/null || true
        done
        "$XST" train --resume "${TINY[@]}" "${options[@]}" --out "$RUNS/$method" 2>/dev/null
        same_run "$RUNS/whole-$method" "$RUNS/$method"
    done
}

@test "goals are read once; what cannot work is refused before anything is written" {
    cp "$HIGH" "$RUNS/goals"
    "$XST" train "${TINY[@]}" "${QUICK[@]}" --cpg-goals "$RUNS/goals" --out "$RUN" 2>/dev/null &
    pid=$!
    until [ -s "$RUN/metrics.csv" ]; do sleep 0.05; done
    kill -TERM $pid
    wait $pid || true
    rm "$RUNS/goals"
    "$XST" train --resume --out "$RUN" 2>/dev/null
    jq -e '[.tasks[].goal] == [99, 99]' "$RUN/manifest.json"
    "$XST" train --resume --out "$RUN"
    refused 2 "no step at which weights are released" \
        "$XST" train "${TINY[@]}" "${CPG[@]}" --batch 250 --epochs 1 --out "$RUNS/b"
    refused 2 "no step at which weights are released" \
        "$XST" train "${TINY[@]}" "${CPG[@]}" --batch 250 --epochs 1 --dry-run
    refused 2 "cpg_goals" "$XST" train "${TINY[@]}" "${CPG[@]}" --cpg-goals "$RUNS/nowhere" --dry-run
    [ ! -e "$RUNS/b" ]
}

@test "bn_recalibrate: what is stored is measured anew, once, for the net that is kept" {
    [ -z "${XST_SANITIZE:-}" ] || skip "in the optimised build alone, for time"
    "$XST" train "${TINY[@]}" "${QUICK[@]}" --bn-recalibrate 1 --out "$RUN" 2>/dev/null
    "$XST" eval "$RUN" >/dev/null
    "$XST" train "${TINY[@]}" "${QUICK[@]}" --out "$RUNS/plain" 2>/dev/null
    h5diff "$RUN/tasks/01.h5" "$RUNS/plain/tasks/01.h5" features.0.weight/values
    ! h5diff "$RUN/tasks/01.h5" "$RUNS/plain/tasks/01.h5" features.1.running_mean
}

@test "goals: from a scratch run by name, from a file by position; refused where they are not there" {
    "$XST" train "${TINY[@]}" --epochs 1 --tasks 1 --method scratch --out "$RUNS/scratch" 2>/dev/null
    "$XST" train "${TINY[@]}" "${QUICK[@]}" --tasks 1 --cpg-goals "$RUNS/scratch" --out "$RUNS/a" 2>/dev/null
    refused 2 "cpg_goals" "$XST" train "${TINY[@]}" --method cpg --out "$RUNS/b"
    one_line
    echo 5 >"$RUNS/short"
    echo fast >"$RUNS/words"
    refused 2 "percentages for 3 tasks" "$XST" train "${TINY[@]}" "${CPG[@]}" --cpg-goals "$RUNS/short" --out "$RUNS/b"
    refused 2 "not a percentage" "$XST" train "${TINY[@]}" "${CPG[@]}" --cpg-goals "$RUNS/words" --out "$RUNS/b"
    refused 2 "not scratch" "$XST" train "${TINY[@]}" "${CPG[@]}" --cpg-goals "$RUNS/a" --out "$RUNS/b"
    refused 2 "no finished task" "$XST" train "${TINY[@]}" --tasks "[4, 5]" "${CPG[@]}" --cpg-goals "$RUNS/scratch" --out "$RUNS/b"
    refused 2 "longer than the stage" "$XST" train "${TINY[@]}" "${CPG[@]}" --cpg-ramp-epochs 3 --out "$RUNS/b"
    refused 2 "cpg_grow" "$XST" train "${TINY[@]}" "${CPG[@]}" --cpg-grow --out "$RUNS/b"
    [ ! -e "$RUNS/b" ]
}

@test "piggyback_bn: frozen keeps the BN of the first task" {
    "$XST" train "${TINY[@]}" --epochs 1 --tasks 2 --method piggyback --piggyback-bn frozen --out "$RUN" 2>/dev/null
    "$XST" eval "$RUN" >/dev/null
    for part in weight bias running_mean running_var; do
        h5diff "$RUN/tasks/01.h5" "$RUN/tasks/02.h5" "features.1.$part"
    done
    ! h5diff "$RUN/tasks/01.h5" "$RUN/tasks/02.h5" classifier.0.bias
}

@test "valid_share: cpg chooses on held-out images" {
    "$XST" train "${TINY[@]}" "${QUICK[@]}" --valid-share 0.2 --eval-every 100 --out "$RUN" 2>/dev/null
    "$XST" eval "$RUN" >/dev/null
    # in retraining the test images are looked at once, at the end
    [ "$(awk -F, '$11 == "retrain" && $6 != ""' "$RUN/metrics.csv" | wc -l)" = 1 ]
    [ "$(tail -1 "$RUN/metrics.csv" | cut -d, -f6)" != "" ]
}
