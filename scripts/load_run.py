#!/usr/bin/env python3
"""Gives the networks of an xst run folder to Python, with h5py and numpy alone.

    from load_run import load_run
    state = load_run("RUN", 2)           # name -> numpy array, O,I,H,W
    net.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})

The effective weights of a task are its own columns plus every column of earlier tasks whose
mask bit is on; everything else is zero. From the shell: load_run.py RUN TASK prints what is there.
"""
import argparse
import sys
from pathlib import Path

import h5py
import numpy as np

FORMAT = 1


class RunError(Exception):
    """A run folder that is missing, incomplete or damaged; the text says what and where."""


def task_path(run, task):
    """Path of the file that holds what `task` (counted from 1) added."""
    return Path(run) / "tasks" / f"{task:02d}.h5"


def open_task(run, task):
    """Open the file of a task and check its format; the caller closes it."""
    path = task_path(run, task)
    if not Path(run).is_dir():
        raise RunError(f"{run}: no such run folder")
    if not path.is_file():
        raise RunError(f"{path}: no such file; has task {task} been learnt?")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise RunError(f"{path}: not a readable HDF5 file ({error})") from error
    found = file.attrs.get("format")
    if found != FORMAT:
        file.close()
        raise RunError(f"{path}: format {found}, this script reads format {FORMAT}")
    return file


def geometry(layer):
    """(shape, groups, G) of a masked layer; G = 1 and one column per scalar for element granularity."""
    shape = tuple(int(n) for n in layer.attrs["shape"])
    group = int(layer.attrs["group"])
    if len(shape) != 4 or min(shape) < 1 or not 0 <= group <= shape[1]:
        raise RunError(f"{layer.file.filename}: {layer.name}: shape {shape} and group {group} do not fit")
    return shape, -(-shape[1] // group) if group else 0, group


def column_count(layer):
    """How many columns the layer has in all."""
    shape, groups, group = geometry(layer)
    return shape[0] * groups if group else int(np.prod(shape))


def dataset(layer, name):
    """A dataset of a masked layer as an array."""
    if name not in layer:
        raise RunError(f"{layer.file.filename}: {layer.name} has no {name}")
    return layer[name][...]


def own_columns(layer):
    """Indices and values of the columns that the layer's file holds, checked against its geometry."""
    shape, _, group = geometry(layer)
    columns, values = dataset(layer, "columns").astype(np.int64), dataset(layer, "values")
    length = group * shape[2] * shape[3] if group else 1
    if values.shape != (len(columns), length):
        raise RunError(f"{layer.file.filename}: {layer.name}/values is {values.shape}, "
                       f"expected {(len(columns), length)}")
    if len(columns) and columns.max() >= column_count(layer):
        raise RunError(f"{layer.file.filename}: {layer.name}/columns: {columns.max()} is out of range")
    return columns, values


def mask_bits(layer):
    """The task's mask as one boolean per column of the layer."""
    count = column_count(layer)
    packed = dataset(layer, "mask")
    if packed.shape != ((count + 7) // 8,):
        raise RunError(f"{layer.file.filename}: {layer.name}/mask has {packed.size} bytes for {count} columns")
    return np.unpackbits(packed, bitorder="little")[:count].astype(bool)


def to_weights(flat, layer):
    """Turn one row per column into weights in O,I,H,W."""
    (out, inputs, height, width), groups, group = geometry(layer)
    if not group:
        return flat.reshape(out, inputs, height, width)
    return np.ascontiguousarray(flat.reshape(out, groups * group, height, width)[:, :inputs])


def effective_weights(name, files):
    """Weights of one masked layer for the last of `files`, which are those of tasks 1, 2, .. in order."""
    layer = files[-1][name]
    columns, values = own_columns(layer)
    flat = np.zeros((column_count(layer), values.shape[1]), np.float32)
    flat[columns] = values
    bits = mask_bits(layer) if len(files) > 1 else None
    for file in files[:-1]:
        if name not in file or geometry(file[name]) != geometry(layer):
            raise RunError(f"{file.filename}: {name} is missing or differs from that in {layer.file.filename}")
        columns, values = own_columns(file[name])
        flat[columns[bits[columns]]] = values[bits[columns]]
    return to_weights(flat, layer)


def load_run(run, task):
    """All tensors of one task's network: dict name -> float32 array, ready for load_state_dict."""
    files = []
    try:
        last = open_task(run, task)
        files.append(last)
        if not last.attrs.get("whole", 0):
            files[:0] = [open_task(run, earlier) for earlier in range(1, task)]
        state = {}
        for name, item in last.items():
            if isinstance(item, h5py.Group):
                weights = effective_weights(name, files)
                linear = name.startswith("classifier.")
                state[name] = weights.reshape(weights.shape[:2]) if linear else weights
            elif name.startswith(("features.", "classifier.")):
                state[name] = item[...]
        return state
    except KeyError as error:
        raise RunError(f"{files[-1].filename}: incomplete ({error})") from error
    finally:
        for file in files:
            file.close()


def natural(name):
    """Sort key that puts features.3 before features.10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in name.split(".")]


def main():
    """Print name, shape and share of non-zero values of every tensor of a task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run folder written by xst train")
    parser.add_argument("task", type=int, help="position of the task, from 1")
    options = parser.parse_args()
    try:
        state = load_run(options.run, options.task)
    except RunError as error:
        sys.exit(f"load_run: {error}")
    for name in sorted(state, key=natural):
        array = state[name]
        shape = " x ".join(map(str, array.shape))
        print(f"{name:28s} {shape:22s} {np.count_nonzero(array) / max(1, array.size):.4f}")


if __name__ == "__main__":
    main()
