# A C program against the installed library, found by pkg-config. XST_BUILD is the build folder.

setup() {
    WORK=$(mktemp -d)
}

teardown() {
    rm -rf "$WORK"
}

@test "train, evaluate and export through the public headers" {
    cmake --install "$XST_BUILD" --prefix "$WORK/prefix" >/dev/null
    export PKG_CONFIG_PATH=$WORK/prefix/lib/pkgconfig:$WORK/prefix/lib/x86_64-linux-gnu/pkgconfig
    grep -q address <<<"${XST_SANITIZE:-}" && sanitize=-fsanitize=$XST_SANITIZE
    # shellcheck disable=SC2046
    ${CC:-cc} -std=c17 -Wall -Wextra -Werror ${sanitize:-} tests/api/main.c -o "$WORK/api" $(pkg-config --cflags --libs xst)
    "$WORK/api" "$WORK/run"
    python3 - "$WORK/run/task2.safetensors" <<'P'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + n])
assert n % 8 == 0 and header["__metadata__"]["task"] == "2"
names = set(header) - {"__metadata__"}
assert {"features.0.weight", "features.1.running_var", "classifier.0.bias", "classifier.3.weight"} <= names, names
assert header["features.4.weight"]["shape"] == [32, 16, 3, 3]
assert max(t["data_offsets"][1] for k, t in header.items() if k != "__metadata__") == len(data) - 8 - n
P
}

@test "every public header compiles alone, as C and as C++" {
    for header in include/xst/*.h; do
        echo "#include \"$header\"" >"$WORK/a.c"
        ${CC:-cc} -std=c17 -Wall -Wextra -Werror -I. -Iinclude -fsyntax-only "$WORK/a.c"
        ! command -v c++ >/dev/null || c++ -x c++ -Wall -Wextra -Werror -I. -Iinclude -fsyntax-only "$WORK/a.c"
    done
}
