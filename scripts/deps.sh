#!/usr/bin/env bash
# Installs what is missing on Debian 12 or Ubuntu 24.04, and does nothing else.
#   deps.sh --run    what building and running the program needs
#   deps.sh --test   that, and what the tests and checks need
set -euo pipefail

run_packages=(
    build-essential cmake ninja-build pkg-config git ca-certificates xz-utils
    libdnnl-dev libhdf5-dev libyaml-dev libjansson-dev librandom123-dev libxxhash-dev libssl-dev
    gnuplot-nox
)
test_packages=(
    libcmocka-dev bats jq python3 clang-format-14 clang-tidy-14 libomp-14-dev hdf5-tools python3-numpy python3-h5py
)

case "${1:---test}" in
    --run) packages=("${run_packages[@]}") ;;
    --test) packages=("${run_packages[@]}" "${test_packages[@]}") ;;
    *)
        echo "usage: $0 [--run | --test]" >&2
        exit 2
        ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: this is neither Debian nor Ubuntu; see to it that what these packages hold is there: ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps: missing: ${missing[*]}: install them as root" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "deps: installing ${missing[*]}" >&2
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
"${as_root[@]}" "${apt[@]}" update >&2 </dev/null
"${as_root[@]}" "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2 </dev/null
