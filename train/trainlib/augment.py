"""Batches on the device: uint8 pictures in, normalised float pictures out.

Everything is done on whole batches by the device that trains, so that a GPU never waits for the CPU.
"""

import torch
import torch.nn.functional as F

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalise(batch):
    """N x 3 x S x S in 0..1, as torchvision normalises it."""
    mean = torch.tensor(MEAN, device=batch.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=batch.device).view(1, 3, 1, 1)
    return (batch - mean) / std


def plain(pixels, side):
    """For evaluation: N x S x S x 3 uint8 to a normalised batch, resized only when `side` differs."""
    batch = pixels.permute(0, 3, 1, 2).float() / 255
    if batch.shape[-1] != side:
        batch = F.interpolate(batch, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return normalise(batch).contiguous(memory_format=torch.channels_last)


def varied(pixels, side, generator, smallest_crop=0.3):
    """For training: random crop, flip, small turn, colours, erasing."""
    device, n = pixels.device, pixels.shape[0]
    source = pixels.shape[1]

    def uniform(lo, hi, *shape):
        return torch.rand(shape or (n,), generator=generator, device=device) * (hi - lo) + lo

    batch = pixels.permute(0, 3, 1, 2).float() / 255
    area = uniform(smallest_crop, 1.0)
    aspect = torch.exp(uniform(-0.28, 0.28))
    sx, sy = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    cx, cy = uniform(-1, 1) * (1 - sx), uniform(-1, 1) * (1 - sy)
    turn = uniform(-0.25, 0.25) * (uniform(0, 1) < 0.5)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(turn), torch.sin(turn)
    theta = torch.stack([torch.stack([sx * cos * flip, -sy * sin, cx], -1),
                         torch.stack([sx * sin * flip, sy * cos, cy], -1)], 1)
    shrink = source / side
    if shrink >= 2:  # keeps fine structure from aliasing
        batch = F.avg_pool2d(batch, int(shrink))
    grid = F.affine_grid(theta, (n, 3, side, side), align_corners=False)
    batch = F.grid_sample(batch, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    gain = torch.exp(uniform(-0.12, 0.12, n, 3, 1, 1)) * torch.exp(uniform(-0.3, 0.3, n, 1, 1, 1))
    batch = batch * gain
    grey = batch.mean(1, keepdim=True)
    batch = grey + (batch - grey) * uniform(0.5, 1.4, n, 1, 1, 1)
    mean = batch.mean((1, 2, 3), keepdim=True)
    batch = mean + (batch - mean) * uniform(0.7, 1.35, n, 1, 1, 1)
    batch = _erase(batch.clamp(0, 1), uniform)
    return normalise(batch).contiguous(memory_format=torch.channels_last)


def _erase(batch, uniform):
    """Up to two rectangles a picture (a third of the pictures keep none), filled with one colour and some grain."""
    n, _, h, w = batch.shape
    y = torch.arange(h, device=batch.device).view(1, 1, h, 1) / h
    x = torch.arange(w, device=batch.device).view(1, 1, 1, w) / w
    for chance in (0.5, 0.3):
        on = uniform(0, 1, n, 1, 1, 1) < chance
        half_w, half_h = uniform(0.03, 0.22, n, 1, 1, 1), uniform(0.03, 0.22, n, 1, 1, 1)
        cx, cy = uniform(0, 1, n, 1, 1, 1), uniform(0, 1, n, 1, 1, 1)
        hole = on & ((x - cx).abs() < half_w) & ((y - cy).abs() < half_h)
        fill = uniform(0, 1, n, 3, 1, 1) + uniform(-0.15, 0.15, n, 1, h, w)
        batch = torch.where(hole, fill.clamp(0, 1), batch)
    return batch
