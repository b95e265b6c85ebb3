"""What stands in front of a flower: blades of grass, leaves, stems, out-of-focus blobs."""

import numpy as np

from . import blade, colour, foliage
from .bend import View, draw, place
from .canvas import Strokes, blank, blur, over
from .heads import turn_towards
from .morphology import Petal

_LEAVES = (Petal("needle", "leaf", "leaf", "lime"), Petal("ovate", "forest", "leaf", "leaf", veins=0.35, back="sage"),
           Petal("lance", "moss", "sage", "sage", back="sage"), Petal("strap", "forest", "green", "lime"),
           Petal("ovate", "rust", "amber", "rust", veins=0.3, back="tan"))


def paint(scene, target, radius, light, rng, hard):
    """Lays occluders over the scene, near the flower at `target`. The hard setting hides more of it."""
    count = rng.integers(2, 6) if hard else rng.choice((0, 0, 1, 1, 2, 3))
    for _ in range(count):
        layer = blank(scene.shape[0])
        kind = rng.integers(4 if hard else 3)
        off = rng.uniform(0.35, 1.0) if not hard else rng.uniform(0.15, 0.9)
        phi = rng.uniform(0, 6.28)
        at = np.asarray(target) + radius * off * np.array([np.cos(phi), np.sin(phi)])
        if kind == 0:
            _grass_blade(layer, at, radius, light, rng)
        elif kind == 1:
            _leaf(layer, at, radius * rng.uniform(0.6, 1.2 if not hard else 1.5), light, rng)
        elif kind == 2:
            _blob(layer, at, radius * rng.uniform(0.12, 0.3 if not hard else 0.42), rng)
        else:
            _bar(layer, at, radius * rng.uniform(0.12, 0.3), rng)
        near = rng.uniform(4.0, 8.0) if kind == 2 else rng.uniform(0.3, 4.5)
        over(scene, blur(layer, near))


def _leaf(layer, at, length, light, rng):
    petal = _LEAVES[rng.integers(len(_LEAVES))]
    angle = rng.uniform(0, 6.28)
    foot = at - 0.6 * length * np.array([np.cos(angle), -np.sin(angle)])
    width = rng.uniform(0.12, 0.32)
    view = View(turn_towards((rng.normal(0, 0.4), rng.normal(0, 0.4), 1), 0), tuple(foot), length, light)
    texture = blade.paint(petal, ("green",), length, length * width, rng)
    draw(layer, place(texture, view, np.zeros(3, np.float32), angle, 0, rng.normal(0, 40), 1.0, width,
                      colour.NAMED["sage"]))


def _grass_blade(layer, at, radius, light, rng):
    size = layer.shape[0]
    foot = np.array([at[0] + rng.normal(0, 0.5) * radius, size + 10])
    tip = at + (rng.normal(0, 0.4) * radius, -rng.uniform(0.2, 1.2) * radius)
    ink = colour.jitter(colour.NAMED[("green", "leaf", "moss", "tan")[rng.integers(4)]], rng, 0.03, 0.12)
    foliage.stem(layer, [foot, at, tip], ink, max(2, radius * rng.uniform(0.03, 0.1)), light)


def _blob(layer, at, radius, rng):
    names = tuple(colour.NAMED)
    strokes = Strokes(layer.shape[0])
    strokes.dot(at, colour.jitter(colour.NAMED[names[rng.integers(len(names))]], rng), radius)
    strokes.onto(layer)


def _bar(layer, at, width, rng):
    """A fence slat, a finger, a label stick: something straight and close."""
    size = layer.shape[0]
    names = ("tan", "white", "black", "salmon", "grey", "brown", "steel")
    phi = rng.uniform(0, np.pi)
    d = np.array([np.cos(phi), np.sin(phi)])
    n = np.array([-d[1], d[0]]) * width / 2
    a, b = at - d * size * rng.uniform(0, 1), at + d * size
    strokes = Strokes(size)
    strokes.fill([a + n, b + n, b - n, a - n], colour.jitter(colour.NAMED[names[rng.integers(len(names))]], rng))
    strokes.onto(layer)
