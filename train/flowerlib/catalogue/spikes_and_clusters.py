"""Plants whose picture is an inflorescence: bells on spikes, umbels, brushes, and a few oddities."""

from ..morphology import Centre as C
from ..morphology import Habit, Head, Leaf, Species
from ..morphology import Petal as P
from ..morphology import Whorl as W
from . import leaves

SPECIES = (
    Species("canterbury bells", (("violet", "lavender"), ("pink", "blush"), ("white", "ice"), ("blue", "sky")), Head((
        W(5, P("bell", 0, 0, 1, veins=.35, back=0), 1.25, .4, 72, -28, .3),), (C("stamens", .8, ("ivory", "lemon"), 3, .2, 10),), axis="side", tilt=(15, 50)),
        Habit("raceme", (5, 8), .42, .95), leaves.TOOTHED),
    Species("foxglove", (("orchid", "magenta"), ("pink", "rose"), ("cream", "ivory")), Head((
        W(6, P("tube", 0, 0, 0, spots="plum", spot_count=18, back=0), 1.25, .22, 82, -8, .17), W(5, P("disc", 0, 0, 0, edge="white", edge_width=.12), .22, .16, 40, -40, .3, rise=1.1)), axis="down", tilt=(25, 55)),
        Habit("spike", (14, 20), .3, .75, stem_width=.06, buds=.4), leaves.OVAL),
    Species("snapdragon", (("yellow", "orange"), ("rose", "lemon"), ("scarlet", "gold"), ("white", "lemon")), Head((
        W(2, P("fan", 0, 0, 0, notch=.15), .8, .42, 30, -30, .04, at=(64, 116)), W(3, P("round", 0, 0, 0), .72, .36, 26, -40, .06, at=(270, 228, 312)), W(2, P("pouch", 1, 1, 1, gloss=.2), .42, .24, 46, 20, .02, at=(262, 278))), upright=True, tilt=(0, 40)),
        Habit("spike", (13, 18), .3, .75, stem_width=.06, buds=.35), leaves.LANCE),
    Species("monkshood", (("violet", "indigo"), ("blue", "violet"), ("lavender", "white")), Head((
        W(2, P("disc", 0, 0, 0, veins=.3), .6, .3, 14, 10, .04, at=(205, 335)), W(2, P("ovate", 1, 0, 0), .62, .18, 6, 0, .04, at=(250, 290)), W(1, P("pouch", 0, 0, 1, gloss=.2, cup=.7, veins=.3), 1.0, .46, 34, 50, -.05, at=(90,))),
        (C("stamens", .3, ("sage", "indigo"), 12, .14, 50),), upright=True, tilt=(0, 45)), Habit("spike", (9, 13), .3, .8, stem_width=.055, buds=.4), leaves.LOBED),
    Species("grape hyacinth", (("indigo", "blue"), ("blue", "violet")), Head((
        W(6, P("pouch", 0, 0, 0, gloss=.25, back=0, cup=.3), 1.1, .42, 76, 34, .18), W(6, P("disc", "white", "white", "white"), .16, .13, 30, -40, .24, rise=.9)), axis="down", tilt=(20, 50)),
        Habit("spike", (34, 44), .17, .95, stem_width=.07), leaves.GRASS),
    Species("bolero deep blue", (("indigo", "blue"), ("violet", "indigo")), Head((
        W(5, P("wedge", "white", 0, 0, blotch="white", blotch_size=.28, notch=.2, veins=.3), .95, .36, 22, -10, .1),), (C("stamens", .2, ("white", "gold"), 5, .14, 30),)),
        Habit("umbel", (9, 13), .33), leaves.LANCE),
    Species("sweet william", (("crimson", "white"), ("rose", "cerise"), ("maroon", "pink"), ("scarlet", "salmon")), Head((
        W(5, P("wedge", "white", 0, 1, bands="maroon", band_at=.4, teeth=5, tooth_depth=.13), .98, .44, 4, 0, .05),), (C("stamens", .24, ("white", "lavender"), 4, .12, 50),)),
        Habit("umbel", (16, 22), .25), leaves.LANCE),
    Species("garden phlox", (("magenta", "pink"), ("lilac", "purple"), ("white", "rose"), ("salmon", "cerise")), Head((
        W(5, P("disc", 1, 0, 0, blotch=1, blotch_size=.22), .98, .47, 2, 0, .08),), (C("eye", .09, (1, "plum")),)),
        Habit("umbel", (24, 32), .21), leaves.LANCE),
    Species("wallflower", (("amber", "rust"), ("gold", "yellow"), ("maroon", "rust"), ("orange", "tangerine")), Head((
        W(4, P("round", 1, 0, 0, veins=.35, ruffle=.08), .95, .47, 6, -4, .08),), (C("star", .14, ("lime", "moss"), 4, .08),)),
        Habit("umbel", (11, 15), .28), leaves.LANCE),
    Species("primula", (("magenta", "gold"), ("violet", "yellow"), ("cream", "gold"), ("scarlet", "yellow")), Head((
        W(5, P("fan", 1, 0, 0, notch=.24, blotch=1, blotch_size=.36, veins=.15), .95, .52, 4, 0, .08),), (C("eye", .13, ("lime", "amber")),)),
        Habit("umbel", (6, 9), .38), Leaf(P("obovate", "lime", "leaf", "leaf", veins=.7, ruffle=.14, back="sage"), (4, 6), 1.2, .3, "ruff")),
    Species("pelargonium", (("scarlet", "red"), ("pink", "rose"), ("salmon", "coral"), ("white", "blush")), Head((
        W(2, P("obovate", 0, 0, 0, veins=.4, blotch=1, blotch_size=.3), .95, .36, 6, 0, .06, at=(62, 118)), W(3, P("obovate", 0, 0, 0), .95, .34, 6, 0, .06, at=(205, 270, 335))), (C("star", .14, (1, "maroon"), 5, .14),), upright=True),
        Habit("umbel", (9, 13), .31), leaves.ZONED),
    Species("gaura", (("white", "blush"), ("pink", "rose")), Head((
        W(4, P("spoon", 1, 0, 0, veins=.2), .9, .34, 8, 0, .06, at=(28, 68, 112, 152)),), (C("stamens", .85, ("white", "rust"), 8, .16, 88),), upright=True, tilt=(0, 40)),
        Habit("raceme", (6, 9), .31, 1.3, stem="rust", stem_width=.028, buds=.35), leaves.LANCE),
    Species("cautleya spicata", (("yellow", "maroon"), ("gold", "crimson")), Head((
        W(1, P("lance", 1, 1, 1), .9, .16, 25, 0, .04, at=(265,)), W(1, P("pouch", 0, 0, 0, cup=.6), .7, .22, 30, 40, .04, at=(90,)), W(2, P("lip", 0, 0, 0, notch=.15), .85, .22, 24, -30, .04, at=(300, 240))), upright=True, tilt=(0, 40)),
        Habit("spike", (13, 18), .34, .7, stem="maroon", stem_width=.075), leaves.STRAP),
    Species("prince of wales feathers", (("crimson", "scarlet"), ("magenta", "rose"), ("gold", "yellow"), ("orange", "tangerine")), Head((
        W(78, P("spike", 0, 0, 1), .52, .07, 52, 12, .38, -1.0, spiral="cone", height=1.75, jitter=3.2),), axis="up", tilt=(4, 22)), Habit(stem=0, stem_width=.09), leaves.LANCE),
    Species("azalea", (("magenta", "rose"), ("salmon", "coral"), ("white", "blush"), ("scarlet", "tangerine")), Head((
        W(5, P("ovate", 0, 0, 0, ruffle=.16, veins=.2), .98, .4, 24, -18, .08, at=(18, 162, 234, 306, 90)), W(1, P("ovate", 0, 0, 0, spots="maroon", spot_count=34, spot_to=.65), .92, .3, 26, -16, .09, at=(90,))), (C("stamens", .8, (0, "umber"), 7, .09, 34),), upright=True, tilt=(0, 50)),
        Habit("umbel", (5, 8), .42), leaves.GLOSSY),
    Species("watercress", (("white", "ice"),), Head((
        W(4, P("obovate", "lime", 0, 0), .9, .32, 12, 0, .08),), (C("stamens", .3, ("lime", "gold"), 6, .16, 30),)),
        Habit("umbel", (14, 20), .16, stem_width=.05), Leaf(leaves.ROUND.petal, (4, 6), 1.0, .5, "stem", 5)),
    Species("bee balm", (("scarlet", "red"), ("magenta", "orchid"), ("lavender", "mauve")), Head((
        W(7, P("ovate", "leaf", "leaf", 1), .62, .16, 0, -10, .1), W(20, P("claw", 0, 0, 1, cup=.2), .9, .085, 12, -48, .22, jitter=2.4), W(15, P("claw", 0, 0, 1), .7, .08, 48, -46, .18, twist=9, jitter=2.4)),
        (C("disc", .24, ("moss", "plum", "maroon"), 30, .16),), tilt=(15, 75)), leaf=leaves.TOOTHED),
    Species("ball moss", (("sage", "silver"), ("moss", "sage")), Head((
        W(64, P("whip", 1, 0, 0, veins=0), .85, .032, 0, 46, .22, spiral="ball", height=.22, jitter=3.5),), (C("tuft", .5, ("violet", "lavender"), 5, .2, 50, .4),), tilt=(0, 80)),
        Habit(stem="brown", stem_width=.16), None),
    Species("bougainvillea", (("magenta", "cerise"), ("purple", "magenta"), ("orange", "salmon"), ("white", "blush")), Head((
        W(3, P("heart", 0, 0, 0, veins=.65, vein_colour=1, ruffle=.06), 1, .46, 28, -10, .04),), (C("stamens", .42, ("blush", "ivory"), 3, .34, 26),), tilt=(0, 50)),
        Habit("umbel", (7, 11), .37, stem="brown"), leaves.OVAL),
    Species("trumpet creeper", (("tangerine", "scarlet"), ("orange", "rust")), Head((
        W(5, P("tube", "amber", 0, 0, veins=.25, back=0), 1.35, .2, 83, -5, .13), W(5, P("disc", 1, 1, 0), .4, .28, 34, -46, .3, rise=1.25)), (C("eye", .24, ("rust", "gold"), rise=1.2),), axis="side", tilt=(20, 60)),
        Habit("umbel", (4, 7), .36, stem="moss"), leaves.PINNATE),
)
