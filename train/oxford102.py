#!/usr/bin/env python3
"""Turns the real Oxford-102 flowers into the image folders that train.py reads.

    python train/oxford102.py PICTURES OUT --labels imagelabels.mat --splits setid.mat

PICTURES is the folder of image_00001.jpg ... as it is published. OUT gets train/, val/ and test/, one
folder a category, named as in the published list. The published splits hold 10 pictures a class for
training and 10 for validation and leave the rest for testing; --swap trains on the large one instead.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from flowerlib.names import OXFORD_ORDER
from trainlib.say import Refusal, bar, main_guard, printable

SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("pictures", help="folder of image_NNNNN.jpg")
    p.add_argument("out", help="folder to write into")
    p.add_argument("--labels", required=True, help="imagelabels.mat")
    p.add_argument("--splits", required=True, help="setid.mat")
    p.add_argument("--swap", action="store_true", help="train on the published test split and test on the training one")
    p.add_argument("--copy", action="store_true", help="copy the pictures (default: hard links where the disk allows)")
    return p.parse_args(argv)


def read_mat(path, fields):
    """The named fields of a MATLAB file, as flat integer arrays."""
    from scipy.io import loadmat

    if not os.path.isfile(path):
        raise Refusal(f"there is no file {printable(path)}.")
    try:
        content = loadmat(path)
    except Exception as e:  # the reader raises many kinds on broken files
        raise Refusal(f"{printable(path)} is no MATLAB file that can be read ({type(e).__name__}).") from None
    lacking = [f for f in fields if f not in content]
    if lacking:
        raise Refusal(f"{printable(path)} lacks the field '{lacking[0]}'; give the file as it is published.")
    return [content[f].ravel().astype(int) for f in fields]


def put(source, target, copy):
    partial = f"{target}.part"
    Path(partial).unlink(missing_ok=True)
    if copy:
        shutil.copyfile(source, partial)
    else:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)
    os.replace(partial, target)


def run(argv):
    a = arguments(argv)
    (labels,) = read_mat(a.labels, ["labels"])
    sets = dict(zip(SPLITS, read_mat(a.splits, list(SPLITS.values()))))
    if a.swap:
        sets["train"], sets["test"] = sets["test"], sets["train"]
    if labels.min() < 1 or labels.max() > len(OXFORD_ORDER):
        raise Refusal(f"{printable(a.labels)} has labels from {labels.min()} to {labels.max()}; "
                      f"they should run from 1 to {len(OXFORD_ORDER)}.")
    jobs = [(split, int(i)) for split, ids in sets.items() for i in ids]
    lacking = []
    with bar(len(jobs), "sorting", "picture") as progress:
        for done, (split, number) in enumerate(jobs, 1):
            if not 1 <= number <= len(labels):
                raise Refusal(f"{printable(a.splits)} names picture {number}, and there are labels for 1 to {len(labels)}.")
            source = os.path.join(a.pictures, f"image_{number:05d}.jpg")
            if not os.path.isfile(source):
                lacking.append(source)
                continue
            folder = Path(a.out) / split / OXFORD_ORDER[labels[number - 1] - 1]
            folder.mkdir(parents=True, exist_ok=True)
            put(source, folder / os.path.basename(source), a.copy)
            progress(done)
    for path in lacking:
        print(f"skipped: {printable(path)}: not there")
    if len(lacking) == len(jobs):
        raise Refusal(f"none of the {len(jobs)} pictures is in {printable(a.pictures)}; "
                      "give the folder that holds image_00001.jpg.")
    print(f"{len(jobs) - len(lacking)} pictures in {printable(a.out)}, {len(lacking)} missing")


if __name__ == "__main__":
    sys.exit(main_guard(run, sys.argv[1:]))
