"""Flowers that open as one ring of petals, seen from the front."""

from ..morphology import Centre as C
from ..morphology import Habit, Head, Leaf, Species
from ..morphology import Petal as P
from ..morphology import Whorl as W
from . import leaves

FEW = Habit("few", (2, 4), 0.5)

SPECIES = (
    Species("pink primrose", (("pink", "blush"), ("rose", "pink")), Head((
        W(4, P("fan", "lemon", 0, 1, veins=.5, vein_colour="cerise", notch=.06), .95, .56, 14, 6, .06),),
        (C("stamens", .4, ("lemon", "gold"), 8, .12, 50), C("star", .36, ("white", "lime"), 4, .3))), FEW, leaves.LANCE),
    Species("globe-flower", (("yellow", "gold"), ("lemon", "yellow")), Head((
        W(6, P("disc", 1, 0, 0, veins=.15), .82, .5, 38, 70, .2), W(5, P("disc", 1, 0, 0, veins=.15), .72, .46, 55, 75, .16, twist=30),
        W(4, P("disc", 1, 0, 0), .6, .38, 66, 70, .1)), tilt=(10, 75)), leaf=leaves.LOBED),
    Species("corn poppy", (("scarlet", "red"), ("tangerine", "scarlet")), Head((
        W(2, P("fan", 0, 0, 0, blotch="black", blotch_size=.24, ruffle=.1, veins=.3), .98, .8, 16, 10, .03),
        W(2, P("fan", 0, 0, 0, blotch="black", blotch_size=.24, ruffle=.1, veins=.3), .9, .72, 26, 12, .03, twist=90)),
        (C("stamens", .3, ("plum", "black"), 34, .12, 60), C("disc", .12, ("sage", "moss"), 16, .16)), tilt=(0, 55)),
        Habit(stem_width=.03), leaves.FERNY),
    Species("californian poppy", (("orange", "gold"), ("gold", "yellow")), Head((
        W(4, P("fan", 0, 0, 1, veins=.3, gloss=.12), .98, .58, 38, -8, .03),),
        (C("stamens", .32, ("orange", "gold"), 16, .1, 32),), tilt=(10, 55)), FEW, leaves.FERNY),
    Species("tree poppy", (("white", "ivory"),), Head((
        W(3, P("fan", 0, 0, 0, ruffle=.16, veins=.35, vein_colour="silver"), 1, .64, 6, 8, .06), W(3, P("fan", 0, 0, 0, ruffle=.16, veins=.35, vein_colour="silver"), .92, .58, 16, 8, .06, twist=60)),
        (C("stamens", .4, ("amber", "gold"), 80, .1, 85), C("disc", .09, ("lime", "sage"), 10, .12))), leaf=leaves.LOBED),
    Species("buttercup", (("yellow", "lemon"), ("gold", "yellow")), Head((
        W(5, P("disc", 1, 0, 0, gloss=.4, veins=.1), .86, .46, 24, 22, .08),),
        (C("disc", .15, ("lime", "moss"), 28, .15), C("stamens", .36, ("yellow", "gold"), 26, .1, 65))), Habit("few", (3, 5), .38, stem_width=.04), leaves.LOBED),
    Species("japanese anemone", (("blush", "white"), ("pink", "rose"), ("white", "ice")), Head((
        W(6, P("round", 0, 0, 1, veins=.25, ruffle=.05), .95, .4, 6, 6, .08, scale=(1, .88, 1, .9, 1, .86)),),
        (C("disc", .13, ("lime", "moss"), 40, .13), C("stamens", .3, ("lemon", "gold"), 40, .12, 82))), FEW, leaves.LOBED),
    Species("windflower", (("indigo", "lavender"), ("scarlet", "crimson"), ("rose", "magenta")), Head((
        W(9, P("ovate", "white", 0, 0, blotch="white", blotch_size=.3, veins=.25), .98, .27, 10, 8, .08),),
        (C("disc", .17, ("black", "indigo"), 50, .14), C("stamens", .32, ("indigo", "black"), 40, .12, 80))), leaf=leaves.FERNY),
    Species("lenten rose", (("plum", "mauve"), ("sage", "lime"), ("blush", "rose")), Head((
        W(5, P("disc", "lime", 0, 1, spots="maroon", spot_count=20, spot_to=.6, veins=.3), .9, .5, 18, 16, .08),),
        (C("stamens", .34, ("ivory", "lemon"), 44, .12, 60, .02), C("eye", .17, ("lime", "moss"))), tilt=(20, 65)), leaf=leaves.GLOSSY),
    Species("silverbush", (("white", "ice"),), Head((
        W(5, P("fan", "lemon", 0, 0, veins=.1, stripe="ivory"), .92, .64, 12, -6, .03),),
        (C("eye", .2, ("lemon", "amber")), C("stamens", .26, ("white", "gold"), 5, .1, 25)), tilt=(5, 55)), FEW, leaves.WOOLLY),
    Species("morning glory", (("blue", "indigo"), ("violet", "purple"), ("rose", "cerise")), Head((
        W(5, P("fan", "white", 0, 0, stripe=1, stripe_width=.14, blotch="white", blotch_size=.3, veins=.08), .96, .72, 30, -30, .05),),
        (C("eye", .16, ("ivory", "white")), C("stamens", .24, ("white", "ivory"), 4, .1, 20)), tilt=(5, 50)), leaf=leaves.HEART),
    Species("petunia", (("purple", "violet"), ("cerise", "magenta"), ("white", "blush"), ("red", "crimson")), Head((
        W(5, P("fan", 1, 0, 0, veins=.75, vein_colour="plum", ruffle=.17, notch=.07), .95, .64, 18, -26, .1),),
        (C("eye", .2, (1, "plum")), C("star", .08, ("lime", "lemon"), 3, .1)), tilt=(5, 50)), FEW, leaves.OVAL),
    Species("mexican petunia", (("mauve", "lavender"), ("lavender", "lilac")), Head((
        W(5, P("wedge", 1, 0, 0, veins=.4, ruffle=.24, notch=.12), .95, .43, 28, -32, .12),),
        (C("eye", .14, ("purple", "violet")),), tilt=(5, 55)), Habit("few", (2, 3), .5, stem="plum"), leaves.LANCE),
    Species("hibiscus", (("scarlet", "red"), ("pink", "rose"), ("gold", "orange"), ("white", "blush")), Head((
        W(5, P("fan", 0, 0, 0, blotch="crimson", blotch_size=.22, veins=.4, ruffle=.12), 1, .58, 14, 0, .06),),
        (C("column", 1.0, (0, "yellow", "scarlet"), 36, .06),), tilt=(10, 45)), leaf=leaves.GLOSSY),
    Species("mallow", (("orchid", "mauve"), ("pink", "orchid")), Head((
        W(5, P("wedge", 1, 0, 0, veins=.9, vein_colour="purple", notch=.2), .95, .32, 10, 0, .06),),
        (C("column", .3, (0, "blush", "white"), 24, .08),)), Habit("few", (3, 5), .4), leaves.LOBED),
    Species("tree mallow", (("pink", "rose"), ("rose", "cerise")), Head((
        W(5, P("fan", "maroon", 0, 0, blotch="maroon", blotch_size=.25, veins=.55, vein_colour="crimson"), .95, .56, 14, 4, .05),),
        (C("column", .3, ("blush", "white", "blush"), 20, .07),)), Habit("spike", (6, 9), .34, .9), leaves.LOBED),
    Species("geranium", (("lavender", "violet"), ("blue", "lavender"), ("magenta", "orchid")), Head((
        W(5, P("obovate", "white", 0, 0, veins=.7, vein_colour="indigo"), .92, .4, 8, 4, .06),),
        (C("stamens", .22, ("blush", "indigo"), 10, .13, 35), C("star", .12, ("rose", "crimson"), 5, .22))), FEW, leaves.LOBED),
    Species("clematis", (("purple", "violet"), ("mauve", "rose"), ("lavender", "sky"), ("white", "ice")), Head((
        W(7, P("lance", 0, 0, 0, stripe=1, stripe_width=.22, veins=.35, ruffle=.08), 1, .29, 2, -4, .06),),
        (C("stamens", .36, ("ivory", "plum"), 42, .12, 70),)), leaf=leaves.OVAL),
    Species("camellia", (("rose", "pink"), ("crimson", "red"), ("blush", "white")), Head((
        W(8, P("disc", 1, 0, 0, veins=.12, gloss=.1), .95, .44, 2, 6, .05), W(8, P("disc", 1, 0, 0, gloss=.1), .77, .37, 16, 10, .05, twist=22),
        W(7, P("disc", 1, 0, 0), .58, .3, 30, 14, .05), W(6, P("disc", 1, 0, 0), .4, .22, 44, 22, .04, twist=25), W(5, P("disc", 1, 0, 0), .24, .15, 60, 25, .02)),
        tilt=(0, 45)), leaf=leaves.GLOSSY),
    Species("rose", (("red", "crimson"), ("pink", "rose"), ("cream", "gold"), ("white", "blush"), ("salmon", "coral")), Head((
        W(5, P("fan", 1, 0, 0, veins=.1), .95, .6, 10, -22, .08), W(5, P("fan", 1, 0, 0), .8, .52, 34, 4, .1, twist=36),
        W(5, P("fan", 1, 0, 0), .66, .42, 54, 24, .1, twist=12), W(4, P("fan", 1, 0, 0), .52, .34, 68, 34, .09, twist=40), W(3, P("fan", 1, 1, 0), .42, .26, 80, 40, .06), W(3, P("fan", 1, 1, 0), .36, .17, 86, 30, .03, twist=50)),
        tilt=(10, 60)), leaf=leaves.TOOTHED),
    Species("carnation", (("pink", "rose"), ("crimson", "red"), ("white", "blush"), ("cerise", "white")), Head((
        W(9, P("wedge", 0, 0, 1, teeth=7, tooth_depth=.13, ruffle=.2), .95, .36, 6, 0, .06), W(9, P("wedge", 0, 0, 1, teeth=7, tooth_depth=.13, ruffle=.22), .8, .32, 26, 6, .06, twist=20),
        W(8, P("wedge", 0, 0, 1, teeth=7, tooth_depth=.14, ruffle=.25), .64, .28, 46, 8, .05), W(6, P("wedge", 0, 0, 1, teeth=7, tooth_depth=.15, ruffle=.25), .48, .22, 66, 8, .04, twist=30)),
        tilt=(10, 65)), Habit(stem="sage"), leaves.GRASS),
    Species("love in the mist", (("sky", "blue"), ("ice", "sky"), ("lavender", "sky")), Head((
        W(14, P("needle", "lime", "sage", "green"), 1.25, .025, 4, 30, .04), W(6, P("kite", 1, 0, 0, veins=.35), .8, .27, 6, 4, .08), W(6, P("kite", 1, 0, 0, veins=.35), .66, .22, 16, 4, .08, twist=30)),
        (C("stamens", .3, ("sage", "indigo"), 22, .12, 55), C("star", .2, ("lime", "moss"), 5, .32))), leaf=leaves.FERNY),
    Species("passion flower", (("white", "ice"), ("blush", "lilac")), Head((
        W(5, P("tongue", 0, 0, 0, back="sage"), .96, .22, 0, -6, .1), W(5, P("tongue", 0, 0, 1, veins=.1), .94, .22, 6, -4, .1, twist=36)),
        (C("corona", .72, ("plum", "white", "violet"), 64), C("star", .3, ("plum", "lime"), 3, .3, rise=.1), C("star", .22, ("lime", "moss"), 5, .18, rise=.06)), tilt=(0, 45)), leaf=leaves.LOBED),
    Species("magnolia", (("blush", "rose"), ("white", "ivory"), ("pink", "magenta")), Head((
        W(6, P("obovate", 1, 0, "white", back=1), 1, .36, 26, 22, .06), W(3, P("obovate", 1, 0, "white", back=1), .8, .32, 60, 22, .05, twist=25)),
        (C("spadix", .26, ("lime", "moss"), 20, .08),), axis="up", tilt=(10, 65)), Habit(stem="brown", stem_width=.08), None),
    Species("water lily", (("pink", "white"), ("white", "ivory"), ("lilac", "lavender"), ("lemon", "cream")), Head((
        W(10, P("lance", 1, 0, 0, veins=.12), 1, .2, 10, 12, .1), W(9, P("lance", 1, 0, 0), .88, .18, 30, 12, .1, twist=18), W(8, P("lance", 1, 0, 0), .72, .15, 50, 12, .1), W(6, P("lance", "yellow", "gold", "gold"), .4, .07, 58, 20, .1, twist=20)),
        (C("stamens", .3, ("gold", "yellow"), 30, .1, 45),), tilt=(25, 65)), Habit(stem_width=.03), leaves.PAD),
    Species("lotus", (("pink", "white"), ("rose", "blush")), Head((
        W(7, P("ovate", "ivory", 1, 0, veins=.3, back=0), 1, .36, 28, 32, .12), W(6, P("ovate", "ivory", 1, 0, veins=.3, back=0), .9, .34, 48, 32, .12, twist=26), W(5, P("ovate", "ivory", 1, 0, back=0), .74, .29, 64, 28, .1)),
        (C("stamens", .34, ("gold", "yellow"), 40, .12, 60), C("disc", .2, ("lime", "sage"), 14, .04, rise=.2)), axis="up", tilt=(25, 70)), leaf=leaves.PAD),
    Species("stemless gentian", (("blue", "indigo"), ("indigo", "violet")), Head((
        W(5, P("kite", "sky", 0, 1, spots="teal", spot_count=16, spot_to=.5), .95, .42, 46, -62, .1), W(5, P("kite", 1, 0, 0), .5, .14, 40, -55, .22, twist=36)),
        (C("eye", .14, ("indigo", "teal")),), tilt=(5, 50)), Habit("few", (2, 3), .55, stem_width=.02), leaves.GRASS),
    Species("balloon flower", (("lavender", "violet"), ("blue", "lavender"), ("white", "ice")), Head((
        W(5, P("heart", 0, 0, 0, veins=.65, vein_colour="indigo"), .92, .44, 26, -16, .16),),
        (C("star", .2, ("white", "lilac"), 5, .26), C("stamens", .18, ("white", "lavender"), 5, .1, 50)), tilt=(5, 55)), FEW, leaves.TOOTHED),
    Species("frangipani", (("white", "ivory"), ("blush", "pink")), Head((
        W(5, P("obovate", "gold", "lemon", 0, blotch="gold", blotch_size=.26, veins=.05), .96, .36, 12, -6, .02, jitter=.6),), tilt=(0, 45)),
        Habit("umbel", (4, 7), .42, stem="sage", stem_width=.09), leaves.GLOSSY),
    Species("desert-rose", (("cerise", "white"), ("rose", "blush"), ("crimson", "pink")), Head((
        W(5, P("obovate", 1, 1, 0, edge=0, edge_width=.42), .95, .36, 16, -10, .12),), (C("eye", .18, ("lemon", "gold", "white")), C("star", .16, ("white", "blush"), 5, .2)), tilt=(0, 50)),
        Habit("umbel", (3, 5), .44, stem="tan", stem_width=.1), leaves.GLOSSY),
    Species("thorn apple", (("white", "ice"), ("ivory", "lilac")), Head((
        W(5, P("kite", "lime", 0, 0, veins=.35, vein_colour="sage"), 1.2, .38, 64, -52, .12),), (C("eye", .1, ("sage", "moss")),), tilt=(30, 75)), Habit(stem="plum"), leaves.LOBED),
    Species("wild pansy", (("violet", "yellow"), ("purple", "lemon"), ("indigo", "cream")), Head((
        W(2, P("round", 0, 0, 0, veins=.2), .86, .42, 4, 0, .04, at=(65, 115)), W(2, P("round", "lemon", 1, 0, veins=.6, vein_colour="black"), .8, .36, 8, 0, .04, at=(5, 175)),
        W(1, P("fan", "gold", 1, 1, veins=.95, vein_colour="black", edge=0, edge_width=.15, notch=.07), .86, .52, 14, 0, .04, at=(270,))),
        (C("eye", .09, ("gold", "lime")),), upright=True, tilt=(0, 40)), FEW, leaves.TOOTHED),
    Species("spring crocus", (("lavender", "violet"), ("purple", "lilac"), ("white", "lavender"), ("gold", "amber")), Head((
        W(3, P("ovate", 0, 0, 0, veins=.55, vein_colour=1, back=0), 1, .38, 60, 6, .08), W(3, P("ovate", 0, 0, 0, veins=.45, vein_colour=1, back=0), .94, .36, 66, 8, .07, twist=60)),
        (C("stamens", .6, ("orange", "tangerine"), 3, .2, 12),), axis="up", tilt=(15, 62)), Habit("few", (2, 4), .5, stem="ivory", stem_width=.12), leaves.GRASS),
    Species("poinsettia", (("scarlet", "red"), ("pink", "blush"), ("cream", "ivory")), Head((
        W(6, P("ovate", 0, 0, 0, veins=.6, vein_colour=1), 1, .32, 0, -8, .05), W(6, P("ovate", 0, 0, 0, veins=.6, vein_colour=1), .74, .25, 12, -6, .05, twist=28), W(4, P("ovate", 0, 0, 0, veins=.5, vein_colour=1), .5, .17, 22, -4, .05, twist=50)),
        (C("disc", .14, ("gold", "lime", "moss"), 9, .1),), tilt=(0, 45)), leaf=Leaf(leaves.GLOSSY.petal, (4, 6), 1.25, .3, "ruff")),
)
