"""One picture: a plant of one species, its surroundings, the light and the camera."""

import cv2
import numpy as np

from . import backdrops, camera, clutter, habits
from .canvas import blank, blur, over
from .catalogue import CATALOGUE

SUPERSAMPLING = 1.5

# Each split, and the hard setting, draws from a stream of its own: no picture can be in two of them.
STREAMS = {"": 0, "train": 1, "val": 2, "test": 3}


def generator(seed, class_index, index, split="", hard=False):
    """The random numbers of one picture: they depend on nothing but these five."""
    key = (seed, class_index, index, STREAMS[split], int(hard))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def render(class_index, rng, size=224, hard=False):
    """Paints one picture of class `class_index`: uint8 RGB, size x size."""
    species = CATALOGUE[class_index]
    px = int(size * SUPERSAMPLING)
    palette = species.palettes[rng.integers(len(species.palettes))]
    light = np.array([rng.normal(0, 0.55), rng.normal(0.55, 0.35), rng.uniform(0.45, 1.0)], np.float32)
    light /= np.linalg.norm(light)
    ambient = rng.uniform(0.55, 0.82)

    scene = backdrops.paint(px, rng, hard)
    radius = px * _reach(species) * rng.uniform(0.62, 1.12)
    centre = px * (0.5 + np.clip(rng.normal(0, 0.075, 2), -0.16, 0.16))

    plant = blank(px)
    habits.draw(plant, species, palette, centre, radius, light, rng, ambient)
    if rng.random() < 0.45:
        _companions(scene, plant, rng)
    _cast_shadow(scene, plant, light, radius, rng)
    over(scene, plant)
    clutter.paint(scene, centre, radius, light, rng, hard)
    camera.dapple(scene, rng)
    return camera.shoot(camera.expose(scene, rng), size, rng, hard)


def _reach(species):
    """How much of half a picture the plant should fill."""
    kind = species.habit.kind
    if kind in ("spike", "raceme"):
        return 0.43
    if kind == "umbel":
        return 0.38
    if kind == "few":
        return 0.44
    tall = any(w.spiral and w.height > 1.2 for w in species.head.whorls)
    return (0.30 if tall else 0.36) * species.head.radius


def _companions(scene, plant, rng):
    """More plants of the kind, farther off and out of focus: the one in front, mirrored and shrunk."""
    px = scene.shape[0]
    for _ in range(rng.integers(1, 3)):
        scale = rng.uniform(0.3, 0.6)
        m = cv2.getRotationMatrix2D((px / 2, px / 2), rng.normal(0, 10), scale)
        if rng.random() < 0.5:
            m = m @ np.array([[-1, 0, px - 1], [0, 1, 0], [0, 0, 1]], np.float64)
        m[:, 2] += rng.uniform(-0.5, 0.5, 2) * px
        far = cv2.warpAffine(plant, m, (px, px), flags=cv2.INTER_LINEAR)
        far[..., :3] *= rng.uniform(0.6, 0.95)
        over(scene, blur(far, rng.uniform(2.5, 7)))


def _cast_shadow(scene, plant, light, radius, rng):
    """A soft shadow on what is behind, as if it were near."""
    if rng.random() < 0.35:
        dx, dy = -light[0] * radius * 0.35, light[1] * radius * 0.35
        small = cv2.resize(plant[..., 3], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(1.5, 4))
        m = np.array([[4, 0, dx], [0, 4, dy]], np.float64)
        mask = cv2.warpAffine(small, m, (scene.shape[1], scene.shape[0]), flags=cv2.INTER_LINEAR)
        scene *= (1 - rng.uniform(0.15, 0.45) * mask)[..., None]
