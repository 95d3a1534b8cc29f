# Shared by the run tests: a net and sequence small enough for seconds, and checks on what a command printed.

TINY=(--net "[16, M, 32, M, 32, M]" --fc "[32]" --expand 1 --group 5 --tasks 3 --capacity-tasks 3 --epochs 3
    --update-every 20 --eval-every 1 --checkpoint-every 1 --backend cpu --threads 1)

setup() {
    RUNS=$(mktemp -d)
    RUN=$RUNS/run
}

teardown() {
    chmod -R u+w "$RUNS" 2>/dev/null
    rm -rf "$RUNS"
}

# refused CODE WORD COMMAND...: exits with CODE, the last line on stderr begins with "xst: " and holds WORD.
refused() {
    local code=$1 word=$2 got=0 line
    shift 2
    "$@" >"$RUNS/out" 2>"$RUNS/err" || got=$?
    line=$(tail -n 1 "$RUNS/err")
    if [ "$got" != "$code" ] || [[ $line != "xst: "* ]] || [[ $line != *"$word"* ]]; then
        echo "wanted exit $code and '$word', got exit $got:"
        cat "$RUNS/err"
        return 1
    fi
}

# one_line: the refusal above printed that line alone.
one_line() {
    [ "$(wc -l <"$RUNS/err")" = 1 ] && [ ! -s "$RUNS/out" ]
}

# same_run A B: every file equal but for clock times and the folder's own name.
same_run() {
    diff -r --exclude=manifest.json --exclude=metrics.csv --exclude=config.yaml "$1" "$2" &&
        diff <(cut -d, -f1-6,9- "$1/metrics.csv") <(cut -d, -f1-6,9- "$2/metrics.csv") &&
        diff <(grep -v '^out:' "$1/config.yaml") <(grep -v '^out:' "$2/config.yaml") &&
        diff <(grep -vE '"(started|ended|seconds)"' "$1/manifest.json") <(grep -vE '"(started|ended|seconds)"' "$2/manifest.json")
}
