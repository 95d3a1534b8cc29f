# The bundle for a GPU machine: built, unpacked elsewhere, used; and the check script in it, tried on the stand-in.

load tiny

@test "the bundle is small, runs elsewhere on its own libraries, and its check reports part by part" {
    [ -z "$XST_SANITIZE" ] || skip "sanitized programs are not for packing"
    scripts/bundle.sh "$XST_BUILD" "$RUNS/bundle.tar.xz"
    [ "$(stat -c %s "$RUNS/bundle.tar.xz")" -le $((14 * 1024 * 1024)) ]
    tar -C "$RUNS" -xf "$RUNS/bundle.tar.xz"
    cd "$RUNS/xst-bundle"
    unset LD_LIBRARY_PATH XST_CUDA_MODULE

    # what a program needs lies beside it, but for the C library and what belongs to it
    for program in xst tests/ops_loss; do
        ldd $program >"$RUNS/ldd"
        [ -z "$(grep -E 'not found|=> /' "$RUNS/ldd" | grep -v "=> $RUNS/xst-bundle" |
            grep -vE '/(libc|libm|libdl|libpthread|librt|libresolv)[.]so')" ]
    done
    ./xst info | grep -q '^  cuda '
    ./xst train "${TINY[@]}" --tasks 1 --epochs 1 --out "$RUN" 2>/dev/null
    ./xst eval "$RUN" >/dev/null
    ./tests/ops_loss

    [ -n "$XST_CUDA_FAKE" ] || return 0
    export XST_CUDA_MODULE=$XST_CUDA_FAKE
    scripts/gpu_check.sh --dry-run --parts bench,peer,sanitize --out "$RUNS/check" synthetic >"$RUNS/table"
    cat "$RUNS/table"
    grep -q '^bench  *passed ' "$RUNS/table"
    jq -e '.dry_run and (.parts | length == 3) and (.bench.operations | length > 20)' "$RUNS/check/gpu_check.json"
    jq -e 'all(.parts[]; .status == "passed" or (.status == "skipped" and .note != ""))' "$RUNS/check/gpu_check.json"
}

@test "the check fails where there is no GPU, and says why" {
    [ ! -e /dev/nvidiactl ] || skip "there is a driver"
    unset XST_CUDA_MODULE
    code=0
    scripts/gpu_check.sh --build "$XST_BUILD" --parts bench --out "$RUNS/check" synthetic >"$RUNS/table" || code=$?
    [ $code = 1 ]
    grep -q '^bench  *failed .*backend cuda: ' "$RUNS/table"
    jq -e '.parts[0].status == "failed" and .bench == null' "$RUNS/check/gpu_check.json"
    code=0
    scripts/gpu_check.sh --parts nothing synthetic 2>/dev/null || code=$?
    [ $code = 2 ]
}
