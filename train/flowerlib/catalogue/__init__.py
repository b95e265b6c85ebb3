"""The table of species: 102 of them, each with a morphology of its own."""

from ..names import CLASSES
from . import daisies, lilies, open_faced, spikes_and_clusters

_ALL = {s.name: s for part in (daisies, open_faced, lilies, spikes_and_clusters) for s in part.SPECIES}

if set(CLASSES) != set(_ALL):
    raise RuntimeError(f"the catalogue and the list of names differ in {sorted(set(CLASSES) ^ set(_ALL))}")

CATALOGUE = tuple(_ALL[name] for name in CLASSES)
