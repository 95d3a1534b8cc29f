# xst energy and xst export --neurosim on a trained run.

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    "$XST" train --data synthetic --tasks 2 --capacity-tasks 3 --net "[8, M, 12, M]" --fc "[16]" --expand 1 --group 5 \
        --epochs 1 --batch 250 --mask-init 0.5 --mask-lr 0.3 --backend cpu --threads 1 --out fresh 2>/dev/null
    cp -r fresh run
    "$XST" eval run >/dev/null
}

setup() {
    cd "$BATS_FILE_TMPDIR" || return
}

# refused CODE WORD COMMAND...: exits with CODE, nothing on stdout, one line on stderr that holds WORD.
refused() {
    local code=$1 word=$2
    shift 2
    run --separate-stderr "$@"
    [ "$status" -eq "$code" ]
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == "xst: "*"$word"* ]]
}

@test "energy wants activity.csv and names the command that writes it" {
    refused 2 "xst eval fresh" "$XST" energy fresh
}

@test "energy: JSON alone on stdout; components and layers sum to the energy" {
    run --separate-stderr "$XST" energy run --json
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    jq -e '.mapping == "column" and .device.name == "hfo2-32nm" and (.runs[0].tasks | length) == 2' <<<"$output"
    jq -e 'def near(a; b): (a - b) * (a - b) <= 1e-18 * b * b;
        [.runs[0].tasks[].inference | near([.components[].energy_J] | add; .energy_J) and
            near([.layers[].energy_J] | add; .energy_J)] | all' <<<"$output"
    jq -e '[.runs[0].tasks[] | .programming.energy_J > 0 and .programming.cells_reset == 0] | all' <<<"$output"
}

@test "energy --map-head adds the head, as map_head of the configuration does" {
    "$XST" energy run --json >without.json
    "$XST" energy run --map-head --json >with.json
    jq -e '.runs[0].tasks[0].inference.layers | map(.name) | index("classifier.3.weight") == null' without.json
    jq -e '.runs[0].map_head and .runs[0].tasks[0].inference.layers[-1].name == "classifier.3.weight"' with.json
    rm -rf configured
    cp -r run configured
    sed -i 's/^map_head: 0.*/map_head: 1/' configured/config.yaml
    [ "$("$XST" energy configured --json | jq -c '[.runs[].tasks]')" = "$(jq -c '[.runs[].tasks]' with.json)" ]
    refused 2 "--map-head" "$XST" energy --network x.csv --density 1 --input-density 1 --seed 1 --map-head
}

@test "export --neurosim: the files of every layer, and a network that energy takes" {
    run --separate-stderr "$XST" export run --task 2 --neurosim ns
    [ "$status" -eq 0 ]
    [ -z "$output$stderr" ]
    [ "$(find ns -type f | wc -l)" -eq 9 ]
    [ "$(cat ns/NetWork.csv)" = $'34,34,3,3,3,8,1,1\n18,18,8,3,3,16,1,1\n1,1,1024,1,1,16,0,1' ]
    [ "$(wc -l <ns/weightfeatures.4.csv)" -eq 72 ] && [ "$(wc -l <ns/inputfeatures.4.csv)" -eq 72 ]
    [ "$(head -1 ns/inputfeatures.4.csv | tr -cd 01 | wc -c)" -eq $((16 * 16 * 8)) ]
    run ! grep -qv '^-\{0,1\}0\.[0-9]*\(,-\{0,1\}0\.[0-9]*\)*$' ns/weightfeatures.4.csv
    "$XST" energy --network ns/NetWork.csv --density 0.3 --input-density 0.1 --seed 1 --json >network.json
    "$XST" energy run --mapping dense --json >dense.json
    [ "$(jq -c '[.network | .arrays_mapped, .array_reads, .adc_conversions, .cells_used]' network.json)" = \
        "$(jq -c '[.runs[0].tasks[1].inference | .arrays_mapped, .array_reads, .adc_conversions, .cells_used]' dense.json)" ]
}

@test "export --neurosim: the command starts the program it is given, with all files" {
    rm -rf ns
    "$XST" export run --task 1 --neurosim ns
    printf '#!/bin/sh\necho "$#"\nshift 5\ncat "$@" >/dev/null\n' >main
    chmod +x main
    [ "$(sh ns/trace_command.sh "$PWD/main")" -eq 11 ]
    run sh ns/trace_command.sh
    [ "$status" -ne 0 ]
}

@test "export --neurosim: what is refused leaves nothing" {
    mkdir -p full
    touch full/file
    refused 2 "not empty" "$XST" export run --task 1 --neurosim full
    refused 2 "task 3" "$XST" export run --task 3 --neurosim new
    refused 2 "whole number" "$XST" export run --task 2x --neurosim new
    refused 2 "whole number" "$XST" export run --task 0 --neurosim new
    refused 2 "image 501" "$XST" export run --task 1 --neurosim new --image 501
    refused 2 "apot9" "$XST" export run --task 1 --neurosim new --quant apot9
    refused 2 "not both" "$XST" export run --task 1 --neurosim new --out new.h5
    refused 2 "--neurosim" "$XST" export run --task 1 --out new.h5 --image 1
    refused 2 "no-run" "$XST" export no-run --task 1 --neurosim new
    printf x | dd of=fresh/tasks/01.h5 bs=1 seek=5000 conv=notrunc 2>/dev/null
    refused 2 "01.h5" "$XST" export fresh --task 2 --neurosim new
    # a disk that is full: files larger than 4 KiB cannot be written
    refused 1 "cannot write" bash -c 'trap "" XFSZ; ulimit -f 4; exec "$@"' - "$XST" export run --task 1 --neurosim new
    [ "$(cd full && echo *)" = file ]
    [ -z "$(compgen -G 'new*')" ]
}
