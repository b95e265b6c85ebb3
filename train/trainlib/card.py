"""The model card: data, accuracy, confusions, licence, how to repeat."""

import os

import numpy as np


def confusion(outputs, labels, classes):
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, outputs.argmax(1)), 1)
    return table


def confusion_picture(table, path):
    """True class down, answer across; darker is more, and the off-diagonal is drawn strongly, as it is what one looks for."""
    from PIL import Image

    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    ink = np.sqrt(share)
    rgb = np.empty(table.shape + (3,), np.float32)
    rgb[...] = 1 - ink[..., None] * np.array([0.95, 0.85, 0.15])
    right = np.eye(len(table), dtype=bool)
    rgb[right] = 1 - share[right][:, None] * np.array([0.75, 0.25, 0.7])
    cell = max(3, 408 // len(table))
    big = np.kron((rgb * 255).astype(np.uint8), np.ones((cell, cell, 1), np.uint8))
    Image.fromarray(big).quantize(64).save(path, optimize=True)


def worst_pairs(table, classes, count=10):
    off = table.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None)[:count]
    pairs = [(int(off.flat[i]), classes[i // len(classes)], classes[i % len(classes)]) for i in order]
    return [p for p in pairs if p[0]]


def write(folder, title, intro, figures, table, classes, repeat, licence):
    """CARD.md and confusion.png. `figures`: rows of (what, value); `repeat`: shell lines."""
    confusion_picture(table, os.path.join(folder, "confusion.png"))
    lines = [f"# {title}", "", *intro, "", "| what | value |", "|---|---|"]
    lines += [f"| {k} | {v} |" for k, v in figures]
    lines += ["", "## Confusions", "", "![True class down, answer across](confusion.png)", ""]
    pairs = worst_pairs(table, classes)
    if pairs:
        lines += ["| true class | taken for | times |", "|---|---|---|"]
        lines += [f"| {a} | {b} | {n} |" for n, a, b in pairs]
    lines += ["", "## Accuracy per class", "", "| class | pictures | right |", "|---|---|---|"]
    totals = table.sum(1)
    for i, name in enumerate(classes):
        lines.append(f"| {name} | {totals[i]} | {100 * table[i, i] / max(totals[i], 1):.1f} % |")
    lines += ["", "## To repeat it", "", "```", *repeat, "```", "", "## Licence", "", licence, ""]
    with open(os.path.join(folder, "CARD.md"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines))
