"""What sits in the middle of a flower: discs, stamens, columns, crowns of filaments."""

import numpy as np

from . import colour
from .canvas import Strokes

GOLDEN = 2.399963


def draw(canvas, centre, view, palette, rng):
    strokes = Strokes(canvas.shape[0])
    inks = [colour.jitter(colour.resolve(c, palette), rng, 0.015, 0.03) for c in centre.colours]
    _KINDS[centre.kind](strokes, centre, view, inks, rng)
    strokes.onto(canvas, shade=0.25)


def _lit(ink, view, normals):
    """`ink` under the view's light for each normal (head coordinates)."""
    facing = np.clip(normals @ view.turn.T @ view.light, 0, 1)
    return ink * (view.ambient + (1.1 - view.ambient) * facing)[:, None]


def _ring(radius, rise, n=28):
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([radius * np.cos(a), radius * np.sin(a), np.full(n, rise)], -1).astype(np.float32)


def _disc(strokes, c, view, inks, rng):
    """A dome of florets set by the golden angle; inks run from the middle to the rim."""
    xy, _ = view.project(_ring(c.size, c.rise))
    strokes.fill(xy, inks[-1] * 0.7)
    k = np.arange(c.n)[::-1]
    r = np.sqrt((k + 0.5) / c.n)
    a = k * GOLDEN + rng.uniform(0, 6.28)
    height = c.rise + c.height * (1 - r ** 2)
    points = np.stack([c.size * r * np.cos(a), c.size * r * np.sin(a), height], -1).astype(np.float32)
    slope = 2 * c.height * r / max(c.size, 1e-3)
    normals = np.stack([slope * np.cos(a), slope * np.sin(a), np.ones_like(r)], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    xy, depth = view.project(points)
    pos = r * (len(inks) - 1)
    lo = np.minimum(pos.astype(int), max(len(inks) - 2, 0))
    hi = np.minimum(lo + 1, len(inks) - 1)
    table = np.stack(inks)
    ink = table[lo] + (table[hi] - table[lo]) * (pos - lo)[:, None]
    ink = np.clip(_lit(1.0, view, normals) * ink * rng.uniform(0.82, 1.12, (c.n, 1)), 0, 1)
    radius = view.scale * c.size * 0.95 / np.sqrt(c.n)
    for i in np.argsort(depth):
        strokes.dot(xy[i] + (0.3, 0.6), ink[i] * 0.62, radius)
        strokes.dot(xy[i], ink[i], radius * 0.72)


def _stamens(strokes, c, view, inks, rng):
    """Filaments with anthers; inks: filament, anther."""
    a = np.arange(c.n) * (2 * np.pi / c.n) + rng.normal(0, 0.12, c.n)
    lean = np.radians(90 - c.spread * rng.uniform(0.55, 1.1, c.n))
    length = c.size * rng.uniform(0.75, 1.1, c.n)
    out = np.stack([np.cos(lean) * np.cos(a), np.cos(lean) * np.sin(a), np.sin(lean)], -1)
    foot = np.array([0, 0, c.rise], np.float32)
    tips = foot + out * length[:, None]
    mids = foot + out * length[:, None] * 0.5 + np.array([0, 0, c.size * 0.12])
    xy_tip, depth = view.project(tips.astype(np.float32))
    xy_mid, _ = view.project(mids.astype(np.float32))
    xy_foot, _ = view.project(foot[None])
    width = max(1.0, view.scale * 0.016)
    for i in np.argsort(depth):
        strokes.line([xy_foot[0], xy_mid[i], xy_tip[i]], inks[0] * rng.uniform(0.85, 1.05), width)
        strokes.dot(xy_tip[i], inks[1] * rng.uniform(0.8, 1.05), max(1.0, view.scale * c.height * 0.3))


def _column(strokes, c, view, inks, rng):
    """One long style with pollen along its outer half (hibiscus); inks: style, pollen, stigma."""
    u = np.linspace(0, 1, 8)
    lean = rng.normal(0, 0.12, 2)
    line = np.stack([u * c.size * lean[0], u * c.size * lean[1], c.rise + u * c.size], -1)
    xy, _ = view.project(line.astype(np.float32))
    strokes.line(xy, inks[0], max(1.5, view.scale * c.height * 0.6))
    for _ in range(c.n):
        t = rng.uniform(0.45, 0.97)
        a = rng.uniform(0, 6.28)
        p = np.array([c.size * lean[0] * t + np.cos(a) * c.height, c.size * lean[1] * t + np.sin(a) * c.height,
                      c.rise + t * c.size], np.float32)
        strokes.dot(view.project(p[None])[0][0], inks[1] * rng.uniform(0.8, 1.1), view.scale * 0.022 + 0.5)
    strokes.dot(xy[-1], inks[-1], view.scale * c.height * 0.6)


def _spadix(strokes, c, view, inks, rng):
    """A tapering club, knobbly; inks: dark side, light side."""
    u = np.linspace(0, 1, 26)
    lean = rng.normal(0, 0.15, 2)
    line = np.stack([u * c.size * lean[0], u * c.size * lean[1] + 0.1 * u, c.rise + u * c.size], -1)
    xy, _ = view.project(line.astype(np.float32))
    wide = view.scale * c.height * (1 - 0.45 * u)
    for p, w in zip(xy, wide):
        strokes.dot(p, inks[0] * 0.8, w)
    for p, w in zip(xy, wide):
        strokes.dot(p + (-w * 0.25, -w * 0.2), inks[-1], w * 0.6)
    for _ in range(c.n):
        i = rng.integers(0, 26)
        strokes.dot(xy[i] + rng.normal(0, wide[i] * 0.5, 2), inks[-1] * rng.uniform(0.75, 1.15), wide[i] * 0.16)


def _corona(strokes, c, view, inks, rng):
    """A flat crown of banded filaments; inks run outwards, one a band."""
    bands = np.linspace(0.12, 1, len(inks) + 1) * c.size
    for i in range(c.n):
        a = i * 2 * np.pi / c.n + rng.normal(0, 0.02)
        reach = rng.uniform(0.9, 1.05)
        p = np.stack([bands * reach * np.cos(a), bands * reach * np.sin(a), c.rise + 0.25 * bands], -1)
        xy, _ = view.project(p.astype(np.float32))
        for k, ink in enumerate(inks):
            strokes.line(xy[k:k + 2], ink * rng.uniform(0.88, 1.08), max(1.0, view.scale * 0.022))


def _eye(strokes, c, view, inks, rng):
    """Flat rings, the outermost first in `colours`."""
    for k, ink in enumerate(inks):
        xy, _ = view.project(_ring(c.size * (1 - k / len(inks)), c.rise))
        strokes.fill(xy, ink)


def _tuft(strokes, c, view, inks, rng):
    """A brush of fine threads bending outwards (thistles); inks: foot, tip."""
    a = np.arange(c.n) * GOLDEN
    r = np.sqrt((np.arange(c.n) + 0.5) / c.n)
    lean = np.radians(c.spread) * r
    threads = []
    for t in (0.0, 0.5, 1.0):
        bend = lean * (0.35 + 0.65 * t)
        foot = 0.55 * c.height * r
        x = foot + np.sin(bend) * c.size * t
        threads.append(np.stack([x * np.cos(a), x * np.sin(a), c.rise + np.cos(bend) * c.size * t], -1))
    points = np.stack(threads, 1).astype(np.float32) * rng.uniform(0.9, 1.08, (c.n, 1, 1)).astype(np.float32)
    xy, depth = view.project(points)
    width = max(1.0, view.scale * 0.022)
    for i in np.argsort(depth[:, 2]):
        mix = rng.uniform(0, 1)
        strokes.line(xy[i][:2], inks[0] * rng.uniform(0.75, 1.0), width)
        strokes.line(xy[i][1:], (inks[0] * mix + inks[-1] * (1 - mix)) * rng.uniform(0.85, 1.1), width)


def _star(strokes, c, view, inks, rng):
    """Stigma lobes lying flat like a small star; inks: lobe, heart."""
    for i in range(c.n):
        a = i * 2 * np.pi / c.n
        p = np.array([[0, 0, c.rise], [c.size * np.cos(a), c.size * np.sin(a), c.rise + c.height]], np.float32)
        xy, _ = view.project(p)
        strokes.line(xy, inks[0], max(1.5, view.scale * 0.06))
        strokes.dot(xy[1], inks[0] * 1.05, view.scale * 0.045)
    xy, _ = view.project(np.array([[0, 0, c.rise + c.height * 0.5]], np.float32))
    strokes.dot(xy[0], inks[-1], view.scale * c.size * 0.3)


_KINDS = {"disc": _disc, "stamens": _stamens, "column": _column, "spadix": _spadix, "corona": _corona,
          "eye": _eye, "tuft": _tuft, "star": _star}
KINDS = tuple(_KINDS)
