#!/usr/bin/env python3
"""What nvcc makes of every CUDA kernel, by architecture, as a table: registers, static shared memory, and how often the
instructions occur that kernels are written for (needs nvcc, no GPU). Spills and local memory are errors.

  kernel_table.py            compares with cuda/registers.csv; ends with 1 where they differ, 77 where nvcc is another one
  kernel_table.py --write    writes cuda/registers.csv
"""
import concurrent.futures
import difflib
import os
import re
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(ROOT, "cuda", "registers.csv")
NVCC = os.environ.get("NVCC", "nvcc")
OPTIONS = ("-std=c++17 -O3 -fmad=false -Werror all-warnings -Xcompiler -Wall,-Wextra -Isrc -Iinclude -cubin "
           "-Xptxas -v,-warn-spills,-warn-lmem-usage").split()
# The low 12 bits of a 16-byte instruction say which it is: tensor-core product, its load from shared memory,
# asynchronous copy, barrier.
INSTRUCTIONS = {"hmma": 0x23C, "ldsm": 0x83B, "ldgsts": 0xFAE, "bar": 0xB1D}
HEAD = "file,arch,kernel,registers,shared_bytes," + ",".join(INSTRUCTIONS)


def code_sections(path):
    """Name and bytes of each kernel's code in an ELF file."""
    with open(path, "rb") as f:
        elf = f.read()
    start, = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    section = [struct.unpack_from("<IIQQQQ", elf, start + i * size) for i in range(count)]
    for name, _, _, _, offset, length in section:
        at = section[names][4] + name
        text = elf[at:elf.index(b"\0", at)].decode()
        if text.startswith(".text."):
            yield text[6:], elf[offset:offset + length]


def readable(mangled):
    names = subprocess.run(["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        name = re.sub(r"^void ", "", name).replace("(anonymous namespace)::", "")
        name = re.sub(r"_GLOBAL__N__[0-9a-f_]*cu_[0-9a-f]*::", "", name)
        yield re.sub(r"\(.*", "", name).replace(",", ";")


def rows_of(job):
    name, arch = job
    with tempfile.TemporaryDirectory() as folder:
        cubin = os.path.join(folder, "cubin")
        done = subprocess.run([NVCC, *OPTIONS, f"-arch=sm_{arch}", "-o", cubin, f"cuda/{name}"], cwd=ROOT,
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)
        used = {}
        for entry, text in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry|\Z)",
                                      done.stdout + done.stderr, re.S):
            shared = re.search(r"(\d+) bytes smem", text)
            used[entry] = (re.search(r"Used (\d+) registers", text).group(1), shared.group(1) if shared else "0")
        code = dict(code_sections(cubin))
    for mangled, kernel in zip(used, readable(used)):
        words = [w & 0xFFF for w, in struct.iter_unpack("<I12x", code[mangled])]
        yield ",".join([name, f"sm_{arch}", kernel, *used[mangled], *(str(words.count(i)) for i in INSTRUCTIONS.values())])


def main():
    version = subprocess.run([NVCC, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"V[\d.]+", version).group()
    files = sorted(f for f in os.listdir(os.path.join(ROOT, "cuda")) if f.endswith(".cu"))
    jobs = [(f, arch) for f in files for arch in (80, 90, 100)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = [row for found in pool.map(lambda job: list(rows_of(job)), jobs) for row in found]
    table = [f"# nvcc {version}", HEAD, *sorted(rows)]
    if sys.argv[1:] == ["--write"]:
        with open(TABLE, "w") as f:
            f.write("\n".join(table) + "\n")
        return 0
    with open(TABLE) as f:
        kept = f.read().splitlines()
    if kept[0] != table[0]:
        print(f"{len(rows)} kernels, no spills; not compared: cuda/registers.csv is of {kept[0][2:]}, here is {version}")
        return 77
    for line in difflib.unified_diff(kept, table, "cuda/registers.csv", "now", lineterm=""):
        print(line)
    if kept == table:
        print(f"{len(rows)} kernels as in cuda/registers.csv, no spills")
    return kept != table


sys.exit(main())
