#!/usr/bin/env python3
"""Measures a model of a repository folder on an image folder, in OpenVINO as the CPU workers run it.

    python train/evaluate.py models/flower DATA
"""

import argparse
import os
import sys

from trainlib.say import Refusal, main_guard, printable


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", help="repository folder, or an .onnx file")
    p.add_argument("data", help="image folder")
    p.add_argument("--confusion", metavar="PNG", help="write the confusion picture here")
    return p.parse_args(argv)


def run(argv):
    a = arguments(argv)
    source = a.model if a.model.endswith(".onnx") else os.path.join(a.model, "1", "model.onnx")
    from trainlib import card, folder, loop, runtime

    model = runtime.compile_model(source)
    side, outputs = model.input(0).partial_shape[2].get_length(), model.output(0).partial_shape[1].get_length()
    pictures = folder.load(a.data, side)
    if len(pictures.classes) != outputs:
        raise Refusal(f"{printable(a.data)} has {len(pictures.classes)} classes, and the model tells {outputs} apart.")
    scores, speed = runtime.scores(source, pictures)
    table = card.confusion(scores, pictures.labels, outputs)
    print(f"top-1 {100 * loop.top(scores, pictures.labels, 1):.2f} %, top-5 {100 * loop.top(scores, pictures.labels, 5):.2f} % "
          f"of {len(pictures.labels)} pictures, {speed:.1f} pictures/s")
    for n, true, taken in card.worst_pairs(table, pictures.classes):
        print(f"  {true} taken for {taken}: {n}")
    if a.confusion:
        card.confusion_picture(table, a.confusion)


if __name__ == "__main__":
    sys.exit(main_guard(run, sys.argv[1:]))
