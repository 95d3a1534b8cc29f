#!/usr/bin/env bash
# Reads the #include lines under ROOT/src and ROOT/include: a folder includes only from those above it in the order below,
# and libraries stand behind the folder that wraps them. Prints each line that does not fit; exit 1 if there is one.
set -euo pipefail

root=${1:-$(cd "$(dirname "$0")/.." && pwd)}
cd "$root"

find src include cuda -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' \) 2>/dev/null | LC_ALL=C sort | xargs awk '
BEGIN {
    count = split("base config data columns quant program backend net methods store train crossbar report cli", order, " ")
    for (i = 1; i <= count; i++)
        rank[order[i]] = i
    rank["cuda"] = rank["backend"]
    # Beyond the order: methods and net describe work, a backend does it; crossbar and report read files only.
    barred["net"] = barred["methods"] = " backend "
    barred["crossbar"] = barred["report"] = " program backend net methods train "
    # Only these folders may name a library; cli may, as it knows all (xst info shows versions).
    owner["hdf5"] = " store "
    owner["dnnl"] = owner["oneapi"] = " backend/cpu "
    owner["cuda"] = owner["cudnn"] = owner["cublas"] = owner["cublasLt"] = " cuda "
    owner["yaml"] = " config "
    owner["openssl"] = owner["xxhash"] = owner["Random123"] = " base backend/cpu "
}
function refuse(why) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why
    failed = 1
}
FNR == 1 {
    parts = split(FILENAME, at, "/")
    public = at[1] == "include"
    folder = at[1] == "src" ? at[2] : at[1]
    place = parts > 3 ? folder "/" at[3] : folder
    if (!public && !(folder in rank))
        refuse("folder " folder " has no place in the order")
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    name = $0
    sub(/^[^"]*"/, "", name)
    sub(/".*/, "", name)
    from = name
    if (sub(/\/.*/, "", from) == 0) {
        if (folder != "cuda")
            refuse("name it from src: \"folder/" name "\"")
    } else if (public && from != "xst")
        refuse("public headers include only each other")
    else if (from == "xst" || from == folder)
        next
    else if (!(from in rank))
        refuse("there is no folder " from " in the order")
    else if (rank[from] > rank[folder])
        refuse(folder " stands above " from)
    else if (index(barred[folder], " " from " "))
        refuse(folder " does not know " from)
}
/^[ \t]*#[ \t]*include[ \t]*</ {
    name = $0
    sub(/^[^<]*</, "", name)
    sub(/[>\/.].*/, "", name)
    sub(/_runtime$/, "", name)
    if (folder != "cli" && name in owner && index(owner[name], " " place " ") == 0 && index(owner[name], " " folder " ") == 0)
        refuse("only" owner[name] "may use " name)
}
END { exit failed }
' || exit 1
