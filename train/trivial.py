#!/usr/bin/env python3
"""How far one gets without looking at shapes: two classifiers that a good data set must defeat.

    python train/trivial.py REFERENCE QUERY

Nearest mean colour compares a picture's mean RGB with each class's; 1-NN compares 8x8 thumbnails.
"""

import argparse
import sys

from trainlib.say import main_guard


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("reference", help="image folder to learn from")
    p.add_argument("query", help="image folder to guess")
    return p.parse_args(argv)


def mean_colour(reference, labels, query, classes):
    import numpy as np

    means = np.stack([reference[labels == c].mean((0, 1, 2)) for c in range(classes)])
    return ((query.mean((1, 2))[:, None] - means) ** 2).sum(-1).argmin(1)


def nearest_thumbnail(reference, labels, query):
    a, b = reference.reshape(len(reference), -1), query.reshape(len(query), -1)
    distance = (b ** 2).sum(1)[:, None] - 2 * b @ a.T + (a ** 2).sum(1)[None]
    return labels[distance.argmin(1)]


def run(argv):
    a = arguments(argv)
    import numpy as np

    from trainlib import folder

    # Area-averaged, so that an 8x8 thumbnail holds the picture's mean colour as well.
    known = folder.load(folder.split_folders(a.reference)["train"], 64, title="reference")
    asked = folder.load(folder.split_folders(a.query)["train"], 64, known.classes, title="query")

    def thumbs(p):
        return p.pixels.reshape(-1, 8, 8, 8, 8, 3).mean((2, 4), dtype=np.float32) / 255

    reference, query = thumbs(known), thumbs(asked)
    for name, answer in (("nearest mean colour", mean_colour(reference, known.labels, query, len(known.classes))),
                         ("1-NN on 8x8 thumbnails", nearest_thumbnail(reference, known.labels, query))):
        print(f"{name}: {100 * (answer == asked.labels).mean():.2f} % of {len(asked.labels)} pictures "
              f"({len(known.labels)} to learn from)")


if __name__ == "__main__":
    sys.exit(main_guard(run, sys.argv[1:]))
