"""Training: it learns, resumes, stops early, transfers, and exports what it promises."""

import csv
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

import train
from conftest import TINY, TRAIN
from trainlib import checkpoint, export, folder, loop
from trainlib.resnet import DEPTHS, ResNet


def log(run):
    with open(run / "log.csv", newline="") as f:
        return list(csv.DictReader(f))


def test_it_learns(trained, flowers5):
    rows = log(trained)
    assert len(rows) == 9
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"]) - 0.25
    pictures = folder.load(str(flowers5 / "test"), 48)
    model = ResNet("resnet18", 5)
    model.load_state_dict(checkpoint.load(str(trained / "best.pt"))["model"])
    scores, labels = loop.scores(model, loop.Source(pictures, torch.device("cpu")), 48, 32)
    assert loop.top(scores, labels, 1) >= 0.5, "chance is 0.2"


def test_the_exported_model_is_what_triton_expects(trained):
    repository = trained / "flower"
    model = onnx.load(str(repository / "1" / "model.onnx"))
    onnx.checker.check_model(model)
    assert model.opset_import[0].version == 17
    assert model.graph.node[-1].op_type == "Softmax"
    session = ort.InferenceSession(str(repository / "1" / "model.onnx"))
    assert [(i.name, i.type, i.shape[1:]) for i in session.get_inputs()] == [("input", "tensor(float)", [3, 48, 48])]
    for batch in (1, 5):
        (out,) = session.run(["output"], {"input": np.zeros((batch, 3, 48, 48), np.float32)})
        assert out.shape == (batch, 5) and np.allclose(out.sum(1), 1, atol=1e-5)
    labels = (repository / "labels.txt").read_text().splitlines()
    assert labels == ["foxglove", "grape hyacinth", "passion flower", "rose", "sunflower"]
    config = (repository / "config.pbtxt").read_text()
    for words in ('name: "flower"', 'platform: "onnxruntime_onnx"', "max_batch_size: 8", "dims: [ 3, 48, 48 ]",
                  "dims: [ 5 ]", 'label_filename: "labels.txt"', "dynamic_batching { }"):
        assert words in config


def test_the_card_tells_accuracy_per_class_and_how_to_repeat_it(trained):
    card = (trained / "flower" / "CARD.md").read_text()
    for words in ("top-1 / top-5", "| rose |", "python train/train.py", "## Licence", "confusion.png", "resnet18"):
        assert words in card
    assert (trained / "flower" / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_weights(flowers5, tmp_path, tool):
    weights = []
    for name in ("a", "b"):
        code, _, err = tool(train, flowers5, "--out", tmp_path / name, *TINY, "--epochs", "1", "--seed", "3")
        assert code == 0, err
        weights.append(checkpoint.load(str(tmp_path / name / "best.pt"))["model"]["fc.weight"])
    assert torch.equal(*weights)


def test_a_killed_training_goes_on_where_it_was(flowers5, tmp_path, tool):
    out = tmp_path / "run"
    argv = [str(flowers5), "--out", str(out), *TINY, "--epochs", "3", "--seed", "4"]
    process = subprocess.Popen([sys.executable, str(TRAIN / "train.py"), *argv], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        if line.startswith("epoch 1:"):
            break
    deadline = time.monotonic() + 60
    while not (out / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (out / "checkpoint.pt").exists() and not (out / "flower").exists()
    code, said, err = tool(train, *argv)
    assert code == 0, err
    assert "resumed at epoch" in said
    assert [row["epoch"] for row in log(out)][-1] == "3"
    assert (out / "flower" / "1" / "model.onnx").exists()


def test_another_setting_does_not_resume_by_accident(trained, flowers5, refuses):
    assert "seed" in refuses(train, flowers5, "--out", trained, *TINY, "--epochs", "9", "--seed", "2")


def test_it_stops_when_nothing_gets_better(flowers5, tmp_path, tool):
    code, out, err = tool(train, flowers5, "--out", tmp_path, *TINY, "--epochs", "6", "--lr", "0", "--patience", "1")
    assert code == 0, err
    assert "stopped early" in out and len(log(tmp_path)) < 6


def test_transfer_takes_over_everything_but_the_classifier(trained, flowers5):
    model = ResNet("resnet18", 7)
    count, left = checkpoint.transfer(model, str(trained / "best.pt"))
    assert left == ["fc.bias", "fc.weight"] and count == len(model.state_dict()) - 2
    source = checkpoint.load(str(trained / "best.pt"))["model"]
    assert torch.equal(model.layer1[0].conv1.weight, source["layer1.0.conv1.weight"])


@pytest.mark.parametrize("arch, millions", [("resnet18", 11.7), ("resnet34", 21.8), ("resnet50", 25.6), ("resnet101", 44.5)])
def test_the_nets_have_the_published_sizes(arch, millions):
    count = sum(p.numel() for p in ResNet(arch, 1000).parameters())
    assert abs(count / 1e6 - millions) < 0.06 and arch in DEPTHS


def test_version_1_5_strides_in_the_3x3():
    block = ResNet("resnet50", 2).layer2[0]
    assert block.conv1.stride == (1, 1) and block.conv2.stride == (2, 2)


def test_the_export_matches_pytorch(tmp_path):
    torch.manual_seed(0)
    model = ResNet("resnet50", 102).eval()
    path = str(tmp_path / "1" / "model.onnx")
    export.to_onnx(model, path, 64)
    assert export.difference(model, path, 64, count=3) < 1e-5


def test_pictures_grow_towards_the_end():
    sides = [loop.side_at(p, 224, True) for p in (0.0, 0.5, 0.8, 0.95)]
    assert sides == [128, 160, 192, 224]
    assert loop.side_at(0.0, 224, False) == 224


def test_a_schedule_names_the_side_of_every_epoch(flowers5, tmp_path, tool, refuses):
    code, _, err = tool(train, flowers5, "--out", tmp_path, *TINY, "--schedule", "32x2,48x1")
    assert code == 0, err
    assert [row["side"] for row in log(tmp_path)] == ["32", "32", "48"]
    assert "48 x 3" in refuses(train, flowers5, "--out", tmp_path, *TINY, "--schedule", "48 x 3")


def test_an_image_folder_without_val_gives_some_away(flowers5):
    pictures = folder.load(str(flowers5 / "train"), 32)
    kept, held = folder.hold_out(pictures, 0.15, 0)
    assert len(kept.labels) + len(held.labels) == len(pictures.labels)
    assert np.bincount(held.labels).tolist() == [4] * 5
    assert not set(kept.paths) & set(held.paths)
