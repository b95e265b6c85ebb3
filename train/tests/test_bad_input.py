"""What a user can get wrong: one clear sentence each, a non-zero exit, and no traceback."""

import os
import resource
import shutil
import subprocess
import sys

import pytest

import quantise
import train
from conftest import TINY, TRAIN


@pytest.fixture
def copy(flowers5, tmp_path):
    """The training pictures, to be spoilt."""
    target = tmp_path / "data"
    shutil.copytree(flowers5 / "train", target)
    return target


def test_no_such_folder(tmp_path, refuses):
    assert "nowhere" in refuses(train, tmp_path / "nowhere", "--out", tmp_path / "run", *TINY)


def test_a_single_class(copy, tmp_path, refuses):
    for name in ("rose", "foxglove", "passion flower", "grape hyacinth"):
        shutil.rmtree(copy / name)
    assert "1 class folder;" in refuses(train, copy, "--out", tmp_path / "run", *TINY)


def test_an_empty_class(copy, tmp_path, refuses):
    (copy / "tulip").mkdir()
    assert "'tulip'" in refuses(train, copy, "--out", tmp_path / "run", *TINY)


def test_a_class_of_unreadable_pictures_counts_as_empty(copy, tmp_path, refuses):
    (copy / "tulip").mkdir()
    (copy / "tulip" / "a.jpg").write_bytes(b"no picture")
    assert "'tulip'" in refuses(train, copy, "--out", tmp_path / "run", *TINY)


def test_a_class_name_that_is_not_utf8(copy, tmp_path, refuses):
    os.mkdir(os.fsencode(copy) + b"/caf\xe9")
    said = refuses(train, copy, "--out", tmp_path / "run", *TINY)
    assert "UTF-8" in said and r"caf\udce9" in said


def test_unreadable_pictures_are_named_skipped_and_counted(copy, tmp_path, tool):
    (copy / "rose" / "text.jpg").write_bytes(b"not a picture")
    (copy / "rose" / "empty.png").write_bytes(b"")
    whole = (copy / "rose" / "00000.jpg").read_bytes()
    with open(os.fsencode(copy / "rose") + b"/caf\xe9.jpg", "wb") as f:
        f.write(whole[:len(whole) // 2])
    code, out, err = tool(train, copy, "--out", tmp_path / "run", *TINY, "--epochs", "1")
    assert code == 0, err
    skipped = [line for line in out.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 3 and any("text.jpg" in s for s in skipped) and any(r"caf\udce9" in s for s in skipped)
    assert "skipped 3 of 143 pictures" in out
    assert "| unreadable pictures skipped | 3 |" in (tmp_path / "run" / "flower" / "CARD.md").read_text()


def test_a_missing_checkpoint(flowers5, tmp_path, refuses):
    said = refuses(train, flowers5, "--out", tmp_path / "run", "--from", tmp_path / "gone.pt", *TINY)
    assert "gone.pt" in said and not (tmp_path / "run").exists()


def test_a_checkpoint_that_is_none(flowers5, tmp_path, refuses):
    (tmp_path / "odd.pt").write_bytes(b"odd" * 100)
    assert "odd.pt" in refuses(train, flowers5, "--out", tmp_path / "run", "--from", tmp_path / "odd.pt", *TINY)


def test_a_checkpoint_of_another_net(flowers5, trained, tmp_path, refuses):
    argv = ["--from", trained / "best.pt", *TINY, "--arch", "resnet50"]
    assert "--arch" in refuses(train, flowers5, "--out", tmp_path / "run", *argv)


@pytest.mark.parametrize("argv, word", [
    (["--epochs", "0"], "--epochs"), (["--smoothing", "1"], "--smoothing"), (["--device", "toaster"], "toaster"),
    (["--name", "a/b"], "--name"), (["--batch", "-4"], "--batch")])
def test_options_out_of_range_are_named(flowers5, tmp_path, refuses, argv, word):
    assert word in refuses(train, flowers5, "--out", tmp_path / "run", *TINY, *argv)


@pytest.mark.parametrize("room", [100, 100_000, 60_000_000])
def test_a_full_disk(flowers5, tmp_path, room):
    """`room` is the largest file that may be written: the log, the best weights, the state for resuming."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    done = subprocess.run([sys.executable, str(TRAIN / "train.py"), str(flowers5), "--out", str(tmp_path / "run"), *TINY,
                           "--epochs", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=limit)
    said = [line for line in done.stderr.replace("\r", "\n").splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(said) == 1 and "Traceback" not in done.stderr, done.stderr
    assert "no room to write" in said[0]
    assert not list((tmp_path / "run").glob("*.part"))


def test_quantising_what_is_not_there(flowers5, tmp_path, refuses):
    assert "there is no model" in refuses(quantise, tmp_path, flowers5, "--out", tmp_path / "q")


def test_quantising_what_is_no_model(flowers5, tmp_path, refuses):
    (tmp_path / "odd.onnx").write_bytes(b"odd" * 50)
    assert "odd.onnx" in refuses(quantise, tmp_path / "odd.onnx", flowers5, "--out", tmp_path / "q")
