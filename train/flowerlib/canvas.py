"""Layers of premultiplied RGBA, float32, and how one is laid over another."""

import cv2
import numpy as np

cv2.setNumThreads(1)


def blank(size):
    return np.zeros((size, size, 4), np.float32)


def over(dst, src, x=0, y=0, shade=0.0):
    """Lays `src` over `dst` with its corner at (x, y), clipped. `shade` darkens what lies beneath its rim."""
    h, w = src.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, dst.shape[1]), min(y + h, dst.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = src[y0 - y:y1 - y, x0 - x:x1 - x]
    under = dst[y0:y1, x0:x1]
    alpha = part[..., 3:4]
    keep = 1 - alpha
    if shade:
        soft = cv2.blur(np.ascontiguousarray(alpha[..., 0]), (9, 9))[..., None]
        under[..., :3] *= (1 - shade * soft) * keep
        if dst.shape[2] == 4:
            under[..., 3:] *= keep
    else:
        under *= keep
    under += part[..., :dst.shape[2]]


def blur(layer, sigma):
    """Gaussian blur; wide ones are done at a lower resolution."""
    if sigma < 0.3:
        return layer
    h, w = layer.shape[:2]
    step = max(1, int(sigma / 2.0))
    small = layer
    if step > 1:
        small = cv2.resize(layer, (max(w // step, 4), max(h // step, 4)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR) if step > 1 else small


class Strokes:
    """Antialiased lines and dots, gathered on an 8-bit layer and laid over a canvas in one go."""

    SHIFT = 3  # fractional bits of OpenCV's coordinates

    def __init__(self, size):
        self.layer = np.zeros((size, size, 4), np.uint8)
        self.box = [size, size, 0, 0]

    def _grow(self, points, pad):
        lo, hi = points.min(axis=0) - pad, points.max(axis=0) + pad
        size = self.layer.shape[0]
        b = self.box
        self.box = [max(0, min(b[0], int(lo[0]))), max(0, min(b[1], int(lo[1]))),
                    min(size, max(b[2], int(hi[0]) + 1)), min(size, max(b[3], int(hi[1]) + 1))]

    @staticmethod
    def _ink(rgb):
        r, g, b = np.clip(np.asarray(rgb) * 255, 0, 255)
        return float(r), float(g), float(b), 255.0

    def line(self, points, rgb, width):
        points = np.asarray(points, np.float32)
        self._grow(points, width + 2)
        fixed = np.round(points * (1 << self.SHIFT)).astype(np.int32)
        cv2.polylines(self.layer, [fixed], False, self._ink(rgb), max(1, int(round(width))),
                      cv2.LINE_AA, self.SHIFT)

    def dot(self, point, rgb, radius):
        p = np.asarray(point, np.float32)[None]
        self._grow(p, radius + 2)
        one = 1 << self.SHIFT
        cv2.circle(self.layer, (int(p[0, 0] * one), int(p[0, 1] * one)), max(1, int(radius * one)),
                   self._ink(rgb), -1, cv2.LINE_AA, self.SHIFT)

    def fill(self, points, rgb):
        points = np.asarray(points, np.float32)
        self._grow(points, 2)
        cv2.fillPoly(self.layer, [np.round(points * (1 << self.SHIFT)).astype(np.int32)],
                     self._ink(rgb), cv2.LINE_AA, self.SHIFT)

    def onto(self, canvas, shade=0.0):
        x0, y0, x1, y1 = self.box
        if x0 < x1 and y0 < y1:
            over(canvas, self.layer[y0:y1, x0:x1].astype(np.float32) * (1 / 255), x0, y0, shade)
