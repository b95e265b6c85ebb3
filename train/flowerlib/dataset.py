"""Writes an image folder (OUT/<class>/<index>.jpg), by as many processes as there are cores."""

import multiprocessing as mp
import os
from pathlib import Path

from . import camera, scene
from .names import CLASSES

SPLIT_SHARE = {"train": 1.0, "val": 0.1, "test": 0.15}  # pictures a class, relative to --per-class


def plan(out, per_class, splits, classes, sizes=None):
    """The pictures to write, as (path, class index, index, split); all classes of an index before the next."""
    jobs = []
    for split in splits or [""]:
        count = max(1, round(per_class * SPLIT_SHARE[split])) if split else per_class
        count = (sizes or {}).get(split, count)
        root = Path(out) / split if split else Path(out)
        jobs += [(str(root / CLASSES[c] / f"{i:05d}.jpg"), c, i, split) for i in range(count) for c in classes]
    return jobs


def picture(seed, class_index, index, split="", hard=False, size=224):
    """The JPEG bytes of one picture."""
    rng = scene.generator(seed, class_index, index, split, hard)
    return camera.develop(scene.render(class_index, rng, size, hard), rng)


def _write(job):
    (path, class_index, index, split), seed, hard, size = job
    data = picture(seed, class_index, index, split, hard, size)
    partial = path + ".part"
    with open(partial, "wb") as f:
        f.write(data)
    os.replace(partial, path)


def write(jobs, seed, hard=False, size=224, processes=None, progress=None):
    """Writes every job. The pictures do not depend on how many processes share the work."""
    for folder in {os.path.dirname(job[0]) for job in jobs}:
        os.makedirs(folder, exist_ok=True)
    tasks = [(job, seed, hard, size) for job in jobs]
    processes = processes or len(os.sched_getaffinity(0))
    if processes == 1:
        for done, task in enumerate(tasks, 1):
            _write(task)
            if progress:
                progress(done)
        return
    with mp.get_context("fork").Pool(processes) as pool:
        for done, _ in enumerate(pool.imap_unordered(_write, tasks, chunksize=8), 1):
            if progress:
                progress(done)
