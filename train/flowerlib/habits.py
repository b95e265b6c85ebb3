"""Inflorescences: how heads sit on a plant. Each function draws stem, leaves and heads on a canvas."""

import cv2
import numpy as np

from . import colour, foliage, heads
from .canvas import blank, over

_LEANS = 4  # floret pictures a plant; an inflorescence reuses them, turned and resized


def draw(canvas, species, palette, origin, radius, light, rng, ambient=0.55):
    """Draws one plant whose flower (or inflorescence) is about `radius` pixels wide at `origin`."""
    ink = colour.jitter(colour.resolve(species.habit.stem, palette), rng, 0.02, 0.08)
    _KINDS[species.habit.kind](canvas, species, palette, np.asarray(origin, np.float32), radius, light, rng,
                               ambient, ink)


def _leaves(canvas, species, palette, origin, foot, radius, light, rng, ambient):
    spec = species.leaf
    if spec is None:
        return
    for _ in range(rng.integers(spec.n[0], spec.n[1] + 1)):
        size = radius * spec.length * rng.uniform(0.8, 1.2)
        if spec.place == "ruff":
            at, angle = origin, rng.uniform(0, 2 * np.pi)
        elif spec.place == "basal":
            at, angle = foot + rng.normal(0, radius * 0.12, 2), rng.normal(np.pi / 2, 0.75)
        elif spec.place == "pad":
            at = origin + rng.normal(0, 1.0, 2) * radius + (0, radius * 0.5)
            angle = rng.uniform(0, 2 * np.pi)
        else:
            t = rng.uniform(0.3, 1.0)
            at = origin * (1 - t) + foot * t
            side = rng.choice((-1, 1))
            angle = np.pi / 2 + side * rng.uniform(0.5, 1.3)
        foliage.leaf(canvas, spec, palette, at, angle, size, light, rng, ambient)


def _foot(canvas, origin, radius, rng):
    size = canvas.shape[0]
    return np.array([origin[0] + rng.normal(0, 0.35) * radius, max(size + 8, origin[1] + radius)], np.float32)


def _stem_to(canvas, species, origin, foot, radius, light, ink, rng):
    bow = (origin + foot) / 2 + (rng.normal(0, 0.15) * radius, 0)
    foliage.stem(canvas, [foot, bow, origin], ink, max(2, species.habit.stem_width * radius * 1.6), light)


def _single(canvas, species, palette, origin, radius, light, rng, ambient, ink):
    foot = _foot(canvas, origin, radius, rng)
    turn = heads.pose(species.head, rng)
    hang = species.head.axis == "down"
    if hang:  # nods from an arched stem
        side = rng.choice((-1, 1))
        top = origin + (side * radius * 0.25, -radius * 1.0)
        foliage.stem(canvas, [foot + (side * radius, 0), top + (side * radius * 0.9, -radius * 0.6), top, origin],
                     ink, max(2, species.habit.stem_width * radius * 1.6), light)
    else:
        _stem_to(canvas, species, origin, foot, radius, light, ink, rng)
    _leaves(canvas, species, palette, origin, foot, radius, light, rng, ambient)
    heads.draw(canvas, species.head, palette, tuple(origin), radius, turn, light, rng, ambient)


def _few(canvas, species, palette, origin, radius, light, rng, ambient, ink):
    """Several separate heads of one plant, each on its own stalk."""
    n = int(rng.integers(species.habit.count[0], species.habit.count[1] + 1))
    foot = _foot(canvas, origin, radius, rng)
    small = radius * species.habit.floret
    spots = []
    for i in range(n):
        for _ in range(12):
            r, a = radius * 0.85 * np.sqrt(rng.uniform(0.05, 1)), rng.uniform(0, 6.28)
            at = origin + r * np.array([np.cos(a), np.sin(a)])
            if all(np.hypot(*(at - s)) > small * 1.25 for s in spots):
                break
        spots.append(at)
    for at in spots:
        _stem_to(canvas, species, at, (foot + at) / 2 + (0, radius * 0.6), small, light, ink, rng)
    _leaves(canvas, species, palette, origin, foot, radius, light, rng, ambient)
    for at in sorted(spots, key=lambda p: p[1]):
        turn = heads.pose(species.head, rng)
        heads.draw(canvas, species.head, palette, tuple(at), small * rng.uniform(0.85, 1.1), turn, light, rng,
                   ambient)


def _floret(species, palette, radius, axis, light, rng, ambient):
    """A floret facing along `axis`, on its own square canvas."""
    half = int(radius * 1.7) + 3
    canvas = blank(half * 2)
    heads.draw(canvas, species.head, palette, (half, half), radius, heads.pose(species.head, rng, axis), light,
               rng, ambient)
    return canvas


def _paste(canvas, sprite, at, scale, spin, bright=1.0, flip=False):
    half = sprite.shape[0] / 2
    m = cv2.getRotationMatrix2D((half, half), spin, scale)
    if flip:
        m = m @ np.array([[-1, 0, 2 * half - 1], [0, 1, 0], [0, 0, 1]], np.float64)
    fx, fy = at[0] - half, at[1] - half
    x, y = int(np.floor(fx)), int(np.floor(fy))
    m[:, 2] += (fx - x, fy - y)
    turned = cv2.warpAffine(sprite, m, (sprite.shape[1], sprite.shape[0]), flags=cv2.INTER_LINEAR)
    if bright != 1.0:
        turned[..., :3] = np.minimum(turned[..., :3] * bright, turned[..., 3:])
    over(canvas, turned, x, y, 0.25)


def _umbel(canvas, species, palette, origin, radius, light, rng, ambient, ink):
    """A dome of florets on stalks from one point."""
    habit = species.habit
    foot = _foot(canvas, origin, radius, rng)
    node = origin + (rng.normal(0, 0.1) * radius, radius * 0.75)
    _stem_to(canvas, species, node, foot, radius, light, ink, rng)
    _leaves(canvas, species, palette, node, foot, radius, light, rng, ambient)
    n = int(rng.integers(habit.count[0], habit.count[1] + 1))
    small = radius * habit.floret
    k = np.arange(n)
    r = np.sqrt((k + 0.4) / n) * (1 - habit.floret * 0.5)
    a = k * heads.GOLDEN + rng.uniform(0, 6.28)
    flat = rng.uniform(0.62, 0.95)
    at = origin + radius * np.stack([r * np.cos(a), r * np.sin(a) * flat], -1) + rng.normal(0, small * 0.18, (n, 2))
    sprites = []
    for i in range(_LEANS):
        lean = np.radians((8, 30, 48, 60)[i] + rng.normal(0, 6))
        sprites.append(_floret(species, palette, small, (np.sin(lean), 0.12, np.cos(lean)), light, rng, ambient))
    for i in np.argsort(-r):
        if small > radius * 0.12 and r[i] > 0.3:
            foliage.stem(canvas, [node, (node + at[i]) / 2, at[i]], ink, max(1.5, radius * 0.025), light)
    for i in np.argsort(-r):
        lean = min(int(r[i] * _LEANS), _LEANS - 1)
        outward = -np.degrees(np.arctan2(at[i][1] - origin[1], at[i][0] - origin[0]))
        if species.head.upright:
            outward *= 0.0
        _paste(canvas, sprites[lean], at[i], rng.uniform(0.86, 1.08), outward, rng.uniform(0.86, 1.05))


def _spike(canvas, species, palette, origin, radius, light, rng, ambient, ink, stalk=0.0):
    """Florets along an upright stem, youngest at the top."""
    habit = species.habit
    foot = _foot(canvas, origin, radius, rng)
    lean = rng.normal(0, 0.12)
    top = origin + np.array([lean * radius, -radius], np.float32)
    low = origin + np.array([-lean * radius, radius], np.float32)
    mid = (top + low) / 2 + (rng.normal(0, 0.08) * radius, 0)
    foliage.stem(canvas, [foot, low, mid, top], ink, max(2, habit.stem_width * radius * 1.4), light)
    _leaves(canvas, species, palette, low, foot, radius, light, rng, ambient)
    n = int(rng.integers(habit.count[0], habit.count[1] + 1))
    small = radius * habit.floret
    axis_y = {"down": -0.75, "up": 0.6}.get(species.head.axis, 0.05)
    outs = [_floret(species, palette, small, (0.9, axis_y, 0.35), light, rng, ambient),
            _floret(species, palette, small, (0.55, axis_y, 0.75), light, rng, ambient),
            _floret(species, palette, small, (0.1, axis_y, 0.95), light, rng, ambient)]
    k = (np.arange(n) + 0.5) / n  # 0 at the top
    azimuth = np.arange(n) * heads.GOLDEN + rng.uniform(0, 6.28)
    size = np.clip(0.42 + 0.75 * k, 0, 1.0) if not habit.buds else np.clip(0.3 + k / max(habit.buds, 0.05) * 0.7, 0, 1)
    t = k[:, None]
    along = (1 - t) ** 2 * top + 2 * t * (1 - t) * mid + t ** 2 * low
    off = np.cos(azimuth) * habit.spread * small * size
    at = along + np.stack([off, 0 * off + small * 0.15], -1)
    for i in np.lexsort((-k, np.sin(azimuth).round(1))):
        x = np.cos(azimuth[i])
        sprite = outs[0] if abs(x) > 0.75 else outs[1] if abs(x) > 0.3 else outs[2]
        if stalk:
            foliage.stem(canvas, [along[i], (along[i] + at[i]) / 2 + (0, -small * 0.3), at[i]], ink,
                         max(1.5, small * 0.09), light)
        front = 0.82 + 0.2 * (np.sin(azimuth[i]) + 1) / 2
        _paste(canvas, sprite, at[i], size[i] * rng.uniform(0.92, 1.06), rng.normal(0, 7), front, flip=x < 0)


def _raceme(canvas, species, *rest):
    _spike(canvas, species, *rest, stalk=1.0)


_KINDS = {"single": _single, "few": _few, "umbel": _umbel, "spike": _spike, "raceme": _raceme}
KINDS = tuple(_KINDS)
