"""Named colours of the catalogue, as RGB triples in 0..1 (sRGB, not linear)."""

import numpy as np

_HEX = {
    "white": "f8f6f0", "ivory": "f4ecd6", "cream": "f3e3b0", "straw": "e6d27c",
    "lemon": "f5e65a", "yellow": "f7d21f", "gold": "f0b117", "amber": "e8951a",
    "orange": "ee7a1c", "tangerine": "f0601f", "salmon": "f08a72", "coral": "ea5f52",
    "scarlet": "dc2c22", "red": "c41a24", "crimson": "a01030", "maroon": "5c1020",
    "blush": "f8d9dc", "pink": "f0a3bd", "rose": "e4638f", "cerise": "d02d72",
    "magenta": "c02492", "fuchsia": "b01878", "orchid": "cf7fc4", "lilac": "cdb2e2",
    "lavender": "ac97dc", "mauve": "a470b4", "purple": "7c329c", "violet": "5b2c9c",
    "indigo": "3f2f9a", "blue": "3f55c4", "sky": "7fa8e6", "ice": "d6e2f4", "steel": "7f93b8",
    "teal": "4aa39a", "green": "5c8f3a", "leaf": "4f8436", "lime": "a8c04a", "moss": "6f8048",
    "sage": "93a887", "forest": "2f5a2c", "olive": "7c7a32", "silver": "c2cabf",
    "brown": "6a4324", "umber": "3c2415", "tan": "b58d58", "rust": "a4481f", "black": "1d151c",
    "plum": "4b1844", "grey": "9a9a96",
}
NAMED = {k: np.array([int(h[i:i + 2], 16) for i in (0, 2, 4)], np.float32) / 255
         for k, h in _HEX.items()}


def resolve(spec, palette):
    """A colour: a name of NAMED, or an index into this plant's palette (a tuple of names)."""
    return NAMED[palette[spec] if isinstance(spec, int) else spec]


def jitter(rgb, rng, hue=0.03, light=0.06):
    """The same colour as another plant of the species would wear it."""
    return np.clip(rgb * (1 + rng.normal(0, light)) + rng.normal(0, hue, 3), 0, 1).astype(np.float32)
