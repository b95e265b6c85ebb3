"""Lilies, irises, orchids and other flowers with parts in threes or with a lip."""

from ..morphology import Centre as C
from ..morphology import Habit, Head, Species
from ..morphology import Petal as P
from ..morphology import Whorl as W
from . import leaves

FEW = Habit("few", (2, 3), 0.52)

SPECIES = (
    Species("tiger lily", (("orange", "tangerine"), ("amber", "orange")), Head((
        W(3, P("lance", 1, 0, 0, spots="umber", spot_count=26, spot_to=.8, veins=.15, back="amber"), 1.1, .19, 40, -165, .1), W(3, P("lance", 1, 0, 0, spots="umber", spot_count=26, spot_to=.8, back="amber"), 1.1, .22, 44, -165, .08, twist=60)),
        (C("stamens", .85, ("orange", "rust"), 6, .26, 32),), tilt=(20, 75)), leaf=leaves.LANCE),
    Species("fire lily", (("tangerine", "gold"), ("scarlet", "amber")), Head((
        W(6, P("lance", 1, 0, 0, ruffle=.34, edge="yellow", edge_width=.2, back="gold"), 1.1, .15, 14, 80, .12),),
        (C("stamens", .9, ("lime", "amber"), 6, .16, 88), C("disc", .1, ("lime", "moss"), 12, .1)), tilt=(20, 80)), leaf=leaves.LANCE),
    Species("peruvian lily", (("salmon", "gold"), ("pink", "lemon"), ("lilac", "yellow")), Head((
        W(3, P("fan", 0, 0, 0, edge="lime", edge_width=.08), .9, .36, 30, -14, .06, at=(270, 30, 150)),
        W(3, P("spoon", 1, 1, 0, stripe=1, stripe_width=.3, bands=None, spots="maroon", spot_count=22, spot_to=.75), .95, .25, 34, -18, .06, at=(90, 210, 330), scale=(1, 1, .9))),
        (C("stamens", .5, ("blush", "moss"), 6, .14, 30),), upright=True, tilt=(10, 50)), Habit("few", (3, 5), .42), leaves.LANCE),
    Species("hippeastrum", (("red", "crimson"), ("scarlet", "white"), ("white", "blush"), ("salmon", "coral")), Head((
        W(3, P("ovate", "lime", 0, 0, stripe="white", stripe_width=.13, veins=.3), 1, .36, 30, -34, .06), W(3, P("ovate", "lime", 0, 0, stripe="white", stripe_width=.13, veins=.3), .98, .31, 34, -34, .05, twist=60)),
        (C("stamens", .62, (0, "yellow"), 6, .15, 24),), tilt=(15, 60)), Habit(stem_width=.12), leaves.STRAP),
    Species("daffodil", (("yellow", "gold"), ("ivory", "amber"), ("lemon", "orange")), Head((
        W(6, P("ovate", 0, 0, 0, veins=.22), 1, .33, 2, 0, .16), W(7, P("fan", 1, 1, 1, ruffle=.22, veins=.3), .58, .25, 72, -22, .2)),
        (C("eye", .2, (1, "moss")), C("stamens", .34, ("lemon", "gold"), 6, .14, 16)), tilt=(10, 65)), Habit(stem_width=.07), leaves.GRASS),
    Species("siam tulip", (("pink", "rose"), ("orchid", "blush"), ("white", "pink")), Head((
        W(26, P("ovate", "lime", 0, 1, edge="moss", edge_width=.1, veins=.3), .5, .22, 42, -10, .3, -.85, spiral="cone", height=1.75),), axis="up", tilt=(4, 22)),
        Habit("single", stem_width=.09), leaves.STRAP),
    Species("red ginger", (("scarlet", "red"), ("crimson", "cerise")), Head((
        W(38, P("tongue", 0, 0, 1, gloss=.3, cup=.5), .36, .16, 62, -18, .3, -1.0, spiral="cone", height=2.0),), axis="up", tilt=(4, 24)),
        Habit("single", stem_width=.1), leaves.STRAP),
    Species("bromelia", (("scarlet", "coral"), ("pink", "rose"), ("orange", "gold")), Head((
        W(8, P("strap", "lime", "green", "leaf", stripe="sage"), 1.35, .13, 6, -22, .06), W(8, P("lance", 0, 0, 1), .95, .15, 20, -12, .06, twist=20), W(7, P("lance", 0, 0, 0), .72, .14, 42, -8, .06), W(5, P("lance", 1, 0, 0), .5, .11, 62, -8, .05, twist=15)),
        (C("disc", .12, ("violet", "lavender", 1), 10, .12),), tilt=(5, 65)), Habit(stem_width=.02), None),
    Species("yellow iris", (("yellow", "gold"), ("lemon", "yellow")), Head((
        W(3, P("fiddle", 1, 0, 0, veins=.4, vein_colour="brown", blotch="brown", blotch_size=.12), 1.05, .36, 22, -78, .08, at=(270, 30, 150)), W(3, P("tongue", 0, 0, 0), .42, .1, 62, 10, .08, at=(90, 210, 330)), W(3, P("strap", 1, 0, 0, teeth=3, tooth_depth=.1), .52, .12, 36, -14, .03, at=(270, 30, 150))),
        axis="camera", upright=True, tilt=(20, 65)), leaf=leaves.SWORD),
    Species("bearded iris", (("lavender", "violet"), ("purple", "plum"), ("cream", "mauve"), ("sky", "blue")), Head((
        W(3, P("fan", 1, 1, 1, veins=.5, vein_colour="plum", stripe="gold", stripe_width=.07, ruffle=.14), 1.0, .46, 16, -84, .08, at=(270, 25, 155)), W(3, P("fan", 0, 0, 0, ruffle=.16, veins=.22), .98, .44, 62, 34, .08, at=(90, 210, 330))),
        axis="up", upright=True, tilt=(30, 65)), leaf=leaves.SWORD),
    Species("sword lily", (("coral", "white"), ("pink", "cream"), ("scarlet", "gold"), ("purple", "lilac"), ("yellow", "lemon")), Head((
        W(6, P("round", 1, 0, 0, ruffle=.2, blotch=1, blotch_size=.4, veins=.2), .95, .42, 30, -20, .06),), (C("stamens", .4, (1, "plum"), 3, .12, 25),), tilt=(0, 40)),
        Habit("spike", (7, 10), .38, .35, stem_width=.07, buds=.45), leaves.SWORD),
    Species("canna lily", (("scarlet", "gold"), ("orange", "yellow"), ("yellow", "scarlet")), Head((
        W(3, P("lance", "lime", 0, 0), .7, .11, 25, 0, .05), W(4, P("obovate", 0, 0, 0, edge=1, edge_width=.16, spots=1, spot_count=14, ruffle=.22), 1, .3, 26, -24, .05, at=(85, 130, 40, 275), scale=(1, .95, .95, .7)),),
        (C("spadix", .4, (0, 1), 8, .06),), upright=True, tilt=(10, 55)), Habit("few", (3, 5), .48, stem_width=.08), leaves.BROAD),
    Species("giant white arum lily", (("white", "ivory"),), Head((
        W(1, P("disc", "lime", 0, 0, back="ivory", cup=.6), 1.2, .5, 58, -38, .2, at=(90,)), W(2, P("spathe", "lime", 0, 0, back="ivory", cup=.5), 1.15, .44, 70, -24, .22, at=(215, 325)), ),
        (C("spadix", .8, ("amber", "yellow"), 60, .09),), axis="up", upright=True, tilt=(25, 58)), Habit(stem_width=.11), leaves.BROAD),
    Species("anthurium", (("scarlet", "red"), ("pink", "rose"), ("white", "ivory"), ("crimson", "maroon")), Head((
        W(1, P("heart", 0, 0, 0, veins=.45, gloss=.4, notch=0), 1.55, .66, 4, -10, -.45, at=(270,)),),
        (C("spadix", .78, ("gold", "lemon"), 80, .08),), upright=True, tilt=(15, 60)), Habit(stem_width=.06), leaves.HEART),
    Species("moon orchid", (("white", "ivory"), ("blush", "white")), Head((
        W(3, P("ovate", 0, 0, 0, veins=.2), .92, .31, 3, 0, .05, at=(90, 215, 325)), W(2, P("fan", 0, 0, 0, veins=.22), .98, .68, 6, -4, .05, at=(5, 175)),
        W(3, P("lip", "gold", 0, 0, spots="rust", spot_count=8), .42, .17, 40, 20, .04, at=(270, 235, 305), scale=(1, .7, .7))),
        (C("eye", .1, ("gold", "crimson")),), upright=True, tilt=(0, 45)), Habit("raceme", (4, 7), .4, 1.1, stem_width=.03), leaves.STRAP),
    Species("ruby-lipped cattleya", (("orchid", "crimson"), ("lilac", "magenta"), ("pink", "crimson")), Head((
        W(3, P("lance", 0, 0, 0, veins=.15), 1, .18, 2, 0, .05, at=(90, 210, 330)), W(2, P("round", 0, 0, 0, ruffle=.2, veins=.22), .98, .46, 4, -4, .05, at=(18, 162)),
        W(1, P("lip", 1, 1, 1, ruffle=.25, blotch="gold", blotch_size=.35, veins=.4), .95, .42, 26, -22, .03, at=(270,))), (C("spadix", .2, ("blush", "white"), 4, .08),), upright=True, tilt=(0, 45)), leaf=leaves.STRAP),
    Species("hard-leaved pocket orchid", (("white", "rose"), ("blush", "magenta"), ("lime", "plum")), Head((
        W(1, P("heart", 0, 0, 0, stripe="lime", veins=.3), .75, .34, 2, 0, .05, at=(90,)), W(2, P("disc", 0, 0, 0, veins=.55, vein_colour=1), .98, .48, 4, 0, .05, at=(8, 172)),
        W(1, P("pouch", 1, 1, 1, gloss=.3, veins=.35, cup=.8), .82, .34, 38, 0, .02, at=(270,))), (C("eye", .15, ("lemon", "lime")),), upright=True, tilt=(0, 40)), leaf=leaves.STRAP),
    Species("toad lily", (("white", "purple"), ("lilac", "plum")), Head((
        W(6, P("lance", 0, 0, 0, spots=1, spot_count=44, spot_to=.95), 1, .2, 20, -36, .07),),
        (C("stamens", .48, (0, 1), 6, .16, 68), C("star", .34, ("white", "plum"), 3, .34)), tilt=(5, 60)), FEW, leaves.OVAL),
    Species("blackberry lily", (("orange", "yellow"), ("amber", "orange")), Head((
        W(6, P("obovate", 1, 0, 0, spots="crimson", spot_count=36, spot_to=.9), .98, .23, 4, 0, .05, jitter=.7),),
        (C("stamens", .36, (0, "brown"), 3, .18, 40),), tilt=(0, 50)), Habit("few", (2, 4), .42, stem_width=.04), leaves.SWORD),
    Species("fritillary", (("plum", "mauve"), ("maroon", "orchid"), ("white", "sage")), Head((
        W(6, P("bell", 0, 0, 0, spots=1, spot_count=60, spot_to=.98, back=0, cup=.4), 1.35, .4, 64, 30, .24),), axis="down", tilt=(6, 34)), Habit(stem_width=.035), leaves.GRASS),
    Species("columbine", (("blue", "white"), ("scarlet", "yellow"), ("lilac", "cream"), ("rose", "white")), Head((
        W(5, P("whip", 0, 0, 0), 1.0, .05, -52, -24, .2, twist=36), W(5, P("ovate", 0, 0, 0, veins=.25), 1, .26, 6, -8, .1), W(5, P("spoon", 1, 1, 1), .6, .24, 44, 4, .1, twist=36)),
        (C("stamens", .5, ("lemon", "gold"), 26, .1, 28),), tilt=(15, 75)), Habit(stem_width=.03), leaves.LOBED),
    Species("cyclamen", (("rose", "cerise"), ("white", "blush"), ("pink", "magenta"), ("crimson", "red")), Head((
        W(5, P("tongue", 1, 0, 0, blotch="plum", blotch_size=.14, veins=.2, ruffle=.08, back=0), 1.2, .31, -30, -55, .12, rise=0),), axis="down", tilt=(5, 34)), Habit("few", (3, 4), .42, stem="rust", stem_width=.05), leaves.HEART),
    Species("bird of paradise", (("orange", "amber"), ("amber", "gold")), Head((
        W(1, P("lance", "rust", "moss", "crimson", stripe="lime"), 1.5, .13, 0, 12, -.35, at=(2,)), W(4, P("kite", 0, 0, 0, veins=.3), 1.15, .13, 4, 0, .02, at=(100, 74, 52, 122)), W(2, P("spike", "indigo", "blue", "indigo"), 1.05, .1, 10, 0, .03, at=(30, 42)),),
        upright=True, tilt=(0, 32)), Habit(stem_width=.09), leaves.BROAD),
    Species("sweet pea", (("pink", "blush"), ("lavender", "purple"), ("white", "cream"), ("cerise", "rose")), Head((
        W(1, P("fan", 0, 0, 0, veins=.35, ruffle=.22, notch=.1), .9, .8, 10, -6, .02, at=(90,)), W(2, P("disc", 1, 1, 1, veins=.25), .6, .28, 34, 0, .02, at=(300, 240)), W(1, P("pouch", "ivory", 1, 1), .42, .14, 48, 0, .02, at=(270,))), upright=True, tilt=(5, 45)),
        Habit("raceme", (3, 6), .45, .8, stem_width=.035), leaves.OVAL),
)
