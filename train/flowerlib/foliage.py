"""Stems and leaves."""

import numpy as np

from . import bend, blade, colour
from .bend import View
from .canvas import Strokes
from .heads import turn_towards


def stem(canvas, points, rgb, width, light):
    """A round stem through `points` (pixels), thick at the first."""
    pts = _smooth(np.asarray(points, np.float32))
    strokes = Strokes(canvas.shape[0])
    half = len(pts) // 2
    away = np.array([light[0], -light[1]]) * width * 0.2
    for part, w in ((pts[:half + 1], width), (pts[half:], width * 0.85)):
        strokes.line(part, rgb * 0.62, w)
    for part, w in ((pts[:half + 1], width), (pts[half:], width * 0.85)):
        strokes.line(part + away, rgb, w * 0.55)
        strokes.line(part + away * 1.6, rgb * 1.18, w * 0.2)
    strokes.onto(canvas)


def _smooth(points, n=14):
    """A Bezier curve of any number of control points."""
    t = np.linspace(0, 1, n, dtype=np.float32)[:, None]
    level = list(points)
    while len(level) > 1:
        level = [a * (1 - t) + b * t for a, b in zip(level[:-1], level[1:])]
    return level[0]


def leaf(canvas, spec, palette, foot, angle, length_px, light, rng, ambient=0.55):
    """One leaf (or leaflets along a rib) from `foot`, pointing at screen `angle` (radians, y up)."""
    lean = rng.uniform(-0.5, 0.35)
    view = View(turn_towards((rng.normal(0, 0.35), rng.normal(0.25, 0.3), 1.0), 0.0), tuple(foot), length_px,
                light, ambient)
    width = spec.width * rng.uniform(0.85, 1.15)
    back = colour.resolve(spec.petal.back or "sage", palette)
    if not spec.compound:
        texture = blade.paint(spec.petal, palette, length_px, length_px * width, rng)
        bend.draw(canvas, bend.place(texture, view, np.zeros(3, np.float32), angle, np.degrees(lean) * 0.5,
                                     rng.normal(-20, 25), 1.0, width, back, shade=0.25))
        return
    rib = colour.resolve(spec.petal.mid, palette)
    tip = np.asarray(foot) + length_px * np.array([np.cos(angle), -np.sin(angle)])
    stem(canvas, [foot, (np.asarray(foot) + tip) / 2, tip], rib, max(1.5, length_px * 0.02), light)
    texture = blade.paint(spec.petal, palette, length_px * 0.4, length_px * 0.4 * width, rng)
    for i in range(spec.compound):
        t = 0.25 + 0.75 * (i // 2 * 2 + 1) / spec.compound
        side = 0 if i == spec.compound - 1 else (0.9 if i % 2 else -0.9)
        at = np.asarray(foot) * (1 - t) + tip * t
        small = View(view.turn, tuple(at), length_px, light, ambient)
        bend.draw(canvas, bend.place(texture, small, np.zeros(3, np.float32), angle + side, 0, rng.normal(-10, 15),
                                     0.4 * (1.1 - 0.3 * t), 0.4 * width, back, shade=0.2))
