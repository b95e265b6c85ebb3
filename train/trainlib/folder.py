"""Reading an image folder: ROOT/<class>/<picture>, classes numbered by sorted folder name.

Pictures are decoded once, turned upright (EXIF), brought to 8-bit RGB and to a square (short side
resized, middle cut out), and kept as one uint8 array: in memory, or in a file where that is too large.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from .say import Refusal, bar, printable

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm")
MEMORY_LIMIT = 12 << 30


@dataclass
class Pictures:
    pixels: np.ndarray   # N x S x S x 3, uint8
    labels: np.ndarray   # N, int64
    paths: list
    classes: list        # folder names, sorted
    skipped: list        # (path, why) of what could not be read


def split_folders(root):
    """The train, val and test folders below `root`; root itself as train when it holds classes directly."""
    if not os.path.isdir(root):
        raise Refusal(f"there is no folder {printable(root)}; give a folder that holds one folder a class.")
    found = {s: os.path.join(root, s) for s in ("train", "val", "test") if os.path.isdir(os.path.join(root, s))}
    if "train" in found:
        return found
    return {"train": root}


def class_names(root):
    """Sorted class folder names of an image folder; says what is wrong with it otherwise."""
    names = []
    for entry in os.scandir(os.fsencode(root)):
        if not entry.is_dir() or entry.name.startswith(b"."):
            continue
        try:
            names.append(entry.name.decode("utf-8"))
        except UnicodeDecodeError:
            raise Refusal(f"the class folder {printable(entry.name)} in {printable(root)} has a name that is not "
                          "UTF-8; rename it, as its name becomes a label.") from None
    names.sort()
    if len(names) < 2:
        raise Refusal(f"{printable(root)} holds {len(names)} class folder{'s' * (len(names) != 1)}; "
                      "a classifier needs at least 2, one folder a class.")
    return names


def _files(root, classes):
    items = []
    for label, name in enumerate(classes):
        folder = os.path.join(root, name)
        files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        items += [(os.path.join(folder, f), label) for f in files if f.lower().endswith(ENDINGS)]
    return items


def decode(path, side):
    """One picture as side x side x 3 uint8. Raises OSError, ValueError or SyntaxError when it cannot be read."""
    with Image.open(path) as im:
        im.draft("RGB", (side * 2, side * 2))
        im = ImageOps.exif_transpose(im)
        if im.mode in ("I", "I;16", "I;16B", "F"):
            a = np.asarray(im, np.float32)
            im = Image.fromarray(np.clip(a / (257 if a.max() > 255 else 1), 0, 255).astype(np.uint8))
        im = im.convert("RGB")
        w, h = im.size
        scale = side / min(w, h)
        if (w, h) != (side, side):
            im = im.resize((max(side, round(w * scale)), max(side, round(h * scale))), Image.BILINEAR)
            w, h = im.size
            x, y = (w - side) // 2, (h - side) // 2
            im = im.crop((x, y, x + side, y + side))
        return np.asarray(im, np.uint8)


def load(root, side, classes=None, cache=None, title="reading", limit=None, rng=None):
    """Decodes the pictures below `root`. `classes`: those of the training folder, for val and test.
    `limit`: read only so many, drawn by `rng`. `cache`: a file to keep the pixels in when they are many."""
    own = class_names(root)
    if classes is None:
        classes = own
    for name in own:
        if name not in classes:
            raise Refusal(f"{printable(root)} has a class '{name}' that the training folder lacks.")
    items = _files(root, classes)
    partial = limit is not None and len(items) > limit
    if partial:
        items = [items[i] for i in sorted(rng.permutation(len(items))[:limit])]
    total = len(items) * side * side * 3
    shape = (max(len(items), 1), side, side, 3)
    if total > MEMORY_LIMIT and cache:
        pixels = np.lib.format.open_memmap(cache, mode="w+", dtype=np.uint8, shape=shape)
    else:
        pixels = np.empty(shape, np.uint8)
    problems = {}

    def read(i):
        try:
            pixels[i] = decode(items[i][0], side)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
            problems[i] = str(e).split("\n")[0]
        return i

    workers = min(16, len(os.sched_getaffinity(0)) * 2)
    with ThreadPoolExecutor(workers) as pool, bar(len(items), title, "picture") as progress:
        for done, _ in enumerate(pool.map(read, range(len(items))), 1):
            progress(done)
    keep = [i for i in range(len(items)) if i not in problems]
    skipped = [(items[i][0], problems[i]) for i in sorted(problems)]
    for path, why in skipped:
        print(f"skipped: {printable(path)}: {printable(why)}", flush=True)
    if skipped:
        print(f"skipped {len(skipped)} of {len(items)} pictures in {printable(root)}", flush=True)
    labels = np.array([items[i][1] for i in keep], np.int64)
    counts = np.bincount(labels, minlength=len(classes))
    for name, n in zip(classes, counts):
        if n == 0 and name in own and not partial:
            raise Refusal(f"the class '{name}' in {printable(root)} has no picture that can be read; "
                          "add some or remove the folder.")
    if len(keep) < len(items):
        pixels = pixels[keep]
    return Pictures(pixels, labels, [items[i][0] for i in keep], classes, skipped)


def pick(pictures, index):
    """The pictures at `index` (a mask or positions)."""
    at = np.arange(len(pictures.labels))[index]
    return Pictures(pictures.pixels[at], pictures.labels[at], [pictures.paths[i] for i in at], pictures.classes, [])


def hold_out(pictures, share, seed):
    """Splits training pictures when there is no val folder: every class gives `share`, at least one, and keeps one."""
    rng = np.random.default_rng(seed)
    out = []
    for label in range(len(pictures.classes)):
        mine = rng.permutation(np.flatnonzero(pictures.labels == label))
        n = min(max(1, round(len(mine) * share)), len(mine) - 1)
        out += list(mine[:n])
    mask = np.zeros(len(pictures.labels), bool)
    mask[out] = True

    kept = pick(pictures, ~mask)
    kept.skipped = pictures.skipped
    return kept, pick(pictures, mask)
