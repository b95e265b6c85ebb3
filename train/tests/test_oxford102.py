"""The real data set's layout, on a forged pair of .mat files."""

import numpy as np
import pytest
from scipy.io import savemat

import oxford102


@pytest.fixture
def forged(tmp_path):
    pictures = tmp_path / "jpg"
    pictures.mkdir()
    for i in range(1, 7):
        (pictures / f"image_{i:05d}.jpg").write_bytes(f"picture {i}".encode())
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([[1, 1, 49, 49, 102, 102]])})
    savemat(tmp_path / "setid.mat", {"trnid": np.array([[1, 3]]), "valid": np.array([[2, 5]]), "tstid": np.array([[4, 6]])})
    return tmp_path


def arguments(root, *more):
    return [root / "jpg", root / "out", "--labels", root / "imagelabels.mat", "--splits", root / "setid.mat", *more]


def written(root):
    return {str(p.relative_to(root / "out")): p.read_text() for p in (root / "out").rglob("*.jpg")}


def test_pictures_land_in_their_split_and_category(forged, tool):
    code, out, _ = tool(oxford102, *arguments(forged))
    assert code == 0 and "6 pictures" in out
    assert written(forged) == {
        "train/pink primrose/image_00001.jpg": "picture 1", "train/oxeye daisy/image_00003.jpg": "picture 3",
        "val/pink primrose/image_00002.jpg": "picture 2", "val/blackberry lily/image_00005.jpg": "picture 5",
        "test/oxeye daisy/image_00004.jpg": "picture 4", "test/blackberry lily/image_00006.jpg": "picture 6"}


def test_swap_trains_on_the_large_split_and_a_second_run_is_harmless(forged, tool):
    for _ in range(2):
        code, _, _ = tool(oxford102, *arguments(forged, "--swap", "--copy"))
        assert code == 0
    assert "train/oxeye daisy/image_00004.jpg" in written(forged)
    assert "test/pink primrose/image_00001.jpg" in written(forged)


def test_missing_pictures_are_named_and_counted(forged, tool):
    (forged / "jpg" / "image_00003.jpg").unlink()
    code, out, _ = tool(oxford102, *arguments(forged))
    assert code == 0 and "image_00003.jpg: not there" in out and "1 missing" in out


def test_broken_inputs_get_a_sentence(forged, refuses):
    (forged / "imagelabels.mat").write_bytes(b"no matlab file at all")
    assert "imagelabels.mat" in refuses(oxford102, *arguments(forged))
    savemat(forged / "imagelabels.mat", {"other": np.array([1])})
    assert "'labels'" in refuses(oxford102, *arguments(forged))
    savemat(forged / "imagelabels.mat", {"labels": np.array([[1, 400, 1, 1, 1, 1]])})
    assert "400" in refuses(oxford102, *arguments(forged))
    savemat(forged / "imagelabels.mat", {"labels": np.array([[1, 2]])})
    assert "names picture" in refuses(oxford102, *arguments(forged))
    (forged / "setid.mat").unlink()
    assert "setid.mat" in refuses(oxford102, *arguments(forged))
