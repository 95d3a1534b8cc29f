"""Data and network of the PyTorch peer (see peer_pytorch.py): one task's images, VGG16-BN with masked columns."""
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
HIDDEN, CLASSES, SIDE, PAD, RECORD, EVAL_BATCH = (4096, 4096), 5, 32, 4, 3074, 100
DENSE = ("scratch", "finetune")


class TaskData(nn.Module):
    """One task's images on the device: training images raw with a black edge, test images normalised.

    A module, so that torch.compile takes the addresses of its tensors for constant.
    """

    def __init__(self, train, test, device, channels_last):
        super().__init__()
        pixels = train[0].astype(np.float64) / 255
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        for name, values in (("mean", pixels.mean((0, 2, 3))), ("std", pixels.std((0, 2, 3)))):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1))
        edge = ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD))
        self.register_buffer("images", torch.from_numpy(np.pad(train[0], edge)).to(device))
        self.register_buffer("labels", torch.from_numpy(train[1]).to(device))
        self.register_buffer("test_images", self._normalise(torch.from_numpy(test[0]).to(device)))
        self.register_buffer("test_labels", torch.from_numpy(test[1]).to(device))
        self.register_buffer("place", torch.arange(SIDE, device=device))
        self.register_buffer("channel", torch.arange(3, device=device).view(1, 3, 1, 1))

    def _normalise(self, raw):
        return ((raw.float() / 255 - self.mean) / self.std).contiguous(memory_format=self.format)

    def batch(self, index):
        """Augmented images and labels: a random crop of the padded image, flipped with probability 1/2."""
        count, device = len(index), index.device
        shift = torch.randint(0, 2 * PAD + 1, (2, count, 1), device=device)
        flip = torch.rand(count, 1, device=device) < 0.5
        rows = shift[0] + self.place
        columns = shift[1] + torch.where(flip, SIDE - 1 - self.place, self.place)
        raw = self.images[index.view(-1, 1, 1, 1), self.channel, rows[:, None, :, None], columns[:, None, None, :]]
        return self._normalise(raw), self.labels[index]


def read_split(path, task):
    """Raw images of superclass `task` in file order, and each one's class: the rank of its fine label."""
    records = np.fromfile(path, np.uint8).reshape(-1, RECORD)
    own = records[records[:, 0] == task]
    labels = np.unique(own[:, 1], return_inverse=True)[1]
    return own[:, 2:].reshape(-1, 3, SIDE, SIDE), labels.astype(np.int64)


def read_task(options, task):
    """The data of superclass `task`, counted from 0."""
    splits = [read_split(Path(options.data) / name, task) for name in ("train.bin", "test.bin")]
    return TaskData(*splits, options.device, options.channels_last)


def random_task(options, count=2500):
    """Random images in place of a task, for timing."""
    source = np.random.default_rng(options.seed)
    images = source.integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8)
    labels = source.integers(0, CLASSES, count)
    return TaskData((images, labels), (images[:EVAL_BATCH], labels[:EVAL_BATCH]), options.device, options.channels_last)


def scaled(width, options):
    """Width of a layer after expand, width and rounding."""
    exact = width * math.sqrt(options.expand) * options.width
    step = options.round_channels
    return max(step, math.floor(exact / step + 0.5) * step) if step > 1 else int(exact)


def budget(columns, task, options):
    """How many of a layer's columns the first `task` tasks own together: N(i) of the method's section 4."""
    if task == 0:
        return 0
    total, first = options.capacity_tasks, 1 - options.s1
    if task >= total > 1:
        return columns
    later = options.s1 / (total - 1) if total > 1 else 0
    return round(columns * min(1, first + (min(task, total) - 1) * later))


def smallest(score, candidates, count):
    """The `count` candidates with the smallest score, as a mask: ties by lowest index, NaN last."""
    score = score.masked_fill(score.isnan() | ~candidates, math.inf)
    limit = score.kthvalue(count).values
    below, level = score < limit, (score == limit) & candidates
    return below | (level & (level.cumsum(0) <= count - below.sum()))


class MaskedLayer(nn.Module):
    """Weights of one masked layer in column form [O, groups, G, kh, kw], so that column vectors broadcast.

    `own` holds the active columns' weights and zeros, `preserved` those of earlier tasks and zeros. `owner` and
    `active` have one entry per column; with element granularity that is one per weight.
    """

    def __init__(self, shape, group, deviation, channels_last):
        super().__init__()
        out, inputs, height, width = shape
        size = min(group, inputs) if group else 1
        groups = -(-inputs // size)
        self.inputs, self.deviation, self.by_element = inputs, deviation, not group
        self.column_shape = (out, groups, 1, 1, 1) if group else (out, inputs, 1, height, width)
        weights = torch.zeros(out, groups, size, height, width)
        if channels_last:
            weights = torch.zeros(out, height, width, groups, size).permute(0, 3, 4, 1, 2)
        self.own = nn.Parameter(weights)
        self.register_buffer("preserved", weights.clone())
        self.register_buffer("owner", torch.zeros(self.column_shape, dtype=torch.int16))
        self.register_buffer("active", torch.zeros(self.column_shape))
        real = (torch.arange(groups * size) < inputs).float().view(1, groups, size, 1, 1)
        self.register_buffer("real", real)
        self.register_buffer("length", real.sum(2, keepdim=True) * (height * width if group else 1))

    def weight(self, gate):
        """W_eff in O,I,kh,kw; `gate` is one value per column for the preserved ones, None where there are none."""
        weights = self.own if gate is None else torch.addcmul(self.own, self.preserved, gate)
        weights = weights.flatten(1, 2)
        return weights if weights.shape[1] == self.inputs else weights[:, :self.inputs]

    def per_column(self, values):
        """Sums over each column of values in column form."""
        return values if self.by_element else values.sum((2, 3, 4), keepdim=True)

    def draw(self, count):
        """Choose and initialise the active columns: `count` free ones at random."""
        free = (self.owner == 0).flatten().nonzero().flatten()
        chosen = free[torch.randperm(len(free), device=free.device)[:count]]
        self.active.zero_().view(-1)[chosen] = 1
        self.own.copy_(torch.randn_like(self.own) * self.deviation * self.real * self.active)

    def exchange(self, growth, share, momentum):
        """Drop the share of active columns with the smallest mean square; grow as many by `growth`."""
        active = self.active.flatten() > 0
        count = math.floor(share * int(active.sum()))
        if count == 0:
            return
        energy = (self.per_column(self.own ** 2) / self.length).flatten()
        dropped = smallest(energy, active, count)
        kept = active & ~dropped
        free = (self.owner == 0).flatten() & ~kept
        grown = smallest(-growth.flatten(), free, count)
        self.active.copy_((kept | grown).view(self.column_shape))
        self.own.mul_(self.active)      # a free column is zero in both, so a grown one starts at zero
        momentum.mul_(self.active)

    def settle(self, task):
        """Give the active columns to `task` and freeze them."""
        self.owner[self.active > 0] = task
        self.preserved.add_(self.own)
        self.own.zero_()
        self.active.zero_()


class Net(nn.Module):
    """VGG16-BN for 32x32 with masked convs and hidden FC layers; head, BN and FC biases belong to a task."""

    def __init__(self, options):
        super().__init__()
        self.options, self.dense = options, options.method in DENSE
        element = options.method == "xst-element"
        self.masked, self.norms, self.plan, inputs = nn.ModuleList(), nn.ModuleList(), [], 3
        for entry in VGG16:
            self.plan.append(entry == "M")
            if entry != "M":
                out = scaled(entry, options)
                self.masked.append(MaskedLayer((out, inputs, 3, 3), 0 if element else options.group,
                                               math.sqrt(2 / (out * 9)), options.channels_last))
                self.norms.append(nn.BatchNorm2d(out))
                inputs = out
        self.convs, self.biases = len(self.masked), nn.ParameterList()
        for entry in HIDDEN:
            out = scaled(entry, options)
            self.masked.append(MaskedLayer((out, inputs, 1, 1), 0 if element else options.group_fc or options.group,
                                           math.sqrt(2 / inputs), False))
            self.biases.append(nn.Parameter(torch.zeros(out)))
            inputs = out
        self.head = nn.Linear(inputs, CLASSES)
        self.sizes = [layer.owner.numel() for layer in self.masked]
        self.mask = nn.Parameter(torch.zeros(sum(self.sizes)))
        self.stored = {}

    def per_layer(self, flat):
        """Split a vector over all columns into one tensor per masked layer, in column form."""
        return [part.view(layer.column_shape) for part, layer in zip(flat.split(self.sizes), self.masked)]

    def owners(self):
        """The owner of every column, as one vector."""
        return torch.cat([layer.owner.flatten() for layer in self.masked])

    def sampled_gates(self):
        """Gumbel-Sigmoid gates: hard forward, straight-through backward."""
        logit = self.mask if self.options.gate == "logit" else F.logsigmoid(self.mask)
        noisy = logit + torch.logit(torch.rand_like(logit))
        soft = torch.sigmoid(noisy / self.options.temperature)
        return self.per_layer((noisy > 0).to(soft.dtype) + (soft - soft.detach()))

    def forward(self, images, gates):
        """Logits; `gates` is per_layer's list, or None where no column is preserved."""
        weights = [layer.weight(gate) for layer, gate in zip(self.masked, gates or [None] * len(self.masked))]
        values, place = images, 0
        for pool in self.plan:
            if pool:
                values = F.max_pool2d(values, 2)
            else:
                values = F.relu(self.norms[place](F.conv2d(values, weights[place], padding=1)))
                place += 1
        values = values.flatten(1)
        for weight, bias in zip(weights[self.convs:], self.biases):
            values = F.relu(F.linear(values, weight.flatten(1), bias))
        return self.head(values)

    @torch.no_grad()
    def begin(self, task):
        """Start a task: its columns, its mask, a new head. BN and FC biases go on from the task before."""
        for layer, size in zip(self.masked, self.sizes):
            if not self.dense:
                layer.draw(budget(size, task, self.options) - budget(size, task - 1, self.options))
            elif not layer.active.any():        # a new net; finetune goes on with the one it has
                layer.draw(size)
        self.mask.fill_(self.options.mask_init)
        self.head.weight.normal_(0, 0.01)
        self.head.bias.zero_()
        self.preserving = not self.dense and task > 1

    @torch.no_grad()
    def finish(self, task):
        """End a task: freeze its columns and store what belongs to it alone."""
        owner = self.owners()
        preserved = owner > 0
        on = preserved & (self.mask > 0)
        if not self.dense:
            for layer in self.masked:
                layer.settle(task)
        private = self.head.state_dict() if self.dense else self.private()
        self.stored[task] = {"state": {name: value.clone() for name, value in private.items()}, "on": on}
        return [(int(p.sum()), int(o.sum())) for p, o in zip(preserved.split(self.sizes), on.split(self.sizes))]

    def private(self):
        """What each task of a sparse method has of its own: BN, FC biases, head."""
        return {name: value for name, value in self.state_dict().items()
                if name.startswith(("norms.", "biases.", "head."))}

    @torch.no_grad()
    def recall(self, task):
        """Load what `task` stored; returns its gates: own columns and the earlier ones that its mask has on."""
        stored = self.stored[task]
        (self.head if self.dense else self).load_state_dict(stored["state"], strict=False)
        return None if self.dense else self.per_layer(((self.owners() == task) | stored["on"]).float())

    def current_gates(self):
        """Gates of the task being learnt as its exported mask would set them."""
        return self.per_layer((self.mask > 0).float()) if self.preserving else None
