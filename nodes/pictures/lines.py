"""Lines in pictures, white on black, found by filters: 8-bit RGB in, 8-bit grey out."""

from __future__ import annotations

import cv2
import numpy as np

from nodes.pictures.annotate import Levels

_PYRAMID = (0.2, 0.4, 0.6, 0.8, 1.0)


def canny_pyramid(rgb: Levels, low: int, high: int) -> Levels:
    """Canny's edges of each colour at five sizes, the finest counting least far: strong edges are brighter."""
    found: np.ndarray | None = None
    for share in _PYRAMID:
        size = max(1, int(rgb.shape[1] * share)), max(1, int(rgb.shape[0] * share))
        small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
        planes = [cv2.Canny(np.ascontiguousarray(small[..., c]), low, high) for c in range(3)]
        edges = np.stack(planes, axis=2).astype(np.float32) / 255.0
        if found is None:
            found = edges
        else:
            found = 0.75 * np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_LINEAR)) + 0.25 * edges
    assert found is not None
    return _stretched(found.sum(axis=2), 1, 99)


def _stretched(values: np.ndarray, low: float, high: float) -> Levels:
    """Values from one percentile to another spread over 0 to 255."""
    bottom, top = np.percentile(values, [low, high])
    return _bytes((values - bottom) / max(float(top - bottom), 1e-6))


def _bytes(values: np.ndarray) -> Levels:
    return np.clip(values * 255.0, 0, 255).astype(np.uint8)


def soft_edges(rgb: Levels, *, steps: int | None = None) -> Levels:
    """How strong the edge at each place is, over three scales in the Lab colour space; in `steps` + 1 levels if given.

    Strong is what the strongest hundredth of the picture's edges are, or a tenth of the way from black to white.
    """
    lab = np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), dtype=np.float32) / np.float32(
        100
    )
    total = np.zeros(rgb.shape[:2], np.float32)
    for sigma in (1.0, 2.0, 4.0):
        smooth = np.asarray(cv2.GaussianBlur(lab, (0, 0), sigma))
        gx = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=sigma / 8))
        gy = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=sigma / 8))
        total += np.sqrt(gx * gx + gy * gy).max(axis=2) / 3.0
    strength = np.clip(total / max(float(np.percentile(total, 99)), 0.1), 0, 1)
    if steps is not None:
        strength = np.floor(strength * (steps + 1)) / steps
    return _bytes(strength)


def scribble_of(edges: Levels) -> Levels:
    """Soft edges as strokes of one width, as if by a pen."""
    smooth = np.asarray(cv2.GaussianBlur(edges.astype(np.float32), (0, 0), 3.0))
    ridge = np.zeros(edges.shape, dtype=bool)
    for line in (
        [[0, 0, 0], [1, 1, 1], [0, 0, 0]],
        [[0, 1, 0], [0, 1, 0], [0, 1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
    ):
        ridge |= np.asarray(cv2.dilate(smooth, np.array(line, dtype=np.uint8))) == smooth
    thin = (ridge & (smooth > 127)).astype(np.float32) * 255
    return np.where(np.asarray(cv2.GaussianBlur(thin, (0, 0), 3.0)) > 4, 255, 0).astype(np.uint8)


def dark_strokes(rgb: Levels) -> Levels:
    """Where any colour is darker than half."""
    return np.where(rgb.min(axis=2) < 127, 255, 0).astype(np.uint8)


def xdog(rgb: Levels, threshold: int) -> Levels:
    """Where a picture is darker than its surroundings, by the difference of two blurs (Winnemöller et al. 2012)."""
    x = rgb.astype(np.float32)
    near, far = (np.asarray(cv2.GaussianBlur(x, (0, 0), sigma)) for sigma in (0.5, 5.0))
    paper = np.clip(255 - (far - near).min(axis=2), 0, 255).astype(np.uint8)
    return np.where(2 * (255 - paper.astype(np.int32)) > threshold, 255, 0).astype(np.uint8)


def line_drawing(rgb: Levels, sigma: float, threshold: float = 8.0) -> Levels:
    """How much darker each place is than its surroundings within `sigma`, the typical line made half bright."""
    x = rgb.astype(np.float32)
    darker = (np.asarray(cv2.GaussianBlur(x, (0, 0), sigma)) - x if sigma > 0 else x * 0).min(axis=2).clip(0, 255)
    lines = darker[darker > threshold]
    typical = max(16.0, float(np.median(lines)) if lines.size else 0.0)
    return np.clip(darker / typical * 127.0, 0, 255).astype(np.uint8)


def without_specks(values: np.ndarray, smallest: int, connectivity: int = 1) -> np.ndarray:
    """Values without what is connected (also by corners, above a connectivity of 1) and has too few pixels."""
    neighbours = 4 if connectivity == 1 else 8
    _, labels, stats, _ = cv2.connectedComponentsWithStats((values > 0).astype(np.uint8), connectivity=neighbours)
    large = np.asarray(stats)[:, int(cv2.CC_STAT_AREA)] >= smallest
    return np.where(large[np.asarray(labels, dtype=np.intp)], values, 0)


def segments(rgb: Levels, contrast: float, min_length: float) -> Levels:
    """Straight lines of at least `min_length` pixels across which brightness changes by at least `contrast` of 0..1.

    Found by LSD (von Gioi et al. 2012), whose pieces along one line are drawn as they are.
    """
    grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    canvas = np.zeros(grey.shape, np.uint8)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(grey)[0]
    for x0, y0, x1, y1 in np.asarray(found).reshape(-1, 4) if found is not None else ():
        length = float(np.hypot(x1 - x0, y1 - y0))
        if length >= min_length and _contrast(grey, (x0, y0), (x1, y1)) >= contrast:
            cv2.line(canvas, (round(x0), round(y0)), (round(x1), round(y1)), 255, 1)
    return canvas


def _contrast(grey: Levels, start: tuple[float, float], end: tuple[float, float]) -> float:
    """The mean difference of brightness, 0 to 1, two pixels to either side of a segment."""
    at = np.linspace(0, 1, 16)
    x, y = start[0] + (end[0] - start[0]) * at, start[1] + (end[1] - start[1]) * at
    length = max(float(np.hypot(end[0] - start[0], end[1] - start[1])), 1e-6)
    across = (end[1] - start[1]) / length * 2, -(end[0] - start[0]) / length * 2
    height, width = grey.shape
    sides = [
        grey[
            np.clip(np.rint(y + sign * across[1]), 0, height - 1).astype(int),
            np.clip(np.rint(x + sign * across[0]), 0, width - 1).astype(int),
        ].astype(np.float32)
        for sign in (-1, 1)
    ]
    return float(np.abs(sides[0] - sides[1]).mean()) / 255.0
