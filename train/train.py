#!/usr/bin/env python3
"""Trains an image classifier on a folder of pictures and writes it as a Triton model repository.

    python train/train.py DATA --out runs/mine

DATA holds one folder a class, or train/, val/ and test/ folders that do. The class count is read from
the folders. A training that was killed goes on where it was when the same command is run again.
OUT/<name>/ is ready to serve: config.pbtxt, labels.txt, 1/model.onnx, and a card of what was measured.
"""

import argparse
import os
import platform
import re
import shlex
import sys

from trainlib.say import Refusal, main_guard, printable


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("data", help="image folder")
    p.add_argument("--out", required=True, help="folder for checkpoints, log and the model repository")
    p.add_argument("--name", default="flower", help="the model's name when served (default flower)")
    p.add_argument("--arch", default="resnet50", choices=("resnet18", "resnet34", "resnet50", "resnet101"))
    p.add_argument("--from", dest="start", metavar="CHECKPOINT", help="start from these weights (transfer)")
    p.add_argument("--epochs", type=int, default=40)
    p.add_argument("--batch", type=int, default=0, help="pictures a step (default 256 on a GPU, 64 on a CPU)")
    p.add_argument("--lr", type=float, default=0.3, help="peak rate for a batch of 256 (default 0.3)")
    p.add_argument("--weight-decay", type=float, default=5e-5)
    p.add_argument("--smoothing", type=float, default=0.1, help="label smoothing (default 0.1)")
    p.add_argument("--size", type=int, default=224, help="pixels a side (default 224)")
    p.add_argument("--progressive", action=argparse.BooleanOptionalAction, default=True,
                   help="begin with small pictures (default)")
    p.add_argument("--schedule", metavar="SIDExEPOCHS,...",
                   help="pictures' side and epochs, phase by phase, instead of --epochs and --progressive: 64x6,96x4,160x2")
    p.add_argument("--amp", action=argparse.BooleanOptionalAction, default=True, help="bf16 arithmetic (default)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--patience", type=int, default=0, help="stop after so many epochs without gain (0: never)")
    p.add_argument("--save-every", type=int, default=1, metavar="EPOCHS", help="checkpoint for resuming (default 1)")
    p.add_argument("--fresh", action="store_true", help="begin again although OUT holds an earlier training")
    p.add_argument("--licence", default="The weights are the trainer's own; see the licence of the pictures.",
                   help="sentence for the model card")
    return p.parse_args(argv)


def check(a):
    for option, least in (("epochs", 1), ("size", 32), ("save_every", 1)):
        if getattr(a, option) < least:
            raise Refusal(f"--{option.replace('_', '-')} must be at least {least}, not {getattr(a, option)}.")
    if a.batch < 0:
        raise Refusal(f"--batch must be at least 1, not {a.batch}.")
    if a.patience < 0:
        raise Refusal(f"--patience must be 0 or more, not {a.patience}.")
    if not 0 <= a.smoothing < 1:
        raise Refusal(f"--smoothing must be from 0 to below 1, not {a.smoothing}.")
    if a.schedule:
        phases = [re.fullmatch(r"(\d{1,4})x(\d{1,4})", phase) for phase in a.schedule.split(",")]
        if not all(phases) or any(int(p[1]) < 32 or int(p[2]) < 1 for p in phases):
            raise Refusal("--schedule is SIDExEPOCHS,... with sides of at least 32, for example 64x6,96x4,160x2; "
                          f"not '{printable(a.schedule)}'.")
        a.schedule = [(int(p[1]), int(p[2])) for p in phases]
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", a.name):
        raise Refusal(f"--name may hold letters, digits, '.', '_' and '-' only, not '{printable(a.name)}'.")


def pick_device(wanted):
    import torch

    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise Refusal(f"--device knows auto, cpu, cuda and cuda:N, not '{wanted}'.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Refusal("--device cuda was asked for, and PyTorch sees no GPU here; use --device cpu.")
    return device


def run(argv):
    a = arguments(argv)
    check(a)
    # Threads that spin at barriers make a training crawl on a machine whose cores others use as well.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from trainlib import card, checkpoint, export, folder, loop
    from trainlib.resnet import ResNet

    import torch

    if a.start and not os.path.isfile(a.start):
        checkpoint.load(a.start)
    device = pick_device(a.device)
    a.batch = a.batch or (256 if device.type == "cuda" else 64)
    roots = folder.split_folders(a.data)
    classes = folder.class_names(roots["train"])
    os.makedirs(a.out, exist_ok=True)

    parts = {s: folder.load(r, a.size, classes, os.path.join(a.out, f"pictures-{s}.npy"), f"reading {s}")
             for s, r in roots.items()}
    train, val = parts["train"], parts.get("val")
    if val is None:
        train, val = folder.hold_out(train, 0.15, a.seed)
        print(f"no val folder: {len(val.labels)} of {len(val.labels) + len(train.labels)} pictures are held out for it")
    print(f"{len(classes)} classes, {len(train.labels)} pictures to train on, {len(val.labels)} to check with, "
          f"{a.arch} on {_machine(device)}", flush=True)

    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(a.seed)
    model = ResNet(a.arch, len(classes)).to(device, memory_format=torch.channels_last)
    if a.start:
        count, left = checkpoint.transfer(model, a.start)
        print(f"{count} tensors from {printable(a.start)}; begun afresh: {', '.join(left) or 'none'}")
    done = loop.fit(model, loop.Source(train, device), loop.Source(val, device), a, a.out, device)

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    shown = "test" if "test" in parts else "val"
    outputs, labels = loop.scores(model, loop.Source(parts.get("test") or val, device), a.size, a.batch)
    top1, top5 = loop.top(outputs, labels, 1), loop.top(outputs, labels, 5)

    target = os.path.join(a.out, a.name)
    net = export.cpu_copy(model, a.arch)
    onnx_path = os.path.join(target, "1", "model.onnx")
    export.to_onnx(net, onnx_path, a.size)
    off = export.difference(net, onnx_path, a.size)
    if off > 1e-4:
        raise Refusal(f"the exported model differs from PyTorch by {off:.2e} (allowed 1e-4); please report this.")
    export.write_repository(target, a.name, classes, a.size)
    skipped = sum(len(p.skipped) for p in parts.values())
    figures = [("net", f"{a.arch}, {len(classes)} classes, input {a.size}x{a.size}"),
               ("pictures: train / checked on", f"{len(train.labels)} / {len(labels)} ({shown})"),
               ("unreadable pictures skipped", skipped),
               ("top-1 / top-5", f"{100 * top1:.2f} % / {100 * top5:.2f} %"),
               ("ONNX against PyTorch, largest difference", f"{off:.1e}"),
               ("training", f"{done['seconds'] / 60:.1f} min on {_machine(device)} ({done['cpu_seconds'] / 60:.0f} min of CPU time), "
                            f"{'bf16' if done['mixed_precision'] else 'float32'}, {done['epochs']} epochs, {done['stopped']}")]
    command = "python train/train.py " + " ".join(shlex.quote(x) for x in argv)
    card.write(target, f"Model card: {a.name}", [f"Trained by Corolla's `train/train.py` on {printable(a.data)}."],
               figures, card.confusion(outputs, labels, len(classes)), classes, [command], a.licence)
    print(f"{shown} top-1 {100 * top1:.2f} %, top-5 {100 * top5:.2f} %; ONNX differs by {off:.1e}; "
          f"the repository folder is {printable(target)}")


def _machine(device):
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores ({platform.machine()})"


if __name__ == "__main__":
    sys.exit(main_guard(run, sys.argv[1:]))
