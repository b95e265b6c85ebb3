"""The model in the repository: complete, in Triton's layout, and right about its examples."""

import csv

import numpy as np
import pytest

import evaluate
import examples
from conftest import TRAIN
from flowerlib.names import CLASSES
from trainlib import folder, runtime

MODEL = TRAIN.parent / "models" / "flower"


def test_labels_are_in_folder_order():
    assert tuple((MODEL / "labels.txt").read_text().splitlines()) == CLASSES


def test_examples_are_small_and_labelled():
    with open(MODEL / "examples" / "labels.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 204 and {r["label"] for r in rows} == set(CLASSES)
    assert all(CLASSES[int(r["index"])] == r["label"] for r in rows)
    assert all((MODEL / "examples" / r["file"]).is_file() for r in rows)
    assert sum(p.stat().st_size for p in (MODEL / "examples").rglob("*") if p.is_file()) < 5e6


def test_the_shipped_model_knows_its_examples():
    with open(MODEL / "examples" / "labels.csv", newline="") as f:
        rows = list(csv.DictReader(f))[::6]
    pixels = np.stack([folder.decode(MODEL / "examples" / r["file"], 224) for r in rows])
    request = runtime.compile_model(str(MODEL / "1" / "model.onnx")).create_infer_request()
    answers = np.concatenate([request.infer({0: runtime.to_input(pixels[i:i + 2])})[0] for i in range(0, len(rows), 2)])
    assert answers.shape == (len(rows), 102)
    right = (answers.argmax(1) == [int(r["index"]) for r in rows]).mean()
    assert right >= 0.9


def test_the_odd_ones_are_as_odd_as_their_table_says():
    with open(MODEL / "examples" / "odd" / "expect.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 20
    for row in rows:
        path = MODEL / "examples" / "odd" / row["file"]
        if row["readable"] == "yes":
            assert folder.decode(path, 224).shape == (224, 224, 3), row["file"]
        else:
            with pytest.raises((OSError, ValueError)):
                folder.decode(path, 224)


def test_a_turned_picture_is_read_upright():
    upright = examples.pixels(CLASSES.index("tiger lily"), 7).astype(int)
    read = folder.decode(MODEL / "examples" / "odd" / "exif-6.jpg", 224).astype(int)
    assert np.abs(upright - read).mean() < 8 < np.abs(np.rot90(upright) - read).mean()


def test_a_model_is_not_measured_on_other_classes(flowers5, refuses):
    assert "5 classes" in refuses(evaluate, MODEL, flowers5 / "test")
