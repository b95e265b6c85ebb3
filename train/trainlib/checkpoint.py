"""Checkpoints: written whole or not at all, read with one clear sentence when they do not fit."""

import errno
import os
import pickle

import torch

from .say import Refusal, printable


def save(state, path):
    partial = f"{path}.part"
    try:
        torch.save(state, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as e:
        if os.path.exists(partial):
            os.unlink(partial)
        # PyTorch's writer reports a short write as a RuntimeError of its own.
        code = e.errno if isinstance(e, OSError) and e.errno else errno.ENOSPC
        raise OSError(code, os.strerror(code), str(path)) from None


def load(path):
    if not os.path.isfile(path):
        raise Refusal(f"there is no checkpoint {printable(path)}; give the path of a .pt file that train.py wrote.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as e:
        raise Refusal(f"{printable(path)} is no checkpoint that PyTorch can read ({str(e).splitlines()[0][:80]}).") from None


def transfer(model, path):
    """Takes over every parameter of the checkpoint that fits by name and shape; returns how many, and what was left."""
    state = load(path)
    state = state.get("model", state) if isinstance(state, dict) else {}
    own = model.state_dict()
    fits = {k: v for k, v in state.items() if k in own and hasattr(v, "shape") and own[k].shape == v.shape}
    if len(fits) < len(own) // 2:
        raise Refusal(f"{printable(path)} fits only {len(fits)} of the net's {len(own)} tensors; "
                      "choose the --arch that it was trained with.")
    model.load_state_dict({**own, **fits})
    return len(fits), sorted(set(own) - set(fits))
