"""The training loop: cosine schedule, growing pictures, mixed precision, an averaged copy of the weights."""

import csv
import math
import os
import time

import numpy as np
import torch
from torch import nn

from . import augment, checkpoint
from .say import Refusal, bar


class Source:
    """Pictures and labels on the device when they fit there, else sent batch by batch."""

    def __init__(self, pictures, device):
        self.labels = torch.from_numpy(pictures.labels).to(device)
        self.pixels = torch.from_numpy(np.ascontiguousarray(pictures.pixels)) if not isinstance(
            pictures.pixels, np.memmap) else pictures.pixels
        self.device = device
        if device.type == "cuda" and isinstance(self.pixels, torch.Tensor):
            free, _ = torch.cuda.mem_get_info(device)
            if self.pixels.numel() < free * 0.5:
                self.pixels = self.pixels.to(device)

    def __len__(self):
        return len(self.labels)

    def batch(self, index):
        """`index`: int64 tensor on the CPU."""
        if isinstance(self.pixels, np.memmap):
            pixels = torch.from_numpy(self.pixels[index.numpy()]).to(self.device)
        else:
            pixels = self.pixels[index.to(self.pixels.device)].to(self.device)
        return pixels, self.labels[index.to(self.device)]


def side_at(progress, side, progressive):
    """Picture side at `progress` 0..1: small pictures first, full size for the last eighth."""
    if not progressive or side < 96:
        return side
    share = 0.57 if progress < 0.4 else 0.71 if progress < 0.7 else 0.86 if progress < 0.88 else 1.0
    return side if share == 1.0 else max(64, round(side * share / 32) * 32)


def sides_of(options):
    """Picture side of every epoch: as --schedule says, else --epochs of them, growing with --progressive."""
    if options.schedule:
        return [side for side, epochs in options.schedule for _ in range(epochs)]
    return [side_at(e / options.epochs, options.size, options.progressive) for e in range(options.epochs)]


def rate_at(step, steps, warmup):
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


@torch.no_grad()
def scores(model, source, side, batch_size, amp=False):
    """Softmax outputs (N x classes, CPU float32) and labels."""
    model.eval()
    out = []
    for at in range(0, len(source), batch_size):
        pixels, _ = source.batch(torch.arange(at, min(at + batch_size, len(source))))
        with torch.autocast(source.device.type, torch.bfloat16, enabled=amp):
            logits = model(augment.plain(pixels, side))
        out.append(torch.softmax(logits.float(), 1).cpu())
    return torch.cat(out).numpy(), source.labels.cpu().numpy()


def top(scores_, labels, k):
    k = min(k, scores_.shape[1])
    best = np.argpartition(-scores_, k - 1, axis=1)[:, :k]
    return float((best == labels[:, None]).any(1).mean())


def fit(model, train, val, options, folder, device):
    """Trains `model` in place (its averaged weights at the best epoch) and returns what was done, as a dict."""
    torch.manual_seed(options.seed)
    side, batch = options.size, min(options.batch, len(train))
    sides = sides_of(options)
    epochs, per_epoch = len(sides), max(1, len(train) // batch)
    steps = per_epoch * epochs
    decays = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    peak = options.lr * batch / 256
    optimiser = torch.optim.SGD([{"params": decays, "weight_decay": options.weight_decay},
                                 {"params": others, "weight_decay": 0.0}], lr=peak, momentum=0.9, nesterov=True)
    loss_of = nn.CrossEntropyLoss(label_smoothing=options.smoothing)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    begun, best, since_best, spent, cpu_spent = 0, -1.0, 0, 0.0, 0.0
    state_path, best_path = os.path.join(folder, "checkpoint.pt"), os.path.join(folder, "best.pt")
    log_path = os.path.join(folder, "log.csv")
    identity = {"arch": options.arch, "classes": model.fc.out_features, "epochs": epochs, "size": side,
                "sides": sides, "batch": batch, "seed": options.seed, "pictures": len(train)}
    if os.path.exists(state_path) and not options.fresh:
        state = checkpoint.load(state_path)
        if state["identity"] != identity:
            odd = [k for k in identity if state["identity"].get(k) != identity[k]]
            raise Refusal(f"{folder} holds a training of other settings ({', '.join(odd)} differ); "
                          "give another --out, or --fresh to begin again.")
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average = {k: v.to(device) for k, v in state["average"].items()}
        begun, best, since_best, spent = state["epoch"], state["best"], state["since_best"], state["spent"]
        cpu_spent = state["cpu_spent"]
        print(f"resumed at epoch {begun + 1} of {epochs}", flush=True)
    else:
        with open(log_path, "w", newline="") as f:
            csv.writer(f).writerow(["epoch", "side", "lr", "train_loss", "val_top1", "val_top5", "seconds"])

    amp = options.amp and (device.type == "cuda" or _cpu_computes_bf16())
    shadow = _twin(model, options.arch, device)
    stopped = "ran all epochs"
    for epoch in range(begun, epochs):
        start, cpu_start = time.time(), time.process_time()
        now = sides[epoch]
        chance = torch.Generator(device).manual_seed(options.seed * 100003 + epoch)
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(options.seed * 7919 + epoch))
        model.train()
        total = torch.zeros((), device=device)
        with bar(per_epoch, f"epoch {epoch + 1}/{epochs} at {now}", "batch") as progress:
            for i in range(per_epoch):
                step = epoch * per_epoch + i
                lr = peak * rate_at(step, steps, min(steps // 10 + 1, per_epoch * 3))
                for group in optimiser.param_groups:
                    group["lr"] = lr
                pixels, labels = train.batch(order[i * batch:(i + 1) * batch])
                images = augment.varied(pixels, now, chance)
                with torch.autocast(device.type, torch.bfloat16, enabled=amp):
                    logits = model(images)
                loss = loss_of(logits.float(), labels)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                total += loss.detach()
                if i % 4 == 3 or i == per_epoch - 1:
                    _follow(average, model.state_dict(), min(1 - 4 / (per_epoch + 4), (step + 1) / (step + 10)))
                progress(i + 1)
        shadow.load_state_dict(average)
        outputs, truth = scores(shadow, val, side if now == side else max(now, 64), options.batch, amp)
        top1, top5 = top(outputs, truth, 1), top(outputs, truth, 5)
        seconds = time.time() - start
        spent += seconds
        cpu_spent += time.process_time() - cpu_start
        with open(log_path, "a", newline="") as f:
            csv.writer(f).writerow([epoch + 1, now, f"{lr:.5f}", f"{total.item() / per_epoch:.4f}", f"{top1:.4f}",
                                    f"{top5:.4f}", f"{seconds:.1f}"])
        print(f"epoch {epoch + 1}: loss {total.item() / per_epoch:.3f}, val top-1 {top1:.4f}, top-5 {top5:.4f}, "
              f"{seconds:.1f} s", flush=True)
        since_best = 0 if top1 > best else since_best + 1
        if top1 >= best:  # of equally good epochs the last one is kept: it saw the larger pictures
            best = top1
            checkpoint.save({"model": average, "identity": identity, "epoch": epoch + 1}, best_path)
        if (epoch + 1) % options.save_every == 0 or epoch + 1 == epochs:
            checkpoint.save({"model": model.state_dict(), "average": average, "optimiser": optimiser.state_dict(),
                             "epoch": epoch + 1, "best": best, "since_best": since_best, "spent": spent,
                             "cpu_spent": cpu_spent, "identity": identity}, state_path)
        if options.patience and since_best >= options.patience:
            stopped = f"stopped early after epoch {epoch + 1}: no better for {options.patience} epochs"
            print(stopped, flush=True)
            break
    model.load_state_dict({k: v.to(device) for k, v in checkpoint.load(best_path)["model"].items()})
    return {"best_val_top1": best, "seconds": spent, "cpu_seconds": cpu_spent, "epochs": epochs, "stopped": stopped, "mixed_precision": amp}


def _cpu_computes_bf16():
    """Whether this CPU has bf16 instructions; without them bf16 is emulated and slower than float32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _twin(model, arch, device):
    from .resnet import ResNet

    twin = ResNet(arch, model.fc.out_features).to(device, memory_format=torch.channels_last)
    twin.eval()
    return twin


@torch.no_grad()
def _follow(average, current, decay):
    pairs = [(average[k], v) for k, v in current.items() if v.dtype.is_floating_point]
    torch._foreach_lerp_([a for a, _ in pairs], [v for _, v in pairs], 1 - decay)
    for k, v in current.items():
        if not v.dtype.is_floating_point:
            average[k].copy_(v)
