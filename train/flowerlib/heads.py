"""One flower head: its whorls and centres, turned in space, drawn far to near."""

import numpy as np

from . import bend, blade, centres, colour
from .bend import View

GOLDEN = 2.399963
_VARIANTS = 3  # different textures a whorl; its petals take turns


def turn_towards(axis, roll, up=(0.0, 1.0, 0.0)):
    """The rotation that points a head's face along `axis` (camera coordinates, y up), turned by `roll` radians."""
    z = np.asarray(axis, np.float64)
    z = z / np.linalg.norm(z)
    y = np.asarray(up) - np.dot(up, z) * z
    if np.linalg.norm(y) < 0.15:
        y = np.array([0, 0, -1.0]) - (-z[2]) * z
    y /= np.linalg.norm(y)
    x = np.cross(y, z)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * x + s * y, -s * x + c * y, z], axis=1).astype(np.float32)


def pose(head, rng, axis=None):
    """A rotation as the head would carry itself; `axis` overrides where it faces."""
    if axis is None:
        lean = np.radians(rng.uniform(*head.tilt))
        phi = rng.uniform(0, 2 * np.pi)
        if head.axis == "camera":
            phi = rng.normal(np.pi / 2, 1.1)  # more often skywards
            axis = (np.sin(lean) * np.cos(phi), np.sin(lean) * np.sin(phi), np.cos(lean))
        elif head.axis == "side":
            sign = rng.choice((-1, 1))
            axis = (sign * np.cos(lean), rng.normal(0, 0.2), np.sin(lean))
        else:
            sway = rng.normal(0, 0.18)
            vertical = 1 if head.axis == "up" else -1
            axis = (sway, vertical * np.cos(lean), np.sin(lean))
    roll = rng.normal(0, 0.13) if head.upright else rng.uniform(0, 2 * np.pi)
    return turn_towards(axis, roll)


def draw(canvas, head, palette, origin, radius, turn, light, rng, ambient=0.55):
    """Draws the head centred on `origin`, `radius` pixels wide."""
    view = View(turn, origin, radius, light, ambient)
    jobs = []
    for index, whorl in enumerate(head.whorls):
        jobs += _place_whorl(whorl, index, palette, view, rng)
    for index, centre in enumerate(head.centres):
        height = centre.rise + (centre.size * 0.45 if centre.kind in ("stamens", "column", "spadix", "tuft")
                                else centre.height * 0.5 + 0.12)
        key = float(view.turn[2, 2]) * height + 0.03 * index + 0.04
        jobs.append((key, centre))
    jobs.sort(key=lambda job: job[0])
    for _, job in jobs:
        if isinstance(job, bend.Placed):
            bend.draw(canvas, job)
        else:
            centres.draw(canvas, job, view, palette, rng)


def _place_whorl(whorl, index, palette, view, rng):
    petal = whorl.petal
    px = view.scale
    textures = [blade.paint(petal, palette, whorl.length * px, whorl.width * px, rng)
                for _ in range(min(_VARIANTS, whorl.n))]
    back = None if petal.back is None else colour.jitter(colour.resolve(petal.back, palette), rng, 0.015, 0.03)
    shade = 0.28 if px > 30 else 0.0
    wobble = whorl.jitter
    opening = rng.normal(0, 3.5) * wobble
    out = []
    for i in range(whorl.n):
        base, azimuth, pitch, size = _seat(whorl, i)
        azimuth += np.radians(whorl.twist + rng.normal(0, 2.2) * wobble)
        pitch += opening + rng.normal(0, 3.0) * wobble
        curl = whorl.curl + rng.normal(0, 4.0) * wobble
        size *= 1 + rng.normal(0, 0.035) * wobble
        spot = np.array([base[0] * np.cos(azimuth), base[0] * np.sin(azimuth), base[1]], np.float32)
        placed = bend.place(textures[i % len(textures)], view, spot, azimuth, pitch, curl,
                            whorl.length * size, whorl.width * size, back,
                            bias=0.05 * index + rng.normal(0, 0.004), shade=shade)
        out.append((placed.key, placed))
    return out


def _seat(whorl, i):
    """Base (distance from the axis, height), azimuth, pitch and size of petal i."""
    if whorl.spiral:
        t = (i + 0.5) / whorl.n  # 0 at the bottom rim, 1 at the top
        azimuth = i * GOLDEN
        if whorl.spiral == "dome":
            polar = (1 - t) * np.pi / 2
            seat = (whorl.hub * np.sin(polar), whorl.rise + whorl.height * np.cos(polar))
            return seat, azimuth, whorl.pitch + (90 - whorl.pitch) * t ** 1.3, 1 - 0.3 * t
        if whorl.spiral == "ball":
            z = -0.75 + 1.7 * t
            flat = np.sqrt(max(0.0, 1 - min(z, 1.0) ** 2))
            seat = (whorl.hub * flat, whorl.rise + whorl.height * z)
            return seat, azimuth, np.degrees(np.arctan2(min(z, 1.0), max(flat, 1e-3))), 1.0
        seat = (whorl.hub * (1 - 0.75 * t), whorl.rise + whorl.height * t)  # cone
        return seat, azimuth, whorl.pitch + 25 * t, 1 - 0.45 * t
    azimuth = np.radians(whorl.at[i]) if whorl.at else i * 2 * np.pi / whorl.n + np.pi / 2
    size = whorl.scale[i] if whorl.scale else 1.0
    return (whorl.hub, whorl.rise), azimuth, whorl.pitch, size
