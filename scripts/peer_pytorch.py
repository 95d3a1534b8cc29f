#!/usr/bin/env python3
"""The PyTorch peer of xst: the same training step, written independently, for comparison.

    peer_pytorch.py --mode accuracy --data DIR [--method xst|xst-element|scratch|finetune] [--width 0.25] ...
    peer_pytorch.py --mode speed [--device cpu|cuda] [--compile] [--graphs] [--precision fp32|tf32|bf16] ...

Accuracy mode learns the first --tasks superclasses of CIFAR-100 (DIR: train.bin and test.bin in the official
binary layout). Speed mode times steps on random images: medians over blocks of steps, drop-and-grow counted at
its true rate. With --json one JSON document goes to stdout and all else to stderr. Needs torch (1.13 or newer)
and numpy; Debian's torch is slow in the FC layers until libopenblas0 takes the place of its reference BLAS. The
random numbers are torch's own, so it agrees with xst in distribution only. The network is in peer_net.py.
"""
import argparse
import json
import math
import statistics
import sys
import time

import torch
import torch.nn.functional as F

from peer_net import DENSE, EVAL_BATCH, Net, random_task, read_task

LR_STEPS, LR_GAMMA = (0.5, 0.8), 0.1


def say(text):
    """Print progress to stderr."""
    print(text, file=sys.stderr, flush=True)


# ---- Training -------------------------------------------------------------------------------------------------

def make_optimiser(kind, groups, device, compiled, **settings):
    """An optimiser in the fastest form this torch has: capturable under graphs, fused unless it is compiled."""
    if device == "cuda" and kind is torch.optim.Adam:
        settings["capturable"] = True
    if not compiled:
        try:
            return kind(groups, fused=True, **settings)
        except (TypeError, RuntimeError):
            pass        # no fused form in this version or on this device
    return kind(groups, foreach=device == "cuda" or compiled, **settings)


class Trainer:
    """One task's training: optimisers with fresh state, the step, the epochs."""

    def __init__(self, net, data, options, lr):
        self.net, self.data, self.options, self.lr, self.steps = net, data, options, lr, 0
        own = [layer.own for layer in net.masked]
        rest = [*net.norms.parameters(), *net.biases, *net.head.parameters()]
        self.sgd = make_optimiser(torch.optim.SGD, [{"params": own, "weight_decay": options.weight_decay},
                                                    {"params": rest, "weight_decay": 0.0}],
                                  options.device, options.compile, lr=lr, momentum=options.momentum, nesterov=True)
        for tensor in own + rest:       # as PyTorch's own first step, but with addresses that stay
            self.sgd.state[tensor]["momentum_buffer"] = torch.zeros_like(tensor)
        self.adam = (make_optimiser(torch.optim.Adam, [net.mask], options.device, options.compile, lr=options.mask_lr)
                     if net.preserving else None)
        per_epoch = -(-len(data.images) // options.batch)
        self.last_exchange = math.floor(options.update_until * per_epoch * options.epochs)
        self.totals = torch.zeros(2, device=options.device)
        self.loss, self.update = self._loss, self._update
        self.graphed = options.compile and options.device == "cuda" and not options.graphs
        if options.compile:
            settings = {"dynamic": False, "mode": "reduce-overhead" if self.graphed else None}
            self.loss, self.update = torch.compile(self._loss, **settings), torch.compile(self._update, **settings)

    def _loss(self, index):
        """Mean cross entropy of a batch, and the number of images it got right."""
        images, labels = self.data.batch(index)
        gates = self.net.sampled_gates() if self.net.preserving else None
        with torch.autocast(self.options.device, dtype=torch.bfloat16, enabled=self.options.precision == "bf16",
                            cache_enabled=False):
            logits = self.net(images, gates)
        return F.cross_entropy(logits.float(), labels), (logits.argmax(1) == labels).sum()

    def _update(self):
        """SGD on the active columns and the task's own tensors, Adam on the mask."""
        if not self.net.dense:
            for layer in self.net.masked:
                layer.own.grad.mul_(layer.active)
        self.sgd.step()
        if self.adam:
            self.adam.step()

    def share(self, step):
        """The share of active columns to exchange after a step; 0 where none is due."""
        if self.net.dense or step % self.options.update_every or step > self.last_exchange:
            return 0.0
        return self.options.drop_fraction / 2 * (1 + math.cos(math.pi * step / self.last_exchange))

    def step(self, index, share):
        """One training step, with drop-and-grow by this step's dense gradients where `share` > 0."""
        if self.graphed:        # forward, backward and update belong to one replay
            torch.compiler.cudagraph_mark_step_begin()
        self.sgd.zero_grad(set_to_none=True)
        if self.adam:
            self.adam.zero_grad(set_to_none=True)
        loss, correct = self.loss(index)
        loss.backward()
        growth = self.growth() if share else None
        self.update()
        with torch.no_grad():
            if share:
                for layer, score in zip(self.net.masked, growth):
                    layer.exchange(score, share, self.sgd.state[layer.own]["momentum_buffer"])
            self.totals += torch.stack([loss.detach() * len(index), correct.float()])

    @torch.no_grad()
    def growth(self):
        """Each column's sum of squared gradients, through no mask."""
        return [layer.per_column(layer.own.grad ** 2) for layer in self.net.masked]

    def epoch(self, number):
        """One epoch, counted from 0; returns mean loss and training accuracy in percent."""
        reached = sum(number >= share * self.options.epochs for share in LR_STEPS)
        for group in self.sgd.param_groups:
            group["lr"] = self.lr * LR_GAMMA ** reached
        self.net.train()
        self.totals.zero_()
        images = len(self.data.images)
        for index in torch.randperm(images, device=self.options.device).split(self.options.batch):
            self.steps += 1
            self.step(index, self.share(self.steps))
        loss, correct = (self.totals / images).tolist()
        if not math.isfinite(loss):
            raise SystemExit("peer_pytorch: the loss is not finite")
        return loss, 100 * correct


@torch.no_grad()
def accuracy(net, data, gates):
    """Test accuracy in percent, with running BN statistics and no noise."""
    net.eval()
    correct = sum(int((net(images, gates).argmax(1) == labels).sum()) for images, labels
                  in zip(data.test_images.split(EVAL_BATCH), data.test_labels.split(EVAL_BATCH)))
    return 100 * correct / len(data.test_images)


def learn_task(net, position, data, options):
    """Train one task and print a line per epoch."""
    net.begin(position)
    later = options.method == "finetune" and position > 1
    trainer = Trainer(net, data, options, options.finetune_lr if later else options.lr)
    for number in range(options.epochs):
        loss, train = trainer.epoch(number)
        test = accuracy(net, data, net.current_gates())
        say(f"task {position} epoch {number + 1:3d}  loss {loss:.4f}  train {train:6.2f}  test {test:6.2f}")


def on_shares(counts, convs):
    """Share of preserved columns that the mask has on: per layer, all convs, all FC layers; None for task 1."""
    def share(pairs):
        preserved, on = (sum(values) for values in zip(*pairs))
        return on / preserved if preserved else None
    return {"layers": [share([pair]) for pair in counts], "conv": share(counts[:convs]), "fc": share(counts[convs:])}


def run_accuracy(options):
    """Learn the tasks; after each, measure it and all earlier ones from what they stored."""
    net, rows, tasks, results = None, [], [], []
    for position in range(1, options.tasks + 1):
        tasks.append(read_task(options, position - 1))
        started = time.perf_counter()
        if net is None or options.method == "scratch":
            net = Net(options).to(options.device)
        learn_task(net, position, tasks[-1], options)
        on = net.finish(position)
        if options.method == "scratch":     # the nets of earlier tasks are gone and cannot have changed
            rows.append((rows[-1] if rows else []) + [accuracy(net, tasks[-1], None)])
        else:                               # ends with the newest task, so the net is left in its state
            rows.append([accuracy(net, data, net.recall(task)) for task, data in enumerate(tasks, 1)])
        seconds = time.perf_counter() - started
        results.append({"accuracy": rows[-1][-1], "seconds": seconds, "on": on_shares(on, net.convs)})
        say(f"task {position} done in {seconds:.0f} s; accuracies {' '.join(f'{value:.2f}' for value in rows[-1])}")
    say(f"final mean {statistics.mean(rows[-1]):.2f}")
    return {"accuracy": rows, "tasks": results}


# ---- Speed ----------------------------------------------------------------------------------------------------

def clock(device):
    """Seconds, read after the device has done all its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def warm_up(trainer, batches, share):
    """Run some steps, the last with drop-and-grow; on a side stream, as a capture that follows wants it."""
    clock(trainer.options.device)
    with torch.cuda.stream(torch.cuda.Stream() if trainer.options.graphs else None):
        for count in range(trainer.options.warmup, 0, -1):
            trainer.step(next(batches), share if count == 1 else 0.0)
    clock(trainer.options.device)


def captured(trainer, index):
    """The whole step as one CUDA graph: returns a function that copies a batch's index in and replays it."""
    static, graph = index.clone(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        trainer.step(static, 0.0)

    def replay(batch):
        static.copy_(batch)
        graph.replay()
    return replay


def blocks_of(step, batches, steps, device):
    """Milliseconds per step in each of 10 blocks of steps, or in as many as there are steps."""
    size, times = max(1, steps // 10), []
    for _ in range(min(10, steps)):
        start = clock(device)
        for _ in range(size):
            step(next(batches))
        times.append(1000 * (clock(device) - start) / size)
    return times


def endless(data, batch):
    """Full batches of ever new permutations."""
    while True:
        for index in torch.randperm(len(data.images), device=data.images.device).split(batch):
            if len(index) == batch:
                yield index


def run_speed(options):
    """Time the step of task 1 or 2, and the one with drop-and-grow."""
    data, device = random_task(options), options.device
    net = Net(options).to(device).train()
    for position in range(1, options.task + 1):
        net.begin(position)
        trainer = Trainer(net, data, options, options.lr)
        if position < options.task:
            net.finish(position)
    batches, share = endless(data, options.batch), 0.0 if net.dense else options.drop_fraction / 2
    warm_up(trainer, batches, share)
    grow = blocks_of(lambda index: trainer.step(index, share), batches, 5, device) if share else []
    step = captured(trainer, next(batches)) if options.graphs else lambda index: trainer.step(index, 0.0)
    step(next(batches))
    plain = blocks_of(step, batches, options.steps, device)
    every = options.update_every
    ms = statistics.median(plain)
    if grow:
        ms = ((every - 1) * ms + statistics.median(grow)) / every
    say(f"{options.method} task {options.task}, {device}, {options.precision}: {1000 * options.batch / ms:.1f} images/s, "
        f"{ms:.3f} ms a step (blocks {min(plain):.3f} to {max(plain):.3f})")
    return {"images_per_s": 1000 * options.batch / ms, "ms": ms, "ms_plain": statistics.median(plain),
            "ms_plain_min": min(plain), "ms_plain_max": max(plain), "ms_grow": statistics.median(grow) if grow else None,
            "peak_MiB": torch.cuda.max_memory_allocated() / 2 ** 20 if device == "cuda" else None,
            "name": torch.cuda.get_device_name() if device == "cuda" else None}


# ---- Command line ---------------------------------------------------------------------------------------------

def parse():
    """Options; names and defaults are xst's where it has the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--mode", choices=("accuracy", "speed"), required=True)
    add("--method", choices=("xst", "xst-element", *DENSE), default="xst")
    add("--data", help="accuracy: folder with train.bin and test.bin")
    add("--tasks", type=int, default=20, help="accuracy: learn the first so many superclasses")
    add("--task", type=int, choices=(1, 2), default=2, help="speed: time this task's step")
    for name, default in (("--capacity-tasks", 20), ("--epochs", 100), ("--batch", 32), ("--seed", 0), ("--group", 8),
                          ("--group-fc", 0), ("--round-channels", 8), ("--update-every", 100),
                          ("--steps", 50), ("--warmup", 10), ("--threads", 0), ("--channels-last", 0)):
        add(name, type=int, default=default, help=f"default {default}")
    for name, default in (("--width", 1.0), ("--expand", 1.5), ("--s1", 0.7), ("--lr", 0.01), ("--finetune-lr", 0.005),
                          ("--momentum", 0.9), ("--weight-decay", 4e-5), ("--temperature", 1.0), ("--mask-lr", 0.1),
                          ("--mask-init", 5.0), ("--drop-fraction", 0.3), ("--update-until", 0.75)):
        add(name, type=float, default=default, help=f"default {default}")
    add("--gate", choices=("logit", "paper"), default="logit")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--precision", choices=("fp32", "tf32", "bf16"), default="fp32")
    add("--compile", action="store_true",
        help="speed: torch.compile; on cuda with mode=reduce-overhead unless --graphs is given")
    add("--graphs", action="store_true", help="speed, cuda: capture the whole step as one CUDA graph")
    add("--json", action="store_true", help="print one JSON document on stdout")
    options = parser.parse_args()
    if options.mode == "accuracy" and not options.data:
        parser.error("--mode accuracy needs --data DIR")
    if options.compile and options.mode != "speed":
        parser.error("--compile is for --mode speed: each new task would compile again")
    if options.compile and not hasattr(torch, "compile"):
        parser.error(f"--compile: torch {torch.__version__} cannot; 2.0 or newer can")
    if options.graphs and (options.device, options.mode) != ("cuda", "speed"):
        parser.error("--graphs needs --mode speed --device cuda")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this torch finds no GPU")
    return options


def set_up(options):
    """Seeds, threads and precision."""
    torch.manual_seed(options.seed)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high" if options.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = options.precision == "tf32"
    torch.backends.cudnn.benchmark = True


def main():
    """Run the chosen mode."""
    options = parse()
    set_up(options)
    result = run_accuracy(options) if options.mode == "accuracy" else run_speed(options)
    if options.json:
        versions = {"torch": torch.__version__, "threads": torch.get_num_threads()}
        print(json.dumps({"options": vars(options), "versions": versions, **result}, indent=1))


if __name__ == "__main__":
    main()
