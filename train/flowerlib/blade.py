"""The texture of one blade (a petal, a bract or a leaf), flat, before it is bent and placed.

A texture is premultiplied RGBA, float32. Rows run from the base (u = 0) to the tip (u = 1), columns
across, v from -MARGIN to +MARGIN in units of the blade's greatest half breadth.
"""

import numpy as np

from . import colour
from .outline import half_breadth

MARGIN = 1.2


def paint(petal, palette, length_px, breadth_px, rng):
    """The texture of `petal` for a blade about length_px long and breadth_px (half) wide."""
    rows = int(np.clip(length_px, 8, 150))
    cols = int(np.clip(breadth_px * 2 * MARGIN, 8, 150))
    u = ((np.arange(rows, dtype=np.float32) + 0.5) / rows)[:, None]
    v = np.linspace(-MARGIN, MARGIN, cols, dtype=np.float32)[None, :]
    half = half_breadth(petal.outline, u)
    half, tip = _margin(petal, u, v, half, rng)
    across = v / np.maximum(half, 0.04)
    side = np.abs(across)

    inside_side = (half - np.abs(v)) * (cols / (2 * MARGIN))
    inside_tip = (tip - u) * rows
    alpha = np.clip(np.minimum(inside_side, inside_tip) + 0.5, 0, 1)

    rgb = _pigment(petal, palette, u, v, side, across, rng)
    light = 1 - petal.cup * np.clip(side, 0, 1.2) ** 2 * 0.5
    light = light * (1 - 0.13 * np.exp(-(across / 0.09) ** 2) * (1 - u))
    light = light * (0.86 + 0.14 * np.minimum(u * 2.2, 1))
    light = light + rng.normal(0, 0.018, (rows, cols)).astype(np.float32)
    if petal.gloss:
        light = light + petal.gloss * np.exp(-((across - 0.35) / 0.22) ** 2 - ((u - 0.6) / 0.25) ** 2)
    out = np.empty((rows, cols, 4), np.float32)
    out[..., :3] = np.clip(rgb * light[..., None], 0, 1) * alpha[..., None]
    out[..., 3] = alpha
    return out


def _margin(petal, u, v, half, rng):
    """The outline with its ruffles, teeth and cleft: half breadth (rows x cols) and tip height (1 x cols)."""
    if petal.ruffle:
        k, phase = rng.uniform(2.0, 4.5), rng.uniform(0, 6.28, 2)
        wave = np.where(v < 0, np.sin(k * 6.28 * u + phase[0]), np.sin(k * 5.6 * u + phase[1]))
        half = half * (1 + petal.ruffle * wave * np.minimum(u * 1.6, 1))
    if petal.serrate and petal.teeth:
        saw = (u * petal.teeth) % 1.0
        half = half * (1 - petal.tooth_depth * 3 * saw * (u < 0.97))
    tip = np.ones_like(v)
    if petal.notch:
        tip = tip - petal.notch * np.exp(-(v / 0.3) ** 2)
    if petal.teeth and not petal.serrate:
        saw = np.abs(((v + 1) * 0.5 * petal.teeth + rng.uniform(0, 1)) % 1.0 - 0.5) * 2
        tip = tip - petal.tooth_depth * saw
    return np.broadcast_to(half, (u.shape[0], v.shape[1])), tip


def _pigment(petal, palette, u, v, side, across, rng):
    def ink(spec):
        return colour.jitter(colour.resolve(spec, palette), rng, 0.012, 0.02)

    base, mid, tip = ink(petal.base), ink(petal.mid), ink(petal.tip)
    lower = np.clip(1 - u * 2.2, 0, 1)[..., None]
    upper = np.clip(u * 2.0 - 0.9, 0, 1)[..., None]
    rgb = np.broadcast_to(mid * (1 - lower) * (1 - upper) + base * lower + tip * upper,
                          side.shape + (3,)).copy()

    def blend(ink_colour, amount):
        nonlocal rgb
        a = np.clip(amount, 0, 1)[..., None]
        rgb = rgb * (1 - a) + ink_colour * a

    if petal.edge is not None:
        blend(ink(petal.edge), (np.maximum(side, u ** 3) - (1 - petal.edge_width)) / (petal.edge_width * 0.6))
    if petal.stripe is not None:
        reach = np.clip((1.02 - u) * 3, 0, 1)
        blend(ink(petal.stripe), np.exp(-(v / petal.stripe_width) ** 2) * reach * 1.1)
    if petal.bands is not None:
        blend(ink(petal.bands), 1.15 * np.exp(-((u - petal.band_at) / 0.09) ** 2) + 0 * v)
    if petal.blotch is not None:
        reach = petal.blotch_size * (1 - 0.25 * side)
        blend(ink(petal.blotch), (reach - u) * 9 + 0.5)
    if petal.veins:
        count = rng.uniform(3.2, 4.4)
        fan = across * count * (0.75 + 0.5 * u)
        line = np.exp(-(((fan + 0.5) % 1.0 - 0.5) / 0.13) ** 2) * np.clip(1.25 - u, 0, 1)
        dark = ink(petal.vein_colour) if petal.vein_colour is not None else mid * 0.62
        blend(dark, line * petal.veins)
    if petal.spots is not None:
        blend(ink(petal.spots), _freckles(petal, u, v, rng))
    return rgb


def _freckles(petal, u, v, rng):
    n = petal.spot_count
    cu = rng.uniform(0.08, petal.spot_to, n).astype(np.float32)
    cv = rng.uniform(-0.75, 0.75, n).astype(np.float32)
    r = rng.uniform(0.028, 0.055, n).astype(np.float32)
    out = np.zeros((u.shape[0], v.shape[1]), np.float32)
    for a, b, c in zip(cu, cv, r):
        out = np.maximum(out, np.clip(1.6 - np.sqrt(((u - a) / c) ** 2 + ((v - b) / (c * 2.4)) ** 2), 0, 1))
    return out
