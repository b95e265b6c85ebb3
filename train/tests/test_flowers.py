"""The generator: what it promises about names, seeds, splits and the shape of the data."""

import numpy as np
import pytest

import flowers
import trivial
from flowerlib import backdrops, centres, dataset, habits, outline, scene
from flowerlib.catalogue import CATALOGUE
from flowerlib.names import CLASSES, OXFORD_ORDER


def test_names_are_the_published_list_and_folders_sort_as_classes_do():
    assert len(OXFORD_ORDER) == 102
    assert OXFORD_ORDER[0] == "pink primrose" and OXFORD_ORDER[48] == "oxeye daisy"
    assert OXFORD_ORDER[-1] == "blackberry lily"
    assert list(CLASSES) == sorted(OXFORD_ORDER)


def test_every_species_has_a_morphology_of_its_own():
    shapes = {(s.head, s.habit.kind, s.habit.count) for s in CATALOGUE}
    assert len(shapes) == 102


def test_the_catalogue_uses_only_what_the_painters_know():
    for species in CATALOGUE:
        assert species.habit.kind in habits.KINDS, species.name
        assert all(c.kind in centres.KINDS for c in species.head.centres), species.name
        for whorl in species.head.whorls:
            assert whorl.petal.outline in outline.NAMES, species.name
            assert whorl.at is None or len(whorl.at) == whorl.n, species.name
            assert whorl.scale is None or len(whorl.scale) == whorl.n, species.name


def test_colours_are_shared_between_classes():
    owners = {}
    for species in CATALOGUE:
        for palette in species.palettes:
            owners.setdefault(palette[0], set()).add(species.name)
    assert sum(len(names) >= 3 for names in owners.values()) >= 15


@pytest.mark.parametrize("class_index", range(102))
def test_each_class_paints_a_picture_with_something_on_it(class_index):
    picture = scene.render(class_index, scene.generator(3, class_index, 0), size=48)
    assert picture.shape == (48, 48, 3) and picture.dtype == np.uint8
    assert picture.std() > 4


def test_a_picture_depends_on_seed_class_index_split_and_setting_only():
    same = dataset.picture(1, 4, 2, size=48)
    assert dataset.picture(1, 4, 2, size=48) == same
    others = [dataset.picture(2, 4, 2, size=48), dataset.picture(1, 5, 2, size=48), dataset.picture(1, 4, 3, size=48),
              dataset.picture(1, 4, 2, "val", size=48), dataset.picture(1, 4, 2, hard=True, size=48)]
    assert same not in others and len(set(others)) == len(others)


def test_the_number_of_processes_changes_nothing(tmp_path):
    for folder, processes in (("one", "1"), ("three", "3")):
        flowers.run([str(tmp_path / folder), "--seed", "7", "--per-class", "3", "--size", "48", "--classes",
                     "rose,lotus", "--processes", processes])
    one = {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*.jpg")}
    three = {p.relative_to(tmp_path / "three"): p.read_bytes() for p in (tmp_path / "three").rglob("*.jpg")}
    assert len(one) == 6 and one == three


def test_splits_are_three_image_folders_without_a_common_picture(flowers5):
    seen = [p.read_bytes() for p in flowers5.rglob("*.jpg")]
    assert len(set(seen)) == len(seen)
    for split, count in (("train", 28), ("val", 3), ("test", 4)):
        folders = sorted(p.name for p in (flowers5 / split).iterdir())
        assert folders == sorted(["sunflower", "rose", "foxglove", "passion flower", "grape hyacinth"])
        assert all(len(list((flowers5 / split / f).glob("*.jpg"))) == count for f in folders)


def test_no_backdrop_of_the_hard_setting_is_an_ordinary_one():
    assert not set(backdrops.FAMILIES) & set(backdrops.HARD_FAMILIES)


def test_colour_and_thumbnails_do_not_give_the_classes_away(tmp_path, tool):
    for name, seed in (("known", "1"), ("asked", "2")):
        flowers.run([str(tmp_path / name), "--seed", seed, "--per-class", "3" if name == "known" else "1",
                     "--size", "64"])
    code, out, _ = tool(trivial, tmp_path / "known", tmp_path / "asked")
    assert code == 0
    shares = [float(line.split(": ")[1].split(" ")[0]) for line in out.splitlines() if "%" in line]
    assert len(shares) == 2 and max(shares) < 20


@pytest.mark.parametrize("argv, word", [
    (["--per-class", "0"], "--per-class"), (["--splits", "train,holdout"], "holdout"), (["--seed", "-1"], "--seed"),
    (["--size", "7"], "--size"), (["--classes", "rose,unobtainium"], "unobtainium")])
def test_options_out_of_range_are_named(tmp_path, refuses, argv, word):
    assert word in refuses(flowers, tmp_path / "out", *argv)
    assert not (tmp_path / "out").exists()
