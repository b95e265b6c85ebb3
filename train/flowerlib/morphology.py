"""What a species is made of: plain values that the catalogue fills in and the painters read.

Lengths are in head radii, angles in degrees. A pitch of 0 lies in the plane of the flower's face,
+90 points along its axis (a cup, a tube), negative values are reflexed. `curl` is added to the
pitch from the base of a petal to its tip. Colours are names or palette indices (see colour.py).
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Petal:
    outline: str
    base: object = 0
    mid: object = 0
    tip: object = 0
    edge: object = None        # margin colour (picotee)
    edge_width: float = 0.25
    blotch: object = None      # colour of the patch at the base
    blotch_size: float = 0.3
    stripe: object = None      # colour of the midrib band
    stripe_width: float = 0.12
    bands: object = None       # colour of cross bands (zebra, ring)
    band_at: float = 0.5
    veins: float = 0.15        # strength, 0..1
    vein_colour: object = None
    spots: object = None       # colour of freckles
    spot_count: int = 0
    spot_to: float = 0.8       # freckles reach this far from the base
    notch: float = 0.0         # depth of the cleft in the tip
    teeth: int = 0             # teeth along the tip (or the whole margin, when `serrate`)
    tooth_depth: float = 0.08
    serrate: bool = False
    ruffle: float = 0.0        # waviness of the margin
    back: object = None        # colour of the underside
    gloss: float = 0.0
    cup: float = 0.25          # shading across: how strongly the blade is folded along its midrib


@dataclass(frozen=True)
class Whorl:
    n: int
    petal: Petal
    length: float = 1.0
    width: float = 0.35        # half the breadth
    pitch: float = 10.0
    curl: float = 0.0
    hub: float = 0.05          # distance of the base from the axis
    rise: float = 0.0          # height of the base along the axis
    twist: float = 0.0         # turn of the whole whorl
    at: tuple = None           # azimuths, when not evenly spread; 90 is up
    scale: tuple = None        # per-petal size factors
    jitter: float = 1.0
    spiral: str = None         # None: ring; "dome" or "cone": set around a solid body by the golden angle
    height: float = 0.6        # of that body


@dataclass(frozen=True)
class Centre:
    kind: str                  # disc, stamens, column, spadix, corona, eye, tuft, star
    size: float = 0.2
    colours: tuple = ("gold", "amber")
    n: int = 60
    height: float = 0.1
    spread: float = 40.0
    rise: float = 0.0


@dataclass(frozen=True)
class Head:
    whorls: tuple
    centres: tuple = ()
    axis: str = "camera"       # where the face looks: camera, up, down, side
    tilt: tuple = (0.0, 45.0)  # degrees away from the camera (camera), or of lean (others)
    upright: bool = False      # two-sided flowers keep their top up
    radius: float = 1.0        # size on the picture relative to others


@dataclass(frozen=True)
class Habit:
    kind: str = "single"       # single, few, umbel, spike, raceme, ball
    count: tuple = (1, 1)
    floret: float = 0.3        # floret radius in habit radii
    spread: float = 1.0        # breadth of a spike or raceme
    stem: object = "green"
    stem_width: float = 0.05
    buds: float = 0.0          # share of a spike that is still shut


@dataclass(frozen=True)
class Leaf:
    petal: Petal
    n: tuple = (2, 4)
    length: float = 1.0
    width: float = 0.3
    place: str = "stem"        # stem, basal, pad (floating), ruff (collar below the head)
    compound: int = 0          # leaflets a leaf


@dataclass(frozen=True)
class Species:
    name: str
    palettes: tuple            # tuple of tuples of colour names; one is drawn a plant
    head: Head
    habit: Habit = field(default_factory=Habit)
    leaf: Leaf = None
