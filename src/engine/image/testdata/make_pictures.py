#!/usr/bin/env python3
"""Makes the pictures (which also are the fuzzer's seeds) and golden.txt: what Pillow makes of them (pip install pillow numpy). Run it
here; the files are checked in. A line: file, width, height and pixels as Pillow decodes and turns them; width, height and pixels
fitted."""
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps, __version__

rng = np.random.default_rng(3)
os.chdir("picture_fuzz")
lines = []


def photo(width, height):
    """Smooth colours with some noise, not symmetric in any way."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    base = np.stack([255 * x / width, 255 * y / height, 128 + 100 * np.sin(x / 5) * np.cos(y / 3)], -1)
    return np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8)


def fit(image, width, height):
    """torchvision's Resize (to the shorter side) and CenterCrop, for any width and height."""
    w, h = image.size
    if (w, h) == (width, height):
        return image
    size = (int(height * w / h), height) if w * height >= h * width else (width, int(width * h / w))
    left, top = int(round((size[0] - width) / 2.0)), int(round((size[1] - height) / 2.0))
    return image.resize(size, Image.BILINEAR).crop((left, top, left + width, top + height))


def golden(name, fitted=(16, 12), image=None, pixels=True):
    image = image or ImageOps.exif_transpose(Image.open(name)).convert("RGB")
    small = fit(image, *fitted)
    raw = image.tobytes().hex() if pixels else "-"
    lines.append(f"{name} {image.width} {image.height} {raw} {fitted[0]} {fitted[1]} {small.tobytes().hex()}")


def png(name, width, height, depth, kind, rows, *chunks):
    """By hand: what Pillow cannot write."""
    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
    with open(name, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)))
        for tag, data in chunks:
            f.write(chunk(tag, data))
        f.write(chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))) + chunk(b"IEND", b""))


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


W, H = 21, 14
rgb = Image.fromarray(photo(W, H))
for name, image, options in [
        ("rgb.jpg", rgb, dict(quality=92, subsampling=0)),
        ("subsampled.jpg", rgb, dict(quality=85, subsampling=2)),
        ("progressive.jpg", rgb, dict(quality=85, progressive=True)),
        ("grey.jpg", rgb.convert("L"), dict(quality=90)),
        ("cmyk.jpg", rgb.convert("CMYK"), dict(quality=95)),
        ("rgb.png", rgb, {}),
        ("rgba.png", Image.merge("RGBA", (*rgb.split(), rgb.convert("L"))), {}),
        ("grey.png", rgb.convert("L"), {}),
        ("grey_alpha.png", Image.merge("LA", (rgb.convert("L"), rgb.split()[0])), {}),
        ("palette.png", rgb.quantize(37), {}),
        ("palette_transparent.png", rgb.quantize(5), dict(transparency=2)),
        ("bits.png", rgb.convert("1"), {}),
        ("exif6.png", rgb, dict(exif=exif(6))),
]:
    image.save(name, **options)
    golden(name)
for orientation in range(1, 9):
    name = f"orientation{orientation}.jpg"
    rgb.save(name, quality=92, subsampling=0, exif=exif(orientation))
    golden(name)

high = rng.integers(0, 65536, (H, W, 3))
png("rgb16.png", W, H, 16, 2, [r.astype(">u2").tobytes() for r in high])
golden("rgb16.png", image=Image.fromarray((high >> 8).astype(np.uint8)))
png("grey16.png", W, H, 16, 0, [r[:, 0].astype(">u2").tobytes() for r in high])
golden("grey16.png", image=Image.fromarray((high[:, :, 0] >> 8).astype(np.uint8)).convert("RGB"))
fours = rng.integers(0, 16, (H, W + W % 2))
png("grey4.png", W, H, 4, 0, [(r[::2] << 4 | r[1::2]).astype(np.uint8).tobytes() for r in fours])
golden("grey4.png")

big = Image.fromarray(photo(150, 97))
big.save("big.png")
for size in [(24, 24), (23, 31), (64, 16), (33, 100), (20, 97), (1, 1)]:
    golden("big.png", size, pixels=False)
Image.fromarray(photo(3, 140)).save("narrow.png")
golden("narrow.png", (8, 8), pixels=False)

with open("../golden.txt", "w") as f:
    f.write(f"# Pillow {__version__}\n" + "\n".join(lines) + "\n")
