#!/usr/bin/env python3
"""Loads every task of a run folder into a plain PyTorch VGG and compares its logits with the stored ones.

    check_pytorch.py RUN DATA_DIR        DATA_DIR holds test.bin of CIFAR-100 in the official binary layout

Exits 1 if a logit differs by more than 1e-3, 2 if the run or the data cannot be used.
"""
import argparse
import hashlib
import json
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from load_run import RunError, load_run, open_task

RECORD, SIDE, TOLERANCE, BATCH = 3074, 32, 1e-3, 100


def numbers_of(state, part):
    """Positions N of the layers `part`.N whose weight is a matrix or a filter bank, ascending."""
    names = [name.split(".") for name, array in state.items() if name.endswith(".weight") and array.ndim > 1]
    return sorted(int(number) for head, number, _ in names if head == part)


def build_features(state, inputs):
    """Convs, BN and ReLU at the numbers in the file; each number between that has no tensor is a pool.

    Pools after the last conv leave no gap: they follow from the `inputs` of the first linear layer.
    """
    modules, place, side = OrderedDict(), 0, SIDE
    channels = 3

    def pool():
        nonlocal place, side
        modules[str(place)] = nn.MaxPool2d(2)
        place, side = place + 1, side // 2

    for number in numbers_of(state, "features"):
        while place < number:
            pool()
        out, channels_in, size, _ = state[f"features.{number}.weight"].shape
        modules[str(number)] = nn.Conv2d(channels_in, out, size, padding=size // 2, bias=False)
        modules[str(number + 1)] = nn.BatchNorm2d(out)
        modules[str(number + 2)] = nn.ReLU()
        place, channels = number + 3, out
    while side > 1 and channels * side * side > inputs:
        pool()
    return nn.Sequential(modules)


def build_classifier(state):
    """Linear layers at the numbers in the file, ReLU behind all but the last; torchvision's dropout is left out."""
    modules = OrderedDict()
    for number in numbers_of(state, "classifier"):
        out, inputs = state[f"classifier.{number}.weight"].shape
        modules[str(number)] = nn.Linear(inputs, out)
        modules[str(number + 1)] = nn.ReLU()
    modules.popitem()
    return nn.Sequential(modules)


def build(state):
    """A plain module with the file's layers and values, in evaluation mode."""
    first = numbers_of(state, "classifier")[0]
    net = nn.Sequential(OrderedDict(features=build_features(state, state[f"classifier.{first}.weight"].shape[1]),
                                    flatten=nn.Flatten(), classifier=build_classifier(state)))
    try:
        net.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    except RuntimeError as error:
        raise RunError(f"the tensors of a task do not make a VGG: {error}") from error
    return net.eval()


def fine_labels(classes, folder):
    """Fine labels (0-99) of a manifest's classes, which are numbers or names."""
    if all(str(name).isdigit() for name in classes):
        return [int(name) for name in classes]
    path = Path(folder) / "fine_label_names.txt"
    if not path.is_file():
        raise RunError(f"{path}: no such file; the manifest names classes, so it is needed")
    names = path.read_text().split()
    missing = [name for name in classes if name not in names]
    if missing:
        raise RunError(f"{path}: no class {missing[0]!r}, which the run learnt; was it trained on other data?")
    return [names.index(name) for name in classes]


def read_test(folder):
    """All test records as bytes, one per row."""
    path = Path(folder) / "test.bin"
    if not path.is_file():
        raise RunError(f"{path}: no such file")
    raw = np.fromfile(path, np.uint8)
    if raw.size == 0 or raw.size % RECORD:
        raise RunError(f"{path}: {raw.size} bytes are no whole number of {RECORD}-byte records")
    return raw.reshape(-1, RECORD)


def task_images(own, labels):
    """Raw images of a task's records, and each one's class: the rank of its fine label."""
    return own[:, 2:].reshape(-1, 3, SIDE, SIDE), np.searchsorted(np.sort(labels), own[:, 1])


@torch.no_grad()
def logits_of(net, images, mean, std):
    """Logits of raw images, normalised with the task's mean and standard deviation."""
    mean, std = (torch.tensor(np.asarray(value, np.float32)).view(1, 3, 1, 1) for value in (mean, std))
    batches = torch.from_numpy(images).split(BATCH)
    return torch.cat([net((batch.float() / 255 - mean) / std) for batch in batches]).numpy()


def check_task(run, position, entry, records, folder):
    """Compare one task; prints a line and returns the largest difference."""
    with open_task(run, position) as file:
        stored, mean, std = file["logits"][...], file.attrs["mean"], file.attrs["std"]
        learnt_on = file.attrs.get("data_sha256")
    classes = fine_labels(entry["classes"], folder)
    own = records[np.isin(records[:, 1], classes)]
    if len(own) != len(stored) or learnt_on not in (None, hashlib.sha256(own.tobytes()).hexdigest()):
        raise RunError(f"{folder}: not the data of {run}: other test images of task {position}")
    images, labels = task_images(own, classes)
    logits = logits_of(build(load_run(run, position)), images, mean, std)
    difference = float(np.abs(logits - stored).max())
    accuracy = [100 * float((values.argmax(1) == labels).mean()) for values in (logits, stored)]
    print(f"task {position} {entry['name']}: largest difference {difference:.3g}, "
          f"accuracy {accuracy[0]:.2f} (stored logits {accuracy[1]:.2f})", flush=True)
    return difference


def check(run, folder):
    """Compare all learnt tasks of a run; True if every logit agrees."""
    path = Path(run) / "manifest.json"
    if not path.is_file():
        raise RunError(f"{path}: no such file")
    tasks = json.loads(path.read_text())["tasks"]
    learnt = [(place, task) for place, task in enumerate(tasks, 1) if (Path(run) / "tasks" / f"{place:02d}.h5").is_file()]
    if not learnt:
        raise RunError(f"{run}: no task has been learnt")
    records = read_test(folder)
    differences = [check_task(run, place, task, records, folder) for place, task in learnt]
    good = all(difference <= TOLERANCE for difference in differences)
    print(f"{'agree' if good else 'DIFFER'}: {len(learnt)} tasks, tolerance {TOLERANCE:g}")
    return good


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="run folder written by xst train")
    parser.add_argument("data", help="folder with test.bin (and fine_label_names.txt)")
    options = parser.parse_args()
    try:
        return 0 if check(options.run, options.data) else 1
    except RunError as error:
        print(f"check_pytorch: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
