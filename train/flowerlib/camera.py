"""Light and lens: what happens to a painted scene before it is a file."""

import cv2
import numpy as np

from .canvas import blur


def dapple(scene, rng):
    """Sun through leaves: soft bright and dark patches over everything."""
    if rng.random() < 0.45:
        size = scene.shape[0]
        n = int(rng.integers(3, 7))
        mask = cv2.resize(rng.uniform(0, 1, (n, n)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
        depth = rng.uniform(0.15, 0.5)
        scene *= (1 - depth + depth * 1.7 * np.clip(mask * 1.6 - 0.3, 0, 1))[..., None]


def expose(rgb, rng):
    """White balance, exposure, saturation, contrast and vignette."""
    warm, tint = rng.normal(0, 0.10), rng.normal(0, 0.05)
    gains = np.array([1 + warm, 1 + tint, 1 - warm], np.float32)
    rgb = rgb * gains * np.float32(np.exp(rng.normal(0.12, 0.19)))
    grey = rgb @ np.array([0.3, 0.59, 0.11], np.float32)
    saturation = np.float32(np.clip(rng.normal(1.08, 0.17), 0.5, 1.5))
    rgb = grey[..., None] + (rgb - grey[..., None]) * saturation
    mean = np.float32(rgb.mean())
    rgb = mean + (rgb - mean) * np.float32(np.clip(rng.normal(1.0, 0.14), 0.6, 1.4))
    if rng.random() < 0.5:
        size = rgb.shape[0]
        line = (np.linspace(-1, 1, size, dtype=np.float32) ** 2)
        rgb = rgb * (1 - rng.uniform(0.05, 0.35) * 0.5 * (line[:, None] + line[None, :]))[..., None]
    rgb = np.clip(rgb, 0, None)
    return rgb / np.maximum(1, rgb ** 4 * 0.08 + 0.92)  # a shoulder instead of a hard clip


def shoot(rgb, size, rng, hard):
    """Focus, shake, resampling to `size` and sensor noise; returns uint8."""
    if rng.random() < (0.3 if not hard else 0.45):
        rgb = blur(rgb, rng.uniform(0.5, 1.5 if not hard else 2.2))
    if rng.random() < 0.12:
        length = int(rng.integers(3, 8))
        kernel = np.zeros((length, length), np.float32)
        a = rng.uniform(0, np.pi)
        c = (length - 1) / 2
        cv2.line(kernel, (int(c - c * np.cos(a)), int(c - c * np.sin(a))), (int(c + c * np.cos(a)), int(c + c * np.sin(a))), 1.0)
        rgb = cv2.filter2D(np.ascontiguousarray(rgb), -1, kernel / max(kernel.sum(), 1))
    rgb = cv2.resize(np.ascontiguousarray(rgb), (size, size), interpolation=cv2.INTER_AREA)
    sigma = abs(rng.normal(0, 0.013)) + 0.003
    rgb = rgb + rng.standard_normal(rgb.shape, dtype=np.float32) * np.float32(sigma)
    return (np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)


def develop(pixels, rng):
    """JPEG bytes of an RGB picture."""
    quality = int(rng.integers(62, 94))
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise RuntimeError("the picture could not be encoded as JPEG")
    return data.tobytes()
