#!/usr/bin/env python3
"""Compares `xst energy --network` with NeuroSim itself, on networks of which no reference figures are kept.

    neurosim_live.py MAIN [--xst PROGRAM] [--seed S]

MAIN is NeuroSim's program (DNN+NeuroSim V1.4, inference), built with the settings that README.md of an exported folder lists
(`xst export --neurosim`; read voltage 0.5 V at 32 nm). Draws weights and inputs as NeuroSim's wrapper would write them,
independent bits, runs both, and prints deviations in percent. Energies of a network of FC layers alone hang on its few drawn
bits. Exit 1 where a total deviates by more than 1 % in a network with convs.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

# IFM rows, columns, channels, kernel rows, columns, outputs, pooling follows, stride
NETWORKS = {
    "fc": [(1, 1, 784, 1, 1, 300, 0, 1), (1, 1, 300, 1, 1, 10, 0, 1)],
    "lenet": [(28, 28, 1, 5, 5, 20, 1, 1), (12, 12, 20, 5, 5, 50, 1, 1), (1, 1, 800, 1, 1, 500, 0, 1),
              (1, 1, 500, 1, 1, 10, 0, 1)],
    "stride": [(34, 34, 16, 3, 3, 48, 0, 2), (18, 18, 48, 3, 3, 96, 0, 2), (10, 10, 96, 3, 3, 260, 1, 1)],
    "wide": [(6, 6, 512, 3, 3, 512, 1, 1), (1, 1, 2048, 1, 1, 1000, 0, 1), (1, 1, 1000, 1, 1, 40, 0, 1)],
    "vgg": [(18, 18, 3, 3, 3, 64, 0, 1), (18, 18, 64, 3, 3, 64, 1, 1), (10, 10, 64, 3, 3, 128, 1, 1),
            (6, 6, 128, 3, 3, 320, 1, 1), (1, 1, 1280, 1, 1, 640, 0, 1)],
    "1x1": [(16, 16, 64, 1, 1, 256, 0, 1), (16, 16, 256, 1, 1, 64, 0, 1), (18, 18, 64, 3, 3, 64, 0, 1),
            (16, 16, 64, 1, 1, 384, 1, 1)],
}
# network, density of weights, share of one-bits, input bits
CASES = [("fc", 0.2, 0.1, 8), ("fc", 0.7, 0.4, 4), ("lenet", 0.5, 0.15, 8), ("lenet", 0.1, 0.35, 4), ("stride", 0.4, 0.3, 8),
         ("stride", 1, 0.12, 4), ("wide", 0.3, 0.2, 8), ("wide", 0.8, 0.45, 4), ("vgg", 0.25, 0.2, 8), ("vgg", 0.6, 0.5, 4),
         ("1x1", 0.35, 0.08, 8), ("1x1", 0.9, 0.3, 4)]


def vectors(layer):
    return int((layer[0] - layer[3] + 1) / layer[7] * ((layer[1] - layer[4] + 1) / layer[7]))


def draw(folder, network, density, share, bits, rng):
    """Writes the files; returns NeuroSim's arguments and the share of one-bits that was drawn."""
    path = os.path.join(folder, "NetWork.csv")
    with open(path, "w") as file:
        file.writelines(",".join(map(str, layer)) + "\n" for layer in network)
    arguments, ones, all_bits = [path, "4", str(bits), "128", "128"], 0, 0
    levels = [q / 8 for q in range(-7, 8) if q]
    for i, layer in enumerate(network):
        rows = layer[2] * layer[3] * layer[4]
        weights = np.where(rng.random((rows, layer[5])) < density, rng.choice(levels, (rows, layer[5])), 0)
        inputs = (rng.random((rows, vectors(layer) * bits)) < share).astype(np.uint8)
        names = [os.path.join(folder, "%s%d.csv" % (kind, i)) for kind in ("weight", "input")]
        np.savetxt(names[0], weights, delimiter=",", fmt="%.5f")
        np.savetxt(names[1], inputs, delimiter=",", fmt="%d")
        arguments += names
        ones, all_bits = ones + int(inputs.sum()), all_bits + inputs.size
    return arguments, ones / all_bits


def neurosim(main, arguments):
    """Figures of NeuroSim's summary: pJ, ns, uW, um2."""
    text = subprocess.run([main] + arguments, capture_output=True, text=True, check=True).stdout
    text = text[text.index("Summary"):]

    def figure(label):
        return float(re.findall(re.escape(label) + r"[^\n:]*: *([\d.e+-]+)", text)[-1])
    return {"energy": figure("Chip total readDynamicEnergy is"),
            "array, ADC, word lines": figure("ADC (or S/As and precharger for SRAM) readDynamicEnergy is"),
            "accumulation": figure("accumulation units) readDynamicEnergy is"),
            "buffer": figure("Chip buffer readDynamicEnergy is"), "interconnect": figure("Chip ic readDynamicEnergy is"),
            "latency": figure("Chip layer-by-layer readLatency"), "leakage": figure("Chip total leakage Energy is"),
            "leakage power": figure("Chip total leakage Power is"), "area": figure("ChipArea")}


def ours(xst, network, density, share, bits):
    command = [xst, "energy", "--network", network, "--density", str(density), "--input-density", repr(share),
               "--input-bits", str(bits), "--seed", "3", "--neurosim-compat", "--json"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["network"]
    energy = {name: 1e12 * c["energy_J"] for name, c in report["components"].items()}
    gates = 1e12 * report["parts"]["sub.array_wordline_cap"]
    return {"energy": 1e12 * report["energy_J"], "array, ADC, word lines": energy["array"] + energy["adc"] + gates,
            "accumulation": energy["accumulation"], "buffer": energy["buffer"], "interconnect": energy["interconnect"],
            "latency": 1e9 * report["latency_s"], "leakage": 1e12 * report["leakage_J"],
            "leakage power": 1e6 * report["leakage_W"], "area": 1e12 * report["area_m2"]}


def main():
    parser = argparse.ArgumentParser(description="xst energy against NeuroSim itself")
    parser.add_argument("main")
    parser.add_argument("--xst", default="xst")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    rng, failed, heading = np.random.default_rng(args.seed), False, None
    for name, density, share, bits in CASES:
        with tempfile.TemporaryDirectory() as folder:
            arguments, drawn = draw(folder, NETWORKS[name], density, share, bits, rng)
            theirs = neurosim(args.main, arguments)
            mine = ours(args.xst, arguments[0], density, drawn, bits)
        if not heading:
            heading = list(theirs)
            print("| network | density | one-bits | input bits | " + " | ".join(h + " %" for h in heading) + " |")
            print("|---" * (4 + len(heading)) + "|")
        deviations = [100 * (mine[h] / theirs[h] - 1) if theirs[h] else 100 * mine[h] for h in heading]
        print("| %s | %g | %.4f | %d | " % (name, density, drawn, bits) + " | ".join("%+.3f" % d for d in deviations) + " |",
              flush=True)
        failed = failed or (name != "fc" and abs(deviations[0]) > 1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
