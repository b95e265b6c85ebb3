"""Composite heads: rays around a disc, and the many-rayed relatives."""

from ..morphology import Centre as C
from ..morphology import Habit, Head, Leaf, Species
from ..morphology import Petal as P
from ..morphology import Whorl as W
from . import leaves

FEW = Habit("few", (2, 4), 0.5)

SPECIES = (
    Species("english marigold", (("orange", "amber"), ("gold", "yellow")), Head((
        W(26, P("strap", 0, 0, 1, teeth=3, tooth_depth=0.05), 1, .1, 6, 0, .18),
        W(22, P("strap", 0, 0, 1, teeth=3, tooth_depth=0.05), .78, .1, 20, 0, .16, twist=7)),
        (C("disc", .26, ("rust", "brown", "amber"), 60, .08),)), leaf=leaves.LANCE),
    Species("colt's foot", (("yellow", "lemon"),), Head((
        W(40, P("needle", 0, 0, 1), 1, .05, 4, 0, .28), W(40, P("needle", 0, 0, 1), .82, .035, 18, 0, .25, twist=4)),
        (C("disc", .3, ("gold", "yellow", "amber"), 40, .1),), tilt=(10, 60)),
        Habit("few", (2, 3), .5, stem="rust", stem_width=.13)),
    Species("purple coneflower", (("orchid", "rose"), ("magenta", "orchid")), Head((
        W(15, P("strap", 0, 0, 1, veins=.3, notch=.06), 1, .13, -18, -28, .22),),
        (C("disc", .36, ("rust", "tangerine", "maroon"), 150, .36),), tilt=(25, 75)), leaf=leaves.LANCE),
    Species("pincushion flower", (("lavender", "lilac"), ("sky", "ice"), ("lilac", "mauve")), Head((
        W(11, P("fan", 0, 0, 1, ruffle=.1, teeth=3, tooth_depth=.13), .66, .24, 8, 0, .36),
        W(14, P("fan", 0, 1, 1, teeth=3, tooth_depth=.12), .32, .12, 30, 0, .3, twist=9)),
        (C("disc", .36, ("white", 1, "sage"), 70, .22), C("stamens", .42, ("white", "ivory"), 34, .07, 75, .1)),
        tilt=(5, 55)), leaf=leaves.FERNY),
    Species("mexican aster", (("rose", "pink"), ("magenta", "cerise"), ("white", "blush")), Head((
        W(8, P("wedge", 0, 0, 1, veins=.25, teeth=3, tooth_depth=.09), 1, .33, 6, 0, .12),),
        (C("disc", .19, ("amber", "gold", "yellow"), 40, .07),)), leaf=leaves.FERNY),
    Species("barbeton daisy", (("coral", "salmon"), ("scarlet", "red"), ("pink", "blush"), ("gold", "yellow")), Head((
        W(30, P("strap", 0, 0, 1, veins=.22), 1, .095, 3, 0, .24),
        W(26, P("strap", 0, 0, 1), .66, .075, 18, 0, .24, twist=6)),
        (C("disc", .3, ("umber", "lime", 1, "rust"), 110, .06),)), Habit(stem_width=.08)),
    Species("marigold", (("orange", "rust"), ("gold", "amber"), ("yellow", "gold")), Head((
        W(13, P("fan", 0, 0, 1, ruffle=.22), .95, .3, 5, 5, .1), W(13, P("fan", 0, 0, 1, ruffle=.22), .78, .27, 28, 10, .08, twist=14),
        W(11, P("fan", 0, 0, 1, ruffle=.25), .6, .24, 48, 14, .06), W(9, P("fan", 0, 0, 1, ruffle=.25), .42, .2, 66, 14, .04, twist=20)),
        tilt=(5, 55)), leaf=leaves.PINNATE),
    Species("oxeye daisy", (("white", "ivory"),), Head((
        W(22, P("strap", 0, 0, 0, veins=.2, notch=.05, vein_colour="silver"), 1, .1, 2, -4, .24),),
        (C("disc", .31, ("amber", "gold", "yellow"), 130, .1),)), FEW, leaves.DANDY),
    Species("common dandelion", (("yellow", "gold"), ("lemon", "yellow")), Head((
        W(34, P("strap", 0, 0, 1, teeth=3, tooth_depth=.05), 1, .075, 2, 0, .05),
        W(32, P("strap", 0, 0, 1), .8, .07, 22, 0, .05, twist=5), W(26, P("needle", 1, 0, 1), .6, .055, 42, 0, .04),
        W(18, P("needle", 1, 1, 1), .4, .05, 62, 0, .03)), tilt=(0, 60)), leaf=leaves.DANDY),
    Species("sunflower", (("gold", "yellow"), ("yellow", "lemon"), ("amber", "gold")), Head((
        W(24, P("lance", 1, 0, 0, veins=.3), 1, .13, 2, 6, .45), W(20, P("lance", 1, 0, 0, veins=.3), .86, .12, 14, 4, .45, twist=8)),
        (C("disc", .58, ("moss", "umber", "brown", "black"), 260, .1),), tilt=(0, 45)), Habit(stem_width=.1), leaves.BROAD),
    Species("bishop of llandaff", (("scarlet", "red"), ("red", "crimson")), Head((
        W(9, P("round", 1, 0, 0, veins=.25, gloss=.12), .95, .33, 8, 5, .12), W(8, P("round", 1, 0, 0, veins=.25), .72, .27, 24, 5, .1, twist=22)),
        (C("disc", .22, ("umber", "maroon", "gold"), 60, .1),)), leaf=Leaf(P("ovate", "black", "plum", "plum", veins=.3, back="plum"), (3, 5), 1.1, .3, compound=5)),
    Species("orange dahlia", (("orange", "amber"), ("tangerine", "orange")), Head((
        W(13, P("claw", 0, 0, 1, cup=.7), .95, .2, 0, 12, .08), W(13, P("claw", 0, 0, 1, cup=.7), .82, .19, 20, 12, .08, twist=14),
        W(12, P("claw", 0, 0, 1, cup=.7), .66, .17, 38, 14, .06), W(10, P("claw", 0, 0, 0, cup=.7), .48, .14, 58, 16, .05, twist=18),
        W(7, P("claw", 0, 0, 0, cup=.7), .3, .11, 76, 10, .03)), tilt=(0, 50)), leaf=leaves.TOOTHED),
    Species("pink-yellow dahlia", (("yellow", "salmon", "rose"), ("lemon", "pink", "cerise")), Head((
        W(12, P("lance", 0, 1, 2, cup=.5), 1, .2, -4, 2, .06), W(12, P("lance", 0, 1, 2, cup=.5), .84, .18, 18, 0, .06, twist=15),
        W(10, P("lance", 0, 0, 1, cup=.5), .64, .15, 38, 0, .05), W(8, P("lance", 0, 0, 1, cup=.4), .44, .12, 60, 4, .04, twist=20)),
        (C("disc", .12, ("gold", "yellow"), 20, .1, rise=.1),), tilt=(0, 50)), leaf=leaves.TOOTHED),
    Species("black-eyed susan", (("gold", "yellow"), ("amber", "gold")), Head((
        W(13, P("tongue", 1, 0, 0, veins=.22, notch=.05, blotch="rust", blotch_size=.16), 1, .17, 0, -14, .22),),
        (C("disc", .27, ("black", "umber", "umber"), 90, .26),), tilt=(5, 60)), FEW, leaves.LANCE),
    Species("osteospermum", (("white", "ice"), ("mauve", "purple"), ("orchid", "lilac")), Head((
        W(17, P("spoon", 0, 0, 0, blotch="violet", blotch_size=.14, veins=.2, back="lavender"), 1, .15, 4, 0, .16),),
        (C("disc", .2, ("indigo", "violet", "gold"), 60, .06),)), leaf=leaves.TOOTHED),
    Species("gazania", (("gold", "amber"), ("orange", "tangerine"), ("ivory", "cream")), Head((
        W(16, P("kite", 0, 0, 0, stripe="maroon", stripe_width=.2, blotch="black", blotch_size=.22), 1, .2, 10, 0, .16),),
        (C("disc", .2, ("gold", "amber", "yellow"), 60, .06),)), leaf=leaves.LANCE),
    Species("blanket flower", (("scarlet", "rust", "yellow"), ("crimson", "tangerine", "gold")), Head((
        W(14, P("wedge", 0, 1, 2, teeth=3, tooth_depth=.17, veins=.25), 1, .24, 2, -8, .2),),
        (C("disc", .32, ("lime", "amber", "maroon"), 120, .2),)), leaf=leaves.DANDY),
    Species("cape flower", (("orange", "amber"), ("salmon", "cream"), ("white", "ice")), Head((
        W(20, P("obovate", 1, 0, 0, blotch="umber", blotch_size=.2, veins=.15), 1, .15, 14, -6, .16),),
        (C("disc", .22, ("black", "umber", "amber"), 70, .12),)), leaf=leaves.FERNY),
    Species("globe thistle", (("steel", "lavender"), ("blue", "steel")), Head((
        W(84, P("spike", 1, 0, 0), .4, .075, 0, 0, .58, spiral="ball", height=.58, jitter=2),),
        (C("disc", .56, (0, 1, "indigo"), 60, .5, rise=-.1),),
        axis="camera", tilt=(10, 70)), Habit("single", stem="sage"), leaves.THORNY),
    Species("spear thistle", (("magenta", "orchid"), ("purple", "mauve")), Head((
        W(34, P("spike", "moss", "green", "straw"), .38, .07, 5, 30, .46, -.55, spiral="cone", height=.7),),
        (C("tuft", .85, (0, 1), 120, .55, 55, .05),), axis="up", tilt=(10, 40)), leaf=leaves.THORNY),
    Species("artichoke", (("violet", "lavender"), ("sage", "moss")), Head((
        W(36, P("ovate", "sage", "sage", 0, edge="plum", edge_width=.15, cup=.4), .48, .24, 35, 30, .62, -.75, spiral="cone", height=1.1),),
        (C("tuft", .4, ("violet", "lavender"), 60, .35, 40, .35),), axis="up", tilt=(10, 45)), Habit(stem="sage", stem_width=.12), leaves.THORNY),
    Species("king protea", (("pink", "blush"), ("rose", "pink")), Head((
        W(13, P("lance", 0, 0, 1, edge="white", edge_width=.12), 1.0, .17, 24, 10, .26), W(13, P("lance", 0, 0, 1, edge="white", edge_width=.12), .84, .15, 42, 10, .24, twist=14),
        W(11, P("lance", 0, 1, "cerise"), .66, .12, 58, 8, .22)),
        (C("tuft", .5, ("ivory", "blush"), 120, .42, 30, .05),), tilt=(10, 60)), Habit(stem="rust", stem_width=.11), leaves.GLOSSY),
    Species("alpine sea holly", (("steel", "blue"), ("lavender", "steel")), Head((
        W(15, P("spike", 0, 0, 1, veins=.3, teeth=5, serrate=True, tooth_depth=.2), 1, .1, -6, 10, .1), W(13, P("spike", 0, 0, 1, teeth=5, serrate=True, tooth_depth=.2), .8, .09, 12, 8, .1, twist=11)),
        (C("disc", .25, ("indigo", "steel", "silver"), 120, .62),), tilt=(20, 65)), Habit(stem="steel"), leaves.THORNY),
    Species("great masterwort", (("blush", "rose"), ("white", "sage"), ("crimson", "maroon")), Head((
        W(17, P("lance", "white", 0, 1, veins=.5, vein_colour="green"), .8, .13, 8, 0, .2),),
        (C("disc", .2, (0, 1), 30, .12), C("stamens", .52, (0, "white"), 46, .1, 62, .06)), tilt=(5, 55)),
        Habit("few", (3, 5), .42), leaves.LOBED),
)
