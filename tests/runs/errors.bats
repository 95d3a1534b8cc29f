# Bad input: one clear line, a non-zero exit, nothing lost, nothing left behind.

load tiny

# A whole data set of one superclass (500/100 images of each class) in the official layout; grey noise.
make_data() {
    mkdir -p "$1"
    python3 - "$1" <<'P'
import os, sys
fine = [4, 30, 55, 72, 95]  # aquatic mammals, coarse label 0
for name, n in (("train.bin", 500), ("test.bin", 100)):
    with open(os.path.join(sys.argv[1], name), "wb") as f:
        for c in fine:
            for i in range(n):
                f.write(bytes((0, c)) + bytes((c * 7 + i * 13 + k * 31) % 256 for k in range(16)) * 192)
P
}

@test "missing data" {
    refused 2 "nowhere" "$XST" train "${TINY[@]}" --data "$RUNS/nowhere" --out "$RUN" && one_line
    [ ! -e "$RUN" ]
}

@test "a truncated data file, and one of a wrong size" {
    make_data "$RUNS/data"
    truncate -s -1000 "$RUNS/data/train.bin"
    refused 2 "train.bin" "$XST" train "${TINY[@]}" --tasks 1 --data "$RUNS/data" --out "$RUN" && one_line
    truncate -s 12 "$RUNS/data/test.bin"
    refused 2 "" "$XST" train "${TINY[@]}" --tasks 1 --data "$RUNS/data" --out "$RUN" && one_line
    [ ! -e "$RUN" ]
}

@test "a label of 255" {
    make_data "$RUNS/data"
    printf '\377' | dd of="$RUNS/data/test.bin" bs=1 seek=$((3074 * 7 + 1)) conv=notrunc 2>/dev/null
    refused 2 "255" "$XST" train "${TINY[@]}" --tasks 1 --data "$RUNS/data" --out "$RUN" && one_line
    grep -q "test.bin" "$RUNS/err"
    [ ! -e "$RUN" ]
}

@test "a class with too few images; a set with one task only is fine" {
    make_data "$RUNS/data"
    "$XST" train "${TINY[@]}" --tasks 1 --epochs 1 --data "$RUNS/data" --out "$RUNS/good" 2>/dev/null
    truncate -s -3074 "$RUNS/data/train.bin"
    refused 2 "499" "$XST" train "${TINY[@]}" --tasks 1 --data "$RUNS/data" --out "$RUN"
    refused 2 "" "$XST" train "${TINY[@]}" --tasks 2 --data "$RUNS/data" --out "$RUNS/other"
}

@test "options: unknown, G = 0, T = 0, tasks beyond the split" {
    refused 2 "mask_lr" "$XST" train --mask-rl 1 --out "$RUN" && one_line
    refused 2 "group" "$XST" train --group 0 --out "$RUN" && one_line
    refused 2 "temperature" "$XST" train --temperature 0 --out "$RUN" && one_line
    refused 2 "21" "$XST" train --tasks "[21]" --out "$RUN" && one_line
    refused 2 "s1" "$XST" train --budget literal --s1 0.3 --out "$RUN" && one_line
    refused 2 "--out" "$XST" train && one_line
    [ ! -e "$RUN" ]
}

@test "a loss or a weight that is not finite ends the run" {
    refused 1 "not finite" "$XST" train "${TINY[@]}" --lr 100 --momentum 1 --out "$RUN"
    [ ! -e "$RUN/tasks/01.h5" ] && [ ! -e "$RUN/resume.h5" ] # nothing is kept of such a net
}

@test "a folder that cannot be written" {
    touch "$RUNS/file"
    refused 2 "file" "$XST" train "${TINY[@]}" --out "$RUNS/file/run" && one_line
}

@test "a full disk: the run ends with one line, and goes on when there is room" {
    # Files larger than 24 KiB cannot be written, as if the disk were full.
    refused 1 "tasks/01.h5" bash -c 'trap "" XFSZ; ulimit -f 24; exec "$@"' - "$XST" train "${TINY[@]}" \
        --checkpoint-every 0 --tasks 1 --epochs 1 --out "$RUN"
    [ -z "$(find "$RUN" -name '*.tmp')" ]
    "$XST" train --resume --out "$RUN" 2>/dev/null
    "$XST" eval "$RUN" >/dev/null
}

@test "a run folder that exists, or is another program's" {
    "$XST" train "${TINY[@]}" --tasks 1 --epochs 1 --out "$RUN" 2>/dev/null
    cp -r "$RUN" "$RUNS/copy"
    refused 2 "$RUN" "$XST" train "${TINY[@]}" --out "$RUN" && one_line
    diff -r "$RUN" "$RUNS/copy"
    mkdir "$RUNS/foreign"
    echo thesis >"$RUNS/foreign/thesis.txt"
    refused 2 "foreign" "$XST" train --resume "${TINY[@]}" --out "$RUNS/foreign" && one_line
    refused 2 "foreign" "$XST" eval "$RUNS/foreign" && one_line
    [ "$(ls "$RUNS/foreign")" = thesis.txt ]
}

@test "two writers on one run" {
    "$XST" train "${TINY[@]}" --epochs 200 --out "$RUN" 2>/dev/null &
    pid=$!
    until [ -s "$RUN/metrics.csv" ]; do sleep 0.05; done
    refused 2 "" "$XST" train --resume --out "$RUN" && one_line
    kill -9 $pid
    wait $pid || true
}

@test "a damaged task file and a damaged resume.h5 are refused by name" {
    "$XST" train "${TINY[@]}" --tasks 2 --epochs 1 --out "$RUN" 2>/dev/null
    cp -r "$RUN" "$RUNS/copy"
    printf 'x' | dd of="$RUN/tasks/01.h5" bs=1 seek=5000 conv=notrunc 2>/dev/null
    refused 2 "01.h5" "$XST" eval "$RUN" && one_line
    truncate -s 4000 "$RUN/tasks/01.h5"
    refused 2 "01.h5" "$XST" eval "$RUN" && one_line
    rm "$RUN/tasks/01.h5"
    refused 2 "01.h5" "$XST" eval "$RUN" && one_line
}
