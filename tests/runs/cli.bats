# What every command of the program has in common: help, refusals on one line with exit code 2, JSON alone on stdout.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

# refused MESSAGE COMMAND...: exit code 2, nothing on stdout, this one line on stderr, no file written.
refused() {
    local message=$1
    shift
    run --separate-stderr "$@"
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [ "$stderr" = "xst: $message" ]
    [ ! -e run ]
}

@test "--help and help list the commands" {
    for word in --help -h help; do
        run --separate-stderr "$XST" $word
        [ "$status" -eq 0 ]
        [ -z "$stderr" ]
        for command in train eval compare energy export bench info; do
            grep -q "^  $command " <<<"$output"
        done
    done
}

@test "every command has a help page" {
    for command in train eval compare energy export bench info; do
        run --separate-stderr "$XST" "$command" --help
        [ "$status" -eq 0 ]
        [[ $output == "$command - "* ]]
        [[ $output == *"xst $command "* ]]
        [ "$output" = "$("$XST" help "$command")" ]
    done
}

@test "train --help lists every option that info knows" {
    "$XST" train --help >help
    options=$("$XST" info --json -v | jq -r '.defaults | keys[]')
    [ "$(wc -w <<<"$options")" -gt 40 ]
    for option in $options; do
        grep -q "^  --${option//_/-} " help
    done
}

@test "--version" {
    run "$XST" --version
    [ "$status" -eq 0 ]
    [[ $output =~ ^xst\ [0-9]+\.[0-9]+\.[0-9]+\ \(.+\)$ ]]
}

@test "info shows this machine, also as JSON alone" {
    run --separate-stderr "$XST" info
    [ "$status" -eq 0 ]
    [[ $output == *"Backends"*"cpu"*"oneDNN"* ]]
    run --separate-stderr "$XST" info --json
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    jq -e '.version and .git_commit and .cpu.model and .cpu.cores > 0 and .libraries.HDF5' <<<"$output"
    jq -e '.backends[] | select(.name == "cpu") | .available' <<<"$output"
    jq -e '[.backends[] | .available or (.missing | length > 0)] | all' <<<"$output"
    jq -e 'has("defaults") | not' <<<"$output"
    "$XST" info --json -v | jq -e '.defaults.mask_lr == "0.1" and .defaults.deterministic == "off"'
}

@test "commands that do not exist" {
    refused 'a command is missing: `xst --help` lists them' "$XST"
    refused "unknown command 'trian': did you mean 'train'?" "$XST" trian
    refused "unknown command 'trian': did you mean 'train'?" "$XST" help trian
    refused 'unknown command '\''something-else'\'': `xst --help` lists them' "$XST" something-else
}

@test "options that do not exist, or have no such value" {
    refused "unknown option '--mask-rl': did you mean '--mask-lr'?" "$XST" train --out run --mask-rl 1
    refused "--mask-lr: 20 is out of range: 1e-06 to 10" "$XST" train --out run --mask-lr 20
    refused "--gate: 'logti' is not one of logit, paper: did you mean 'logit'?" "$XST" train --out run --gate=logti
    refused "--epochs: a value is missing" "$XST" train --out run --epochs
    refused "unknown option '--jsno': did you mean '--json'?" "$XST" info --jsno
    refused "info takes no 'x'" "$XST" info x
}

@test "configurations that are no good" {
    printf 'epochs: 3\nmask_rl: 1\n' >a.yaml
    refused "a.yaml:2:1: unknown option 'mask_rl': did you mean 'mask_lr'?" "$XST" train a.yaml --out run
    printf 'tasks: [3, 0\n' >b.yaml
    refused "b.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence that starts at 1:8" \
        "$XST" train b.yaml --out run
    printf 'epochs: 3\nepochs: 4\n' >c.yaml
    refused "c.yaml:2:1: 'epochs' is given twice, first in line 1: remove one" "$XST" train c.yaml --out run
    refused "budget: literal needs s1 of at least 0.5, and s1 is 0.4: later tasks would take more than there is" \
        "$XST" train --out run --budget literal --s1 0.4
}

@test "an error stays one line, whatever a name contains" {
    run --separate-stderr "$XST" train $'a\nb.yaml' --out run
    [ "$status" -eq 2 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
}

@test "a full standard output is an error" {
    [ -e /dev/full ] || skip "no /dev/full here"
    for arguments in --help --version "info --json" "info"; do
        run --separate-stderr bash -c "'$XST' $arguments >/dev/full"
        [ "$status" -eq 1 ]
        [[ $stderr == "xst: cannot write"* ]]
    done
}

@test "bench and --dry-run work for batches that leave a short step, and for few steps" {
    tiny=(--net "[16, M, 32, M]" --fc "[32]" --expand 1 --threads 1 --backend cpu)
    for batch in 900 2500; do
        "$XST" train --dry-run "${tiny[@]}" --tasks 2 --batch $batch | grep -q "training time"
        "$XST" bench "${tiny[@]}" --batch $batch --rounds 5 --json >bench.json
        python3 - <<'P'
import json
b = json.load(open("bench.json"))
assert len(b["step"]) == 3 and all(s["images_per_s"] > 0 and s["ratio"] > 0 for s in b["step"])
assert b["operations"] and 0 <= b["outside_conv_gemm_share"] <= 1
assert abs(sum(o["share"] for o in b["operations"]) - 1) < 1e-6
P
    done
    [ ! -e run ]
}
