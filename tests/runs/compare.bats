# xst compare: tables over runs, JSON alone on stdout, files with --out, refusals.

bats_require_minimum_version 1.5.0

tiny() {
    "$XST" train --data synthetic --tasks 2 --capacity-tasks 2 --net "[4, M, 4, M]" --fc "[8]" --expand 1 \
        --round-channels 1 --group 2 --epochs 1 --batch 500 --threads 2 "$@" 2>/dev/null
}

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    tiny --out xst0 --seed 0
    tiny --out xst1 --seed 1
    tiny --out scratch --method scratch
    tiny --out other --tasks 1
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return
}

@test "tables on stdout, nothing on stderr" {
    run --separate-stderr "$XST" compare xst0 xst1 scratch
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    for part in "Runs" "task-aware" "BWT (GEM) =" "forgetting F (Chaudhry 2018) =" "standard deviation" "McNemar" \
        "ratio to xst" "Bytes stored" "Mask density" "n/a (task-specific heads)"; do
        tr -s ' \n' ' ' <<<"$output" | grep -qiF "$part"
    done
    [ "$(awk '{ if (length($0) > m) m = length($0) } END { print m }' <<<"$output")" -le 100 ]
}

@test "accuracies are those of accuracy.csv" {
    run --separate-stderr "$XST" compare xst0 --json
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "$(jq -r '.runs[0].accuracy[1] | map(. * 100 | round) | @csv' <<<"$output")" = \
        "$(tail -1 xst0/accuracy.csv | awk -F, '{ printf "%.0f,%.0f", $1 * 100, $2 * 100 }')" ]
    jq -e '.runs[0].tasks[1].mask_density > 0 and .runs[0].tasks[0].mask_density == null' <<<"$output"
    jq -e '.runs[0].figures.fwt == null and .runs[0].figures.forgetting == 0' <<<"$output"
}

@test "--out writes tables, and plots as far as gnuplot is there" {
    run --separate-stderr "$XST" compare xst0 scratch --out tables
    [ "$status" -eq 0 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [ -s tables/compare.md ] && [ -s tables/accuracy.csv ] && [ -s tables/plots/curves.gp ]
    jq -e '.runs | length == 2' tables/compare.json
    if command -v gnuplot; then
        grep -q "<svg" tables/plots/matrix.svg
    fi
    run --separate-stderr env PATH=/nowhere "$XST" compare xst0 scratch --out bare
    [ "$status" -eq 0 ]
    [[ $stderr == *"gnuplot is not installed" ]]
    [ -s bare/plots/curves.dat ] && [ ! -e bare/plots/curves.svg ]
}

@test "a run of other tasks is marked by name" {
    run --separate-stderr "$XST" compare xst0 other
    [ "$status" -eq 0 ]
    [[ $output == *"[1] other: other tasks: 1, not 2"* ]]
}

@test "refusals" {
    mkdir -p foreign
    echo hello >foreign/letter
    for arguments in "" "nothing" "xst0 foreign" "xst0 xst0" "xst0 --out xst1" "xst0 --jsno"; do
        # shellcheck disable=SC2086
        run --separate-stderr "$XST" compare $arguments
        [ "$status" -eq 2 ]
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" -eq 1 ]
    done
    [ ! -e nothing ] && [ ! -e xst1/compare.md ]
}
