#!/usr/bin/env bash
# All methods on the same tasks, net and seeds, and the tables and plots that compare them.
#
#   scripts/compare_methods.sh DATA_DIR OUT_DIR [SEED...]
#
# DATA_DIR holds CIFAR-100's train.bin and test.bin. Runs go to OUT_DIR/runs, tables and plots to OUT_DIR/tables. About half
# an hour a seed on 2 cores (experiments/comparison.yaml; CONFIG names another file, XST another program). A run that was
# interrupted is resumed, one that is finished is kept; other options than it was begun with are refused.
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")/.." && pwd)
xst=${XST:-$here/build/xst}
config=${CONFIG:-$here/experiments/comparison.yaml}
data=$1 out=$2
shift 2
seeds=("${@:-0}")
mkdir -p "$out/runs"

# learn NAME OPTION...
learn() {
    local run=$out/runs/$1-$seed
    shift
    "$xst" train "$config" --data "$data" --seed "$seed" "$@" --resume --out "$run"
    "$xst" eval "$run" >/dev/null
}

for seed in "${seeds[@]}"; do
    learn goals --method scratch --expand 1 # what cpg is to reach
    goals=$out/runs/goals-$seed
    learn xst --method xst
    learn cpg --method cpg --cpg-goals "$goals"
    learn cpg-pruned --method cpg --cpg-goals "$goals" --cpg-retrain-against pruned
    learn xst-element --method xst-element
    learn scratch --method scratch
    learn finetune --method finetune
    learn packnet --method packnet
    learn piggyback --method piggyback
    learn piggyback-gumbel --method piggyback --piggyback-mask gumbel
    learn xbm --method xbm
    learn rigl --method rigl
    learn xst-threshold --method xst --mask threshold
    learn xst-all-on --method xst --mask all
    learn xst-none-on --method xst --mask none
    learn xst-no-exchange --method xst --drop-fraction 0
done

mapfile -t runs < <(find "$out/runs" -mindepth 1 -maxdepth 1 -type d ! -name 'goals-*' | sort)
"$xst" compare "${runs[@]}" --out "$out/tables"
for seed in "${seeds[@]}"; do
    "$xst" energy "$out/runs/xst-$seed" "$out/runs/xst-element-$seed" "$out/runs/cpg-$seed" >"$out/tables/energy-$seed.txt"
done
