"""Leaf kinds that several species share."""

from ..morphology import Leaf, Petal


def _blade(outline, colour="leaf", edge="forest", **more):
    return Petal(outline, edge, colour, colour, veins=0.3, stripe="lime", stripe_width=0.05, back="sage", **more)


OVAL = Leaf(_blade("ovate"), (2, 4), 1.0, 0.3)
LANCE = Leaf(_blade("lance"), (2, 4), 1.2, 0.16)
GRASS = Leaf(_blade("needle"), (3, 6), 1.9, 0.07, "basal")
SWORD = Leaf(_blade("lance", "sage"), (2, 5), 2.0, 0.12, "basal")
BROAD = Leaf(_blade("heart"), (1, 3), 1.3, 0.42)
HEART = Leaf(_blade("heart", gloss=0.1), (1, 3), 1.2, 0.45, "basal")
GLOSSY = Leaf(_blade("ovate", "forest", gloss=0.3), (3, 6), 1.0, 0.3)
TOOTHED = Leaf(_blade("ovate", teeth=9, serrate=True, tooth_depth=0.1), (2, 4), 1.0, 0.3)
LOBED = Leaf(_blade("ovate", teeth=4, serrate=True, tooth_depth=0.22), (2, 4), 1.1, 0.42)
DANDY = Leaf(_blade("obovate", teeth=7, serrate=True, tooth_depth=0.24), (3, 6), 1.4, 0.2, "basal")
THORNY = Leaf(_blade("lance", "sage", teeth=7, serrate=True, tooth_depth=0.24), (2, 4), 1.3, 0.26)
PINNATE = Leaf(_blade("ovate"), (2, 3), 1.5, 0.34, compound=7)
FERNY = Leaf(_blade("needle", "sage"), (3, 5), 1.2, 0.12, compound=11)
ROUND = Leaf(_blade("disc", "leaf", ruffle=0.06), (2, 4), 0.8, 0.5)
ZONED = Leaf(_blade("disc", "leaf", bands="maroon", band_at=0.5, ruffle=0.07), (2, 4), 0.9, 0.5)
PAD = Leaf(_blade("disc", "forest", gloss=0.25), (3, 5), 1.1, 0.6, "pad")
STRAP = Leaf(_blade("strap", "leaf"), (2, 4), 1.8, 0.14, "basal")
WOOLLY = Leaf(Petal("lance", "sage", "silver", "silver", veins=0.2), (3, 6), 1.1, 0.14)
