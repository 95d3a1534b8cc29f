# A short sequence on real CIFAR-100, in the folder XST_DATA.

load tiny

SHORT=(--width 0.25 --tasks 3 --epochs 2 --eval-every 2 --backend cpu)

@test "xst learns three real tasks and forgets nothing; finetune forgets" {
    [ -n "${XST_DATA:-}" ] || skip "XST_DATA is not set: no CIFAR-100 here"
    "$XST" train "${SHORT[@]}" --data "$XST_DATA" --out "$RUN" 2>/dev/null
    "$XST" eval "$RUN" --json >"$RUNS/xst.json"
    "$XST" train "${SHORT[@]}" --method finetune --finetune-lr 0.01 --data "$XST_DATA" --out "$RUNS/finetune" 2>/dev/null
    "$XST" eval "$RUNS/finetune" --json >"$RUNS/finetune.json"
    python3 - "$RUNS" <<'P'
import json, sys
xst = json.load(open(sys.argv[1] + "/xst.json"))["runs"][0]
fine = json.load(open(sys.argv[1] + "/finetune.json"))["runs"][0]
print(xst["accuracy"], fine["accuracy"], fine["forgetting"])
assert xst["logits_identical"] and fine["logits_identical"]
assert xst["forgetting"] == 0.0 and fine["forgetting"] > 5.0
assert all(row[-1] > 35.0 for row in xst["accuracy"])  # 20 is chance
P
    # Other data than the run was trained on is told apart from a damaged run.
    refused 2 "data" "$XST" eval "$RUN" --data synthetic
}
