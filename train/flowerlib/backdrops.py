"""What lies behind a flower. Each family paints an opaque RGB picture, float32.

FAMILIES are those of the ordinary setting; HARD_FAMILIES are kept for the hard setting alone, so that
no net trained on the ordinary one has seen them.
"""

import cv2
import numpy as np

from .canvas import blur
from .colour import NAMED


def _noise(size, cells, rng, octaves=3):
    """Smooth noise in about -1..1."""
    out = np.zeros((size, size), np.float32)
    weight = 1.0
    for _ in range(octaves):
        n = min(int(cells) + 2, size)
        grid = rng.uniform(-1, 1, (n, n)).astype(np.float32)
        out += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        cells, weight = cells * 2.2, weight * 0.55
    return out


def _mix(a, b, t):
    return a + (b - a) * np.clip(t, 0, 1)[..., None]


def _some(rng, names, light=0.25):
    ink = NAMED[names[rng.integers(len(names))]]
    return np.clip(ink * rng.uniform(1 - light * 1.6, 1 + light) + rng.normal(0, 0.04, 3), 0.02, 1).astype(np.float32)


_GREENS = ("green", "leaf", "moss", "forest", "olive", "sage", "lime")
_EARTH = ("brown", "umber", "tan", "rust", "moss", "grey")
_SKIES = ("sky", "ice", "steel", "blue", "white")
_ANY = tuple(NAMED)


def _gradient(size, a, b, rng):
    phi = rng.uniform(0, 6.28)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    return _mix(a, b, (x * np.cos(phi) + y * np.sin(phi)) * rng.uniform(0.8, 1.5) + 0.5)


def _spots(picture, inks, count, radius, rng):
    size = picture.shape[0]
    for _ in range(count):
        ink = inks[rng.integers(len(inks))] * rng.uniform(0.7, 1.25)
        centre = tuple(int(v) for v in rng.uniform(-0.05, 1.05, 2) * size)
        axes = tuple(int(max(2, v)) for v in rng.uniform(*radius, 2) * size)
        cv2.ellipse(picture, centre, axes, rng.uniform(0, 180), 0, 360, [float(v) for v in ink], -1)


def _bokeh(size, rng):
    """Foliage far out of focus, with discs of light."""
    out = _gradient(size, _some(rng, _GREENS), _some(rng, _GREENS), rng)
    out = np.ascontiguousarray(_mix(out, _some(rng, _GREENS), _noise(size, 3, rng) * 0.6 + 0.3))
    discs = out.copy()
    _spots(discs, [_some(rng, _GREENS + ("lemon", "white")) for _ in range(4)], rng.integers(5, 30), (0.03, 0.1), rng)
    return blur(out * 0.5 + discs * 0.5, rng.uniform(2, 9))


def _leaf_litter(size, rng):
    out = np.ascontiguousarray(np.broadcast_to(_some(rng, _GREENS) * 0.4, (size, size, 3)))
    inks = [_some(rng, _GREENS) for _ in range(5)] + [_some(rng, _EARTH)]
    for shrink in (1.0, 0.75, 0.55):
        _spots(out, [i * (1.25 - shrink * 0.55) for i in inks], 26, (0.02, 0.12 * shrink + 0.03), rng)
    return blur(out, rng.uniform(1.2, 6))


def _grass(size, rng):
    out = np.ascontiguousarray(_gradient(size, _some(rng, _GREENS) * 0.5, _some(rng, _GREENS) * 0.8, rng))
    for _ in range(rng.integers(60, 140)):
        x, y = rng.uniform(-0.1, 1.1) * size, rng.uniform(0.2, 1.4) * size
        tip = (x + rng.normal(0, 0.15) * size, y - rng.uniform(0.3, 0.9) * size)
        ink = _some(rng, _GREENS) * rng.uniform(0.6, 1.2)
        cv2.line(out, (int(x), int(y)), (int(tip[0]), int(tip[1])), [float(v) for v in ink], int(rng.integers(1, 5)))
    return blur(out, rng.uniform(1, 6))


def _sky(size, rng):
    out = _gradient(size, _some(rng, _SKIES, 0.1), _some(rng, _SKIES, 0.1), rng)
    return _mix(out, np.array([0.97, 0.96, 0.95], np.float32), _noise(size, rng.uniform(2, 4), rng, 4) * 0.9 - 0.1)


def _soil(size, rng):
    a, b = _some(rng, _EARTH), _some(rng, _EARTH) * 0.6
    out = _mix(a, b, _noise(size, rng.uniform(6, 16), rng, 4) * 0.6 + 0.5)
    return blur(out, rng.uniform(0.6, 4))


def _studio(size, rng):
    ink = _some(rng, _ANY, 0.4)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - rng.uniform(0.3, 0.7, 2)[:, None, None].astype(np.float32)
    dark = rng.uniform(0.1, 0.8)
    return _mix(ink, ink * dark, np.sqrt(x * x + y * y) * 1.5)


def _wash(size, rng):
    """Any colours at all, in smooth patches."""
    out = _gradient(size, _some(rng, _ANY), _some(rng, _ANY), rng)
    out = _mix(out, _some(rng, _ANY), _noise(size, rng.uniform(2, 6), rng) * 0.8)
    return _mix(out, _some(rng, _ANY), _noise(size, rng.uniform(2, 9), rng) * 0.8)


def _stone(size, rng):
    base = _some(rng, ("grey", "silver", "tan", "steel"))
    grain = _noise(size, rng.uniform(8, 40), rng, 4) * 0.16
    return blur(np.clip(base + grain[..., None], 0, 1), rng.uniform(0.3, 3))


def _blossoms(size, rng):
    """A bed of other flowers, out of focus: their colours say nothing about the one in front."""
    out = np.ascontiguousarray(_leaf_litter(size, rng))
    inks = [_some(rng, _ANY) for _ in range(rng.integers(1, 4))]
    _spots(out, inks, rng.integers(6, 26), (0.03, 0.13), rng)
    return blur(out, rng.uniform(2.5, 7))


def _twigs(size, rng):
    out = np.ascontiguousarray(_bokeh(size, rng))
    for _ in range(rng.integers(4, 14)):
        a, b = rng.uniform(-0.1, 1.1, (2, 2)) * size
        ink = _some(rng, _EARTH)
        cv2.line(out, tuple(int(v) for v in a), tuple(int(v) for v in b), [float(v) for v in ink], int(rng.integers(1, 7)))
    return blur(out, rng.uniform(1, 5))


FAMILIES = (_bokeh, _leaf_litter, _grass, _sky, _soil, _studio, _wash, _stone, _blossoms, _twigs)


# -- the hard setting ------------------------------------------------------------------------------

def _bricks(size, rng):
    out = np.ascontiguousarray(np.broadcast_to(_some(rng, ("silver", "tan", "grey")), (size, size, 3)))
    h = int(size * rng.uniform(0.06, 0.14))
    w, gap = int(h * rng.uniform(1.8, 2.6)), max(1, h // 9)
    ink = _some(rng, ("rust", "brown", "crimson", "tan", "grey"))
    for row in range(size // h + 2):
        for col in range(-1, size // w + 2):
            x, y = col * w + (row % 2) * w // 2, row * h
            cv2.rectangle(out, (x + gap, y + gap), (x + w - gap, y + h - gap),
                          [float(v) for v in ink * rng.uniform(0.7, 1.2)], -1)
    return blur(np.clip(out + _noise(size, 40, rng, 2)[..., None] * 0.05, 0, 1), rng.uniform(0.3, 2.5))


def _planks(size, rng):
    base = _some(rng, ("tan", "brown", "rust", "silver", "umber"))
    x = np.arange(size, dtype=np.float32)
    width = size * rng.uniform(0.12, 0.3)
    board = (x // width).astype(int)
    tone = rng.uniform(0.75, 1.15, board.max() + 1).astype(np.float32)[board]
    seam = np.where(x % width < 2.5, 0.35, 1.0)
    grain = cv2.resize(rng.uniform(-1, 1, (4, size // 2)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    out = base * (tone * seam)[None, :, None] * (1 + 0.14 * grain)[..., None]
    return blur(np.rot90(out).copy() if rng.random() < 0.5 else out, rng.uniform(0.3, 2))


def _cloth(size, rng):
    a, b, c = (_some(rng, _ANY) for _ in range(3))
    period = size * rng.uniform(0.06, 0.2)
    x = np.arange(size) % period < period * rng.uniform(0.35, 0.65)
    out = np.where(x[None, :, None], a, b) * 0.5 + (np.where(x[:, None, None], a, c) if rng.random() < 0.6 else a) * 0.5
    m = cv2.getRotationMatrix2D((size / 2, size / 2), rng.uniform(0, 90), 1.5)
    return blur(cv2.warpAffine(np.ascontiguousarray(out, np.float32), m, (size, size), borderMode=cv2.BORDER_REFLECT), rng.uniform(0.3, 2))


def _pebbles(size, rng):
    n = int(rng.integers(50, 150))
    seeds = rng.uniform(0, size // 2, (n, 2)).astype(np.float32)
    y, x = np.mgrid[0:size // 2, 0:size // 2].astype(np.float32)
    distance = (x[..., None] - seeds[:, 0]) ** 2 + (y[..., None] - seeds[:, 1]) ** 2
    nearest = np.argpartition(distance, 1, axis=-1)[..., :2]
    d = np.sqrt(np.take_along_axis(distance, nearest, -1))
    d.sort(axis=-1)
    inks = np.stack([_some(rng, ("grey", "silver", "tan", "steel", "brown", "white")) for _ in range(n)])
    out = inks[np.argmin(distance, axis=-1)] * np.clip(0.25 + (d[..., 1] - d[..., 0]) * 0.16, 0.25, 1)[..., None]
    return blur(cv2.resize(out.astype(np.float32), (size, size)), rng.uniform(0.3, 2.5))


def _water(size, rng):
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    wave = np.sin((y * rng.uniform(20, 60) + _noise(size, 5, rng) * 2.5) + x * rng.uniform(-6, 6))
    out = _mix(_some(rng, ("teal", "steel", "forest", "blue")), _some(rng, ("ice", "sky", "white")), wave * 0.45 + 0.25)
    return blur(out, rng.uniform(0.5, 3))


def _city(size, rng):
    """Lights at night, far out of focus."""
    out = np.ascontiguousarray(_gradient(size, _some(rng, ("black", "plum", "umber")) * 0.6, _some(rng, ("indigo", "umber", "steel")) * 0.5, rng))
    glow = out.copy()
    for _ in range(rng.integers(12, 45)):
        r = int(size * rng.uniform(0.02, 0.08))
        ink = _some(rng, ("gold", "amber", "scarlet", "ice", "white", "teal", "magenta"))
        cv2.circle(glow, tuple(int(v) for v in rng.uniform(0, size, 2)), r, [float(v) for v in ink], -1)
    return blur(out * 0.35 + glow * 0.65, rng.uniform(1, 3))


def _snow(size, rng):
    out = np.clip(np.array([0.88, 0.91, 0.96], np.float32) + _noise(size, 5, rng, 4)[..., None] * 0.07, 0, 1)
    out = np.ascontiguousarray(out)
    for _ in range(rng.integers(3, 10)):
        a, b = rng.uniform(-0.1, 1.1, (2, 2)) * size
        cv2.line(out, tuple(int(v) for v in a), tuple(int(v) for v in b), [float(v) for v in _some(rng, ("umber", "brown"))], int(rng.integers(1, 6)))
    return blur(out, rng.uniform(0.6, 3))


def _room(size, rng):
    """Indoors: upright and level rectangles (shelves, books, a window)."""
    out = np.ascontiguousarray(np.broadcast_to(_some(rng, ("cream", "ivory", "silver", "tan", "steel")), (size, size, 3)))
    for _ in range(rng.integers(10, 30)):
        x, y = rng.uniform(-0.2, 1, 2) * size
        w, h = rng.uniform(0.04, 0.35, 2) * size
        cv2.rectangle(out, (int(x), int(y)), (int(x + w), int(y + h)), [float(v) for v in _some(rng, _ANY)], -1)
    return blur(out, rng.uniform(0.8, 5))


HARD_FAMILIES = (_bricks, _planks, _cloth, _pebbles, _water, _city, _snow, _room)


def paint(size, rng, hard):
    """A backdrop; painted at half size, as all of them are at least a little out of focus."""
    families = HARD_FAMILIES if hard else FAMILIES
    small = families[rng.integers(len(families))](size // 2, rng)
    return cv2.resize(np.ascontiguousarray(small, np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
