"""Placing a flat blade texture in space: bent along its length, turned, lit and projected.

Every cross-section of a blade is a straight line in one fixed direction (its lateral), so seen along
that lateral the picture of a bent blade depends on one coordinate only. That makes the inverse
mapping exact and cheap: a table over one screen coordinate instead of a mesh. Where the blade folds
back over itself, the table is split and each stretch is drawn on its own, far one first.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .blade import MARGIN
from .canvas import over

_STEPS = 25
_U = np.linspace(0, 1, _STEPS, dtype=np.float32)


@dataclass
class View:
    """Where a head sits on the picture and how it is turned. Screen y runs down, z towards the camera."""
    turn: np.ndarray      # 3x3, head to camera (camera y runs up)
    origin: tuple         # pixels
    scale: float          # pixels a head radius
    light: np.ndarray     # unit vector towards the light, camera coordinates
    ambient: float = 0.55

    def project(self, points):
        """Head coordinates (..., 3) to pixels (..., 2) and depth (...)."""
        p = points @ self.turn.T
        grow = self.scale * (1 + 0.12 * p[..., 2:3])
        xy = p[..., :2] * grow * np.array([1, -1], np.float32) + np.array(self.origin, np.float32)
        return xy, p[..., 2]


@dataclass
class Placed:
    """A blade with its place: ready to be sorted by depth and drawn."""
    texture: np.ndarray
    view: View
    centre: np.ndarray    # _STEPS x 2 pixels, the midrib
    lateral: np.ndarray   # pixels a half breadth
    depth: np.ndarray     # along the midrib
    light: np.ndarray     # along the midrib, for the upper face; negative where the underside shows
    back: np.ndarray      # RGB of the underside or None
    key: float
    shade: float = 0.3


def place(texture, view, base, azimuth, pitch, curl, length, breadth, back=None, bias=0.0, shade=0.3):
    """Puts a blade at `base` (head coordinates) pointing outwards at `azimuth` radians."""
    ca, sa = np.cos(azimuth), np.sin(azimuth)
    radial = np.array([ca, sa, 0], np.float32)
    axis = np.array([0, 0, 1], np.float32)
    side = np.array([-sa, ca, 0], np.float32)
    angle = np.radians(pitch + curl * _U)[:, None]
    tangent = np.cos(angle) * radial + np.sin(angle) * axis
    steps = tangent * (length / (_STEPS - 1))
    midrib = base + np.concatenate([np.zeros((1, 3), np.float32), np.cumsum(steps[:-1], axis=0)])
    xy, z = view.project(midrib.astype(np.float32))

    lateral3 = view.turn @ side
    lateral = lateral3[:2] * np.array([1, -1]) * view.scale * breadth
    reach = np.hypot(*lateral)
    least = 0.22 * view.scale * breadth
    if reach < least:  # seen edge-on: a blade still has some body
        along = xy[-1] - xy[0]
        flat = np.array([-along[1], along[0]]) / (np.hypot(*along) + 1e-6)
        lateral, reach = flat * least, least

    normal = np.cross(tangent, side) @ view.turn.T * -1.0
    facing = normal[:, 2]
    lit = np.abs(normal @ view.light) * 0.75 + 0.25 * np.clip(normal @ view.light * np.sign(facing), 0, 1)
    light = view.ambient + (1.12 - view.ambient) * lit
    light = np.where(facing >= 0, light, -light)
    return Placed(texture, view, xy, lateral.astype(np.float32), z, light.astype(np.float32), back,
                  float(z.mean()) + bias, shade)


def draw(canvas, blade):
    """Draws one placed blade over the canvas."""
    reach = float(np.hypot(*blade.lateral))
    if reach < 0.4:
        return
    unit = blade.lateral / reach
    cross = np.array([-unit[1], unit[0]], np.float32)
    s = blade.centre @ cross
    t = blade.centre @ unit
    rising = np.diff(s) > 0
    turns = np.flatnonzero(rising[1:] != rising[:-1]) + 1
    bounds = [0, *turns[:3].tolist(), _STEPS - 1]
    stretches = [(a, b) for a, b in zip(bounds[:-1], bounds[1:]) if abs(s[b] - s[a]) > 0.7]
    stretches.sort(key=lambda ab: blade.depth[ab[0]:ab[1] + 1].mean())
    for a, b in stretches:
        _draw_stretch(canvas, blade, a, b, s, t, unit, cross, reach)


def _draw_stretch(canvas, blade, a, b, s, t, unit, cross, reach):
    size_y, size_x = canvas.shape[:2]
    mid = blade.centre[a:b + 1]
    pad = np.abs(blade.lateral) * MARGIN + 2
    x0, y0 = np.maximum((mid.min(axis=0) - pad).astype(int), 0)
    x1, y1 = np.minimum((mid.max(axis=0) + pad).astype(int) + 2, (size_x, size_y))
    if x0 >= x1 or y0 >= y1:
        return
    xs = np.arange(x0, x1, dtype=np.float32)
    ys = np.arange(y0, y1, dtype=np.float32)
    grid_s = (ys * cross[1])[:, None] + (xs * cross[0])[None, :]
    grid_t = (ys * unit[1])[:, None] + (xs * unit[0])[None, :]

    # Tables over s in half pixels: texture row, midrib offset, light.
    seg = slice(a, b + 1)
    order = slice(None) if s[b] > s[a] else slice(None, None, -1)
    ss, uu, tt, ll = s[seg][order], _U[seg][order], t[seg][order], blade.light[seg][order]
    n = int((ss[-1] - ss[0]) * 2) + 2
    at = ss[0] + np.arange(n, dtype=np.float32) * 0.5
    rows, cols = blade.texture.shape[:2]
    lut_row = np.interp(at, ss, uu).astype(np.float32) * rows - 0.5
    lut_mid = np.interp(at, ss, tt).astype(np.float32)
    lut_light = np.interp(at, ss, ll).astype(np.float32)

    index = ((grid_s - ss[0]) * 2 + 0.5).astype(np.int32)
    outside = (index < 0) | (index >= n)
    np.clip(index, 0, n - 1, out=index)
    map_y = lut_row.take(index)
    map_y[outside] = -9
    map_x = ((grid_t - lut_mid.take(index)) * (1 / (reach * MARGIN)) + 1) * (cols * 0.5) - 0.5
    piece = cv2.remap(blade.texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    light = lut_light.take(index)
    if ll.min() < 0:
        under = light < 0
        light = np.abs(light)
        if blade.back is not None:
            tint = blade.back * piece[..., 3:4]
            piece[..., :3] = np.where(under[..., None], tint * 0.8 + piece[..., :3] * 0.2, piece[..., :3])
        light = np.where(under, light * 0.82, light)
    piece[..., :3] *= light[..., None]
    np.minimum(piece[..., :3], piece[..., 3:4], out=piece[..., :3])
    over(canvas, piece, int(x0), int(y0), blade.shade)
