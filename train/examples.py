#!/usr/bin/env python3
"""Draws the pictures that ship beside the model: two a class, and twenty odd ones for trying out a client.

    python train/examples.py models/flower/examples

OUT gets NNN.jpg and labels.csv; OUT/odd/ gets files that a decoder should either read or refuse with a
clear error: grey, CMYK, turned by EXIF, 16-bit, huge, tiny, truncated, or no picture at all. odd/expect.csv says which.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from flowerlib import scene
from flowerlib.names import CLASSES
from trainlib.say import main_guard

SEED = 4242  # no training, validation or test set in the card uses it
PER_CLASS = 2
QUALITY = 82


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", help="folder to write into")
    return p.parse_args(argv)


def pixels(class_index, index, size=224):
    return scene.render(class_index, scene.generator(SEED, class_index, index, "test"), size)


def jpeg(image, **more):
    data = io.BytesIO()
    image.save(data, "JPEG", **{"quality": QUALITY, **more})
    return data.getvalue()


def png(image):
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True)
    return data.getvalue()


def turned(image, orientation):
    """The picture stored turned, with the EXIF tag that turns it back."""
    undo = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270,
            2: Image.Transpose.FLIP_LEFT_RIGHT}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(image.transpose(undo), exif=exif)


def sixteen_bit(image, colour):
    """A PNG of 16 bits a channel."""
    import cv2

    wide = np.asarray(image).astype(np.uint16) * 257
    wide = wide[..., ::-1] if colour else wide.mean(axis=2).astype(np.uint16)
    return cv2.imencode(".png", wide)[1].tobytes()


def odd_ones():
    """(file name, class index or None, readable?, what it is, bytes)."""
    names = ("sunflower", "rose", "corn poppy", "passion flower", "daffodil", "water lily", "tiger lily", "fritillary")
    index = {n: CLASSES.index(n) for n in names}
    plain = {n: Image.fromarray(pixels(i, 7)) for n, i in index.items()}
    sun, rose, poppy, passion = (plain[n] for n in names[:4])
    whole = jpeg(sun)
    alpha = passion.copy()
    alpha.putalpha(Image.fromarray(np.tile(np.linspace(60, 255, 224).astype(np.uint8), (224, 1))))
    wide = Image.new("RGB", (640, 96), (70, 110, 60))
    wide.paste(rose.resize((96, 96)), (272, 0))
    rows = [
        ("grey.jpg", "sunflower", True, "one channel", jpeg(sun.convert("L"))),
        ("grey-alpha.png", "rose", True, "grey with transparency", png(rose.convert("LA"))),
        ("cmyk.jpg", "corn poppy", True, "four inks instead of RGB", jpeg(poppy.convert("CMYK"))),
        ("exif-3.jpg", "daffodil", True, "EXIF: turn by 180 degrees", turned(plain["daffodil"], 3)),
        ("exif-6.jpg", "tiger lily", True, "EXIF: turn clockwise", turned(plain["tiger lily"], 6)),
        ("exif-8.jpg", "fritillary", True, "EXIF: turn counter-clockwise", turned(plain["fritillary"], 8)),
        ("exif-2.jpg", "water lily", True, "EXIF: mirrored", turned(plain["water lily"], 2)),
        ("sixteen-bit.png", "passion flower", True, "16 bits a channel, RGB", sixteen_bit(passion.resize((96, 96)), True)),
        ("sixteen-bit-grey.png", "sunflower", True, "16 bits, grey", sixteen_bit(sun.resize((128, 128)), False)),
        ("palette.png", "rose", True, "64 colours and a palette", png(rose.quantize(64))),
        ("alpha.png", "passion flower", True, "transparency", png(alpha.resize((128, 128)))),
        ("progressive.jpg", "water lily", True, "progressive scan order", jpeg(plain["water lily"], progressive=True)),
        ("huge.jpg", "sunflower", True, "6000 x 4000 pixels", jpeg(sun.resize((6000, 4000), Image.BICUBIC), quality=20)),
        ("tiny.png", "rose", True, "one pixel", png(rose.resize((1, 1)))),
        ("small.jpg", "corn poppy", True, "17 x 23 pixels", jpeg(poppy.resize((17, 23)))),
        ("wide.jpg", "rose", True, "much wider than high", jpeg(wide)),
        ("truncated.jpg", None, False, "the second half is missing", whole[:len(whole) // 2]),
        ("empty.jpg", None, False, "no bytes", b""),
        ("not-a-picture.jpg", None, False, "text under a picture's name", b"This is a text, not a flower.\n"),
        ("png-named.jpg", "daffodil", True, "a PNG under a JPEG's name", png(plain["daffodil"].resize((96, 96)))),
    ]
    return [(f, None if c is None else index[c], ok, what, data) for f, c, ok, what, data in rows]


def run(argv):
    out = Path(arguments(argv).out)
    (out / "odd").mkdir(parents=True, exist_ok=True)
    with open(out / "labels.csv", "w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(["file", "index", "label"])
        for c, name in enumerate(CLASSES):
            for i in range(PER_CLASS):
                file = f"{c:03d}{'abcdefgh'[i]}.jpg"
                (out / file).write_bytes(jpeg(Image.fromarray(pixels(c, i))))
                table.writerow([file, c, name])
    with open(out / "odd" / "expect.csv", "w", newline="", encoding="utf-8") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(["file", "readable", "index", "label", "what"])
        for file, c, readable, what, data in odd_ones():
            (out / "odd" / file).write_bytes(data)
            table.writerow([file, "yes" if readable else "no", "" if c is None else c,
                            "" if c is None else CLASSES[c], what])
    print(f"{len(CLASSES) * PER_CLASS} pictures in {out}, and the odd ones in {out / 'odd'}")


if __name__ == "__main__":
    sys.exit(main_guard(run, sys.argv[1:]))
