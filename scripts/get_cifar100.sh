#!/usr/bin/env bash
# Downloads CIFAR-100 (binary version, 161 MiB) from its author's page, checks it and puts train.bin, test.bin and the label
# names into DIR. Nothing appears in DIR before all is there and whole.
set -euo pipefail

url=https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz
md5=03b5dce01913d631647c71ecec9e9cb8

fail() {
    echo "get_cifar100: $1" >&2
    exit 1
}

if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
    echo "usage: $0 DIR" >&2
    exit 2
fi
dir=$1
if [ -s "$dir/train.bin" ] && [ -s "$dir/test.bin" ]; then
    echo "get_cifar100: $dir has train.bin and test.bin already; delete them to download again" >&2
    exit 0
fi
mkdir -p "$dir" || fail "cannot make folder '$dir'"
tmp=$(mktemp -d "$dir/.download.XXXXXX") || fail "cannot write to '$dir'"
trap 'rm -rf "$tmp"' EXIT

echo "get_cifar100: downloading $url" >&2
if command -v curl >/dev/null; then
    curl --fail --location --silent --show-error --retry 3 --connect-timeout 30 --output "$tmp/data.tar.gz" "$url" ||
        fail "the download failed: is there a connection to the internet? By hand: get $url and unpack train.bin and test.bin into '$dir'"
elif command -v wget >/dev/null; then
    wget --quiet --tries=3 --timeout=30 --output-document="$tmp/data.tar.gz" "$url" ||
        fail "the download failed: is there a connection to the internet? By hand: get $url and unpack train.bin and test.bin into '$dir'"
else
    fail "neither curl nor wget is there: install one, or get $url by hand and unpack train.bin and test.bin into '$dir'"
fi

found=$(md5sum "$tmp/data.tar.gz" | cut -d ' ' -f 1)
[ "$found" = "$md5" ] || fail "the download is damaged or not the file expected: md5 $found, expected $md5: try again"
tar -xzf "$tmp/data.tar.gz" -C "$tmp" --strip-components=1 || fail "cannot unpack the download into '$dir': is the disk full?"
for part in train.bin:153700000 test.bin:30740000; do
    size=$(stat -c %s "$tmp/${part%:*}") || fail "${part%:*} is not in the download"
    [ "$size" = "${part#*:}" ] || fail "${part%:*} has $size bytes, expected ${part#*:}"
done
mv "$tmp/coarse_label_names.txt" "$tmp/fine_label_names.txt" "$tmp/test.bin" "$dir/"
mv "$tmp/train.bin" "$dir/"
echo "get_cifar100: $dir is ready: xst train --data $dir" >&2
