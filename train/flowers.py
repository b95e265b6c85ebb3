#!/usr/bin/env python3
"""Draws the flower data set: 102 classes, each with a morphology of its own.

    python train/flowers.py OUT --seed 1 --per-class 50                      OUT/<class>/*.jpg
    python train/flowers.py OUT --seed 1 --per-class 350 --splits train,val,test
    python train/flowers.py OUT --seed 2 --per-class 50 --hard               unseen backdrops, more hidden

The same seed gives the same pictures, however many processes draw them.
"""

import argparse
import sys

from flowerlib import dataset
from flowerlib.names import CLASSES
from trainlib.say import Refusal, bar, main_guard


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", help="folder to write into")
    p.add_argument("--seed", type=int, default=0, help="any whole number from 0 (default 0)")
    p.add_argument("--per-class", type=int, default=50, help="pictures a class (default 50); with --splits, of train")
    p.add_argument("--splits", default="", help="train,val,test: one image folder each (val a tenth, test 15 %%)")
    p.add_argument("--hard", action="store_true", help="backdrops no ordinary picture has, and more occlusion")
    p.add_argument("--size", type=int, default=224, help="pixels a side (default 224)")
    p.add_argument("--classes", default="", help="only these classes, separated by commas (default: all 102)")
    p.add_argument("--processes", type=int, default=None, help="default: one a core")
    return p.parse_args(argv)


def run(argv):
    a = arguments(argv)
    splits = [s for s in a.splits.split(",") if s]
    for split in splits:
        if split not in dataset.SPLIT_SHARE:
            raise Refusal(f"--splits knows train, val and test, not '{split}'.")
    if a.per_class < 1:
        raise Refusal(f"--per-class must be at least 1, not {a.per_class}.")
    if a.seed < 0:
        raise Refusal(f"--seed must be 0 or more, not {a.seed}.")
    if not 32 <= a.size <= 1024:
        raise Refusal(f"--size must be from 32 to 1024, not {a.size}.")
    wanted = [c.strip() for c in a.classes.split(",") if c.strip()]
    for name in wanted:
        if name not in CLASSES:
            raise Refusal(f"--classes names '{name}', which is none of the {len(CLASSES)} flowers.")
    classes = [CLASSES.index(c) for c in wanted] or list(range(len(CLASSES)))
    jobs = dataset.plan(a.out, a.per_class, splits, classes)
    with bar(len(jobs), "drawing", "picture") as progress:
        dataset.write(jobs, a.seed, a.hard, a.size, a.processes, progress)
    print(f"{len(jobs)} pictures of {len(classes)} classes in {a.out}")


if __name__ == "__main__":
    sys.exit(main_guard(run, sys.argv[1:]))
