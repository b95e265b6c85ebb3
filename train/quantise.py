#!/usr/bin/env python3
"""Turns a trained float32 model into an int8 one (ONNX with QuantizeLinear / DequantizeLinear nodes).

    python train/quantise.py runs/mine/flower DATA --out models/mine

Activation ranges come from training pictures (DATA/train, or DATA); top-1 before and after is measured
on DATA/test, DATA/val, or pictures that were not calibrated on. Nothing is written when int8 loses
more than --max-drop points.
"""

import argparse
import os
import shutil
import sys

from trainlib.say import Refusal, main_guard, printable


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", help="repository folder that train.py wrote, or a float .onnx file")
    p.add_argument("data", help="image folder")
    p.add_argument("--out", required=True, help="repository folder to write")
    p.add_argument("--pictures", type=int, default=256, help="to calibrate on (default 256)")
    p.add_argument("--check", type=int, default=1000, help="at most so many pictures to measure on (default 1000)")
    p.add_argument("--max-drop", type=float, default=1.0, help="points of top-1 that may be lost (default 1)")
    p.add_argument("--seed", type=int, default=0)
    return p.parse_args(argv)


def run(argv):
    a = arguments(argv)
    source = a.model if a.model.endswith(".onnx") else os.path.join(a.model, "1", "model.onnx")
    if not os.path.isfile(source):
        raise Refusal(f"there is no model {printable(source)}; give a repository folder that train.py wrote.")
    if a.pictures < 1 or a.check < 1:
        raise Refusal("--pictures and --check must be at least 1.")

    import numpy as np
    import onnx

    from trainlib import calibrate, folder, loop, qdq, runtime

    try:
        model = onnx.load(source)
    except Exception as e:  # protobuf raises its own kinds
        raise Refusal(f"{printable(source)} is no ONNX model ({type(e).__name__}).") from None
    if any(n.op_type == "QuantizeLinear" for n in model.graph.node):
        raise Refusal(f"{printable(source)} is quantised already; give the float32 model.")
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    roots = folder.split_folders(a.data)
    classes = folder.class_names(roots["train"])
    rng = np.random.default_rng(a.seed)
    train = folder.load(roots["train"], side, classes, title="reading train", limit=a.pictures * 2, rng=rng)
    order = rng.permutation(len(train.labels))[:a.pictures]
    other = roots.get("test") or roots.get("val")
    if other:
        check = folder.load(other, side, classes, title="reading check", limit=a.check, rng=rng)
    else:
        rest = np.setdiff1d(np.arange(len(train.labels)), order)
        if not len(rest):
            raise Refusal("all pictures went into calibration; give a val folder, or a smaller --pictures.")
        check = folder.pick(train, rest[:a.check])

    before, speed = runtime.scores(source, check, title="float32")
    old = loop.top(before, check.labels, 1)
    ranges = calibrate.observe(model, qdq.activations(model), train, order)
    small = qdq.rewrite(model, ranges)
    target = os.path.join(a.out, "1", "model.onnx")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    partial = target + ".part"
    onnx.save(small, partial)
    after, fast = runtime.scores(partial, check, title="int8")
    new = loop.top(after, check.labels, 1)
    print(f"top-1 {100 * old:.2f} % in float32 ({speed:.1f} pictures/s), {100 * new:.2f} % in int8 ({fast:.1f} pictures/s), "
          f"on {len(check.labels)} pictures")
    if 100 * (old - new) > a.max_drop:
        os.unlink(partial)
        raise Refusal(f"int8 loses {100 * (old - new):.2f} points of top-1, more than --max-drop {a.max_drop:g}; "
                      "nothing was written. More calibration pictures (--pictures) may help.")
    os.replace(partial, target)
    for name in ("labels.txt", "config.pbtxt"):
        beside = os.path.join(a.model, name)
        if os.path.isfile(beside) and os.path.abspath(a.model) != os.path.abspath(a.out):
            shutil.copyfile(beside, os.path.join(a.out, name))
    print(f"wrote {printable(target)} ({os.path.getsize(target) / 1e6:.1f} MB)")


if __name__ == "__main__":
    sys.exit(main_guard(run, sys.argv[1:]))
