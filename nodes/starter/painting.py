"""How a landscape is drawn, in a few milliseconds: sky, land, things, all in the light of the time of day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nodes.starter.landscapes import Item, Landscape
from nodes.starter.scenes import SIZE, Pixels, Rgb

_SCALE = 2
_ONE = 16
_CELL = 8
"""Pixels of one latent."""
_STREET = 16

SKIES: Mapping[str, tuple[Rgb, Rgb]] = {
    "day": ((86, 170, 236), (206, 234, 250)),
    "sunset": ((112, 62, 128), (255, 168, 76)),
    "night": ((14, 18, 48), (44, 58, 108)),
    "dawn": ((146, 168, 222), (255, 208, 200)),
}
"""Color of the sky at the top and at the horizon."""
_LIGHT: Mapping[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (0.92, 0.66, 0.58),
    "night": (0.36, 0.40, 0.58),
    "dawn": (0.95, 0.84, 0.90),
}
"""How much of each color the light of a time of day leaves."""
_WALLS: Mapping[str, Rgb] = {
    "white": (246, 240, 226),
    "red": (206, 62, 52),
    "yellow": (246, 204, 76),
    "blue": (76, 128, 210),
}
_ENVELOPES: Mapping[str, Rgb] = {
    "red": (222, 58, 54),
    "yellow": (250, 208, 52),
    "blue": (46, 96, 214),
    "purple": (136, 70, 184),
}
_SAILS: Mapping[str, Rgb] = {"white": (252, 250, 244), "red": (218, 58, 54), "yellow": (250, 208, 60)}
_PETALS: Mapping[str, Rgb] = {
    "red": (224, 50, 56),
    "yellow": (252, 216, 60),
    "pink": (246, 140, 190),
    "white": (252, 252, 250),
}


@dataclass
class _Canvas:
    """Pixels at a larger scale, what is painted on them, and the light that falls on it."""

    landscape: Landscape
    pixels: Pixels
    light: NDArray[np.float64]
    width: int
    height: int
    scale: int
    horizon: int
    rng: np.random.Generator

    def shade(self, color: Rgb) -> tuple[int, int, int]:
        r, g, b = (round(float(c * light)) for c, light in zip(color, self.light, strict=True))
        return r, g, b

    def polygon(self, points: Sequence[tuple[float, float]], color: Rgb, *, lit: bool = False) -> None:
        corners = np.round(np.array(points) * (self.scale * _ONE)).astype(np.int32)
        cv2.fillPoly(self.pixels, [corners], color if lit else self.shade(color), cv2.LINE_AA, 4)

    def rectangle(self, x: float, y: float, width: float, height: float, color: Rgb, *, lit: bool = False) -> None:
        left, right = round(x * self.scale), round((x + width) * self.scale)
        top, bottom = round(y * self.scale), round((y + height) * self.scale)
        area = self.pixels[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        area[:] = color if lit else self.shade(color)

    def disc(self, x: float, y: float, r: float, color: Rgb, *, lit: bool = False, ry: float | None = None) -> None:
        middle = round(x * self.scale * _ONE), round(y * self.scale * _ONE)
        axes = round(r * self.scale * _ONE), round((ry or r) * self.scale * _ONE)
        shown = color if lit else self.shade(color)
        cv2.ellipse(self.pixels, middle, axes, 0, 0, 360, shown, -1, cv2.LINE_AA, 4)


def paint(landscape: Landscape, width: int = SIZE, height: int = SIZE, enlarged: int = 1) -> Pixels:
    """The picture of a landscape: [height, width, 3] RGB. The same landscape and size give the same bytes.

    `enlarged` gives the same picture with so many times the pixels on each side.
    """
    scale = max(_SCALE, enlarged)
    rng = np.random.default_rng(landscape.variant)
    top, low = (np.array(color, np.float64) for color in SKIES[landscape.time])
    horizon = round(height * (0.6 + rng.uniform(-0.02, 0.02)))
    share = np.clip(np.arange(height * scale) / (horizon * scale), 0, 1)[:, None, None]
    sky = np.broadcast_to(top + (low - top) * share, (height * scale, width * scale, 3))
    light = np.array(_LIGHT[landscape.time])
    pixels = np.ascontiguousarray(sky.round().astype(np.uint8))
    canvas = _Canvas(landscape, pixels, light, width, height, scale, horizon, rng)
    for name in ("stars", "rainbow", "sun", "moon", "clouds"):
        _each(canvas, name)
    _LAND[landscape.land](canvas)
    # Things keep more of their color than the land does, so that a red house is red at night too.
    canvas.light = light**0.5
    for name in ("lighthouse", "tree", "house", "cactus", "boat", "flowers", "balloon"):
        _each(canvas, name)
    return np.asarray(
        cv2.resize(canvas.pixels, (width * enlarged, height * enlarged), interpolation=cv2.INTER_AREA), np.uint8
    )


def _each(canvas: _Canvas, name: str) -> None:
    for item in canvas.landscape.items:
        if item.name == name:
            _ITEM[name](canvas, item)


def _ridge(canvas: _Canvas, level: float, swing: float, color: Rgb, waves: float = 1.0) -> None:
    """Rolling ground from the given height down."""
    x = np.linspace(0, canvas.width, 33)
    turn, turn2 = canvas.rng.uniform(0, 2 * np.pi, 2)
    length = SIZE / waves
    y = level - swing * (np.sin(2 * np.pi * x / length + turn) + 0.4 * np.sin(4.4 * np.pi * x / length + turn2)) / 1.4
    edge = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    canvas.polygon([(0, canvas.height), *edge, (canvas.width, canvas.height)], color)


def _sea(canvas: _Canvas) -> None:
    h = canvas.height
    near, far = np.array((28, 96, 160.0)), np.array((92, 178, 214.0))
    rows = np.linspace(0, 1, (h - canvas.horizon) * canvas.scale)[:, None, None]
    canvas.pixels[canvas.horizon * canvas.scale :] = (
        ((far + (near - far) * rows) * canvas.light).round().astype(np.uint8)
    )
    for row in range(canvas.horizon // _CELL + 2, h // _CELL - 2, 2):
        for column in range(row % 4, canvas.width // _CELL, 5):
            canvas.rectangle(column * _CELL, row * _CELL + 3, 8, 2, (176, 222, 240))
    _ridge(canvas, h - 9, 3, (238, 212, 150), 0.8)


def _hills(canvas: _Canvas) -> None:
    h = canvas.height
    _ridge(canvas, canvas.horizon, 7, (152, 204, 132), 1.2)
    _ridge(canvas, canvas.horizon + 0.1 * h, 7, (112, 182, 96), 1.0)
    _ridge(canvas, canvas.horizon + 0.2 * h, 5, (76, 154, 72), 0.8)


def _mountains(canvas: _Canvas) -> None:
    w, h = canvas.width, canvas.height
    count = max(2, round(w / 52))
    for layer, (rock, snow, tall) in enumerate(
        (((142, 156, 186), (226, 232, 244), 0.28), ((96, 108, 140), (250, 250, 252), 0.24))
    ):
        for i in range(count + layer):
            x = w * (i + 0.5 - 0.5 * layer) / count + canvas.rng.uniform(-2, 2)
            peak = canvas.horizon - tall * h * (0.8, 1.05)[i % 2]
            foot, half = canvas.horizon + 0.16 * h, 0.42 * w / count + 14
            canvas.polygon([(x - half, foot), (x, peak), (x + half, foot)], rock)
            cap = 0.32
            left, right, y = x - half * cap, x + half * cap, peak + (foot - peak) * cap
            zigzag = [(x + half * 0.12, y - 3), (x, y + 3), (x - half * 0.12, y - 3)]
            canvas.polygon([(left, y), (x, peak), (right, y), *zigzag], snow)
    _ridge(canvas, canvas.horizon + 0.12 * h, 3, (108, 176, 92), 1.0)
    _ridge(canvas, canvas.horizon + 0.22 * h, 3, (78, 152, 74), 0.8)


def _city(canvas: _Canvas) -> None:
    h = canvas.height
    base = h - _STREET
    for color, low, high, windows in (((150, 162, 190), 5, 8, False), ((88, 100, 136), 2, 6, True)):
        column = -int(canvas.rng.integers(0, 2))
        while column * _CELL < canvas.width:
            wide = int(canvas.rng.integers(2, 5))
            floors = int(canvas.rng.integers(low, high + 1)) * h // SIZE
            top = base // _CELL * _CELL - floors * _CELL
            canvas.rectangle(column * _CELL, top, wide * _CELL - 1, base - top, color)
            if windows:
                _windows(canvas, column, wide, top)
            column += wide + (0 if windows else int(canvas.rng.integers(0, 2)))
    canvas.rectangle(0, base, canvas.width, h - base, (74, 76, 88))
    for x in range(4, canvas.width, 16):
        canvas.rectangle(x, base + 7, 8, 2, (236, 226, 190))


def _windows(canvas: _Canvas, column: int, wide: int, top: int) -> None:
    lit = canvas.landscape.time in ("night", "sunset")
    color: Rgb = (255, 222, 120) if lit else (206, 230, 244)
    for i in range(wide):
        for y in range(top, canvas.height - _STREET - _CELL + 1, _CELL):
            if (column + i + 2 * (y // _CELL)) % 5 < 3:
                canvas.rectangle((column + i) * _CELL + 2, y + 2, 4, 4, color, lit=lit)


def _desert(canvas: _Canvas) -> None:
    h = canvas.height
    _ridge(canvas, canvas.horizon + 2, 6, (240, 206, 140), 0.9)
    _ridge(canvas, canvas.horizon + 0.12 * h, 6, (228, 182, 108), 0.8)
    _ridge(canvas, canvas.horizon + 0.24 * h, 4, (210, 156, 84), 0.7)


def _forest(canvas: _Canvas) -> None:
    h = canvas.height
    _ridge(canvas, canvas.horizon + 6, 3, (70, 128, 84), 1.0)
    for color, foot, tall, step in (
        ((70, 132, 92), canvas.horizon + 12, 34, 16),
        ((38, 96, 62), canvas.horizon + 24, 42, 24),
    ):
        for i, x in enumerate(range(0, canvas.width + _CELL, step)):
            _pine(canvas, x, foot, tall * (0.9, 1.1)[i % 2], color)
    _ridge(canvas, canvas.horizon + 0.17 * h, 2, (92, 154, 78), 0.8)
    _ridge(canvas, canvas.horizon + 0.28 * h, 2, (74, 136, 66), 0.7)


def _pine(canvas: _Canvas, x: float, foot: float, tall: float, color: Rgb) -> None:
    half = tall * 0.27
    canvas.rectangle(x - 1.5, foot - 4, 3, 6, (92, 62, 42))
    for i, (share, wide) in enumerate(((0.0, 1.0), (0.3, 0.8), (0.58, 0.58))):
        y = foot - 3 - tall * share
        canvas.polygon([(x - half * wide, y), (x, y - tall * (0.5 - 0.02 * i)), (x + half * wide, y)], color)


def _snow(canvas: _Canvas) -> None:
    h = canvas.height
    canvas.light = canvas.light**0.5
    _ridge(canvas, canvas.horizon, 6, (206, 220, 240), 1.0)
    _ridge(canvas, canvas.horizon + 0.11 * h, 6, (228, 238, 250), 0.9)
    _ridge(canvas, canvas.horizon + 0.22 * h, 4, (250, 252, 255), 0.7)


def _sun(canvas: _Canvas, item: Item) -> None:
    if canvas.landscape.time == "day":
        y, r, color, halo = 0.2 * canvas.height, 13.0, (255, 224, 70), (255, 244, 170)
    else:
        low = canvas.landscape.land in ("sea", "desert", "hills", "snow")
        y, r = (0.42 if low else 0.22) * canvas.height, 17.0
        color, halo = (
            ((255, 112, 60), (255, 206, 110))
            if canvas.landscape.time == "sunset"
            else ((255, 240, 168), (255, 226, 196))
        )
    x = item.x * canvas.width
    canvas.disc(x, y, r + 4, halo, lit=True)
    canvas.disc(x, y, r, color, lit=True)


def _moon(canvas: _Canvas, item: Item) -> None:
    x, y = item.x * canvas.width, 0.2 * canvas.height
    r, g, b = (int(c) for c in canvas.pixels[round(y * canvas.scale), 0])
    canvas.disc(x, y, 14, (250, 240, 196), lit=True)
    canvas.disc(x + 8, y - 3, 12, (r, g, b), lit=True)


def _stars(canvas: _Canvas, _: Item) -> None:
    columns, rows = canvas.width // _CELL, max(3, (canvas.horizon - 14) // _CELL)
    # The same stars every night: where they are is nothing that a prompt could say.
    for at in np.random.default_rng(3).choice(columns * rows, columns * rows // 9, replace=False):
        x, y = _CELL * (at % columns) + 4, _CELL * (at // columns) + 4
        canvas.polygon([(x - 3, y), (x, y - 3), (x + 3, y), (x, y + 3)], (255, 250, 220), lit=True)


def _clouds(canvas: _Canvas, _: Item) -> None:
    color: Rgb = {"day": (255, 255, 255), "sunset": (255, 196, 170), "dawn": (255, 238, 238)}.get(
        canvas.landscape.time, (200, 205, 225)
    )
    count = max(2, round(canvas.width / 56))
    for i in range(count):
        x = canvas.width * (i + 0.5) / count + canvas.rng.uniform(-3, 3)
        y = canvas.height * (0.15, 0.28)[i % 2]
        for dx, dy, r in ((-11, 0, 6), (0, -4, 9), (11, 0, 7)):
            canvas.disc(x + dx, y + dy, r, color, lit=True)
        canvas.rectangle(x - 12, y - 1, 24, 7, color, lit=True)


def _rainbow(canvas: _Canvas, _: Item) -> None:
    bands: tuple[Rgb, ...] = (
        (228, 70, 70),
        (248, 164, 60),
        (252, 228, 90),
        (96, 190, 110),
        (80, 130, 220),
        (150, 100, 200),
    )
    outer = min(0.46 * canvas.width, canvas.horizon - 8.0)
    before = canvas.pixels.copy()
    for i, color in enumerate(bands):
        canvas.disc(canvas.width / 2, canvas.horizon + 6, outer - 3.5 * i, color, lit=True)
    inner = np.zeros(canvas.pixels.shape[:2], np.uint8)
    middle = round(canvas.width / 2 * canvas.scale), round((canvas.horizon + 6) * canvas.scale)
    cv2.circle(inner, middle, round((outer - 3.5 * len(bands)) * canvas.scale), 255, -1, cv2.LINE_AA)
    share = inner[..., None].astype(np.float32) / 255
    canvas.pixels[:] = (before * share + canvas.pixels * (1 - share)).astype(np.uint8)


def _house(canvas: _Canvas, item: Item) -> None:
    x, foot = item.x * canvas.width, canvas.horizon + 0.27 * canvas.height
    wall = _WALLS[item.color or "white"]
    roof: Rgb = (110, 66, 50) if item.color == "red" else (176, 68, 52)
    lit = canvas.landscape.time in ("night", "sunset")
    canvas.rectangle(x - 18, foot - 24, 36, 24, wall)
    canvas.polygon([(x - 23, foot - 23), (x, foot - 42), (x + 23, foot - 23)], roof)
    canvas.rectangle(x - 13, foot - 15, 9, 15, (104, 66, 44))
    canvas.rectangle(x + 2, foot - 17, 10, 9, (255, 222, 120) if lit else (168, 214, 240), lit=lit)


def _tree(canvas: _Canvas, item: Item) -> None:
    x, foot = item.x * canvas.width, canvas.horizon + 0.25 * canvas.height
    if canvas.landscape.land == "snow":
        _pine(canvas, x, foot, 52, (46, 108, 74))
        canvas.polygon([(x - 6, foot - 44), (x, foot - 56), (x + 6, foot - 44)], (250, 252, 255))
        return
    canvas.rectangle(x - 3, foot - 20, 6, 20, (112, 74, 46))
    for dx, dy, r in ((-9, -26, 11), (9, -26, 11), (0, -36, 13)):
        canvas.disc(x + dx, foot + dy, r, (46, 124, 62))


def _boat(canvas: _Canvas, item: Item) -> None:
    x, y = item.x * canvas.width, canvas.horizon + 0.17 * canvas.height
    sail = _SAILS[item.color or "white"]
    canvas.rectangle(x - 1, y - 34, 2, 34, (92, 62, 42))
    canvas.polygon([(x + 2, y - 34), (x + 2, y - 5), (x + 20, y - 5)], sail)
    canvas.polygon([(x - 2, y - 28), (x - 2, y - 5), (x - 16, y - 5)], sail)
    canvas.polygon([(x - 22, y - 2), (x + 24, y - 2), (x + 15, y + 9), (x - 14, y + 9)], (150, 82, 50))


def _lighthouse(canvas: _Canvas, item: Item) -> None:
    x, foot = item.x * canvas.width, canvas.horizon + 10.0
    canvas.disc(x, foot + 2, 24, (104, 104, 112), ry=9)
    tall, bottom, top = 56.0, 10.0, 6.5
    for i in range(5):
        a, b = i / 5, (i + 1) / 5
        low, high = bottom + (top - bottom) * a, bottom + (top - bottom) * b
        color: Rgb = (212, 58, 52) if i % 2 == 0 else (250, 246, 238)
        canvas.polygon(
            [
                (x - low, foot - tall * a),
                (x + low, foot - tall * a),
                (x + high, foot - tall * b),
                (x - high, foot - tall * b),
            ],
            color,
        )
    lit = canvas.landscape.time in ("night", "sunset")
    if lit:
        canvas.polygon(
            [(x, foot - tall - 5), (x - 60, foot - tall - 18), (x - 60, foot - tall + 6)], (255, 236, 160), lit=True
        )
    canvas.rectangle(x - 5, foot - tall - 9, 10, 9, (255, 232, 130), lit=True)
    canvas.polygon([(x - 8, foot - tall - 8), (x, foot - tall - 17), (x + 8, foot - tall - 8)], (170, 46, 44))


def _balloon(canvas: _Canvas, item: Item) -> None:
    x, y = item.x * canvas.width, 0.27 * canvas.height + canvas.rng.uniform(-4, 4)
    color = _ENVELOPES[item.color or "red"]
    canvas.polygon([(x - 14, y + 8), (x + 14, y + 8), (x + 4, y + 22), (x - 4, y + 22)], color)
    canvas.disc(x, y, 17, color)
    canvas.disc(x, y, 6.5, (252, 246, 232), ry=17)
    canvas.polygon([(x - 6, y + 10), (x + 6, y + 10), (x + 2.5, y + 22), (x - 2.5, y + 22)], (252, 246, 232))
    canvas.rectangle(x - 4, y + 26, 8, 7, (128, 82, 46))
    canvas.rectangle(x - 4, y + 22, 1, 4, (128, 82, 46))
    canvas.rectangle(x + 3, y + 22, 1, 4, (128, 82, 46))


def _cactus(canvas: _Canvas, item: Item) -> None:
    x, foot = item.x * canvas.width, canvas.horizon + 0.27 * canvas.height
    color: Rgb = (62, 140, 78)
    canvas.rectangle(x - 5, foot - 40, 10, 40, color)
    canvas.disc(x, foot - 40, 5, color)
    for side, level in ((-1, 20.0), (1, 26.0)):
        out = x + side * 14
        canvas.rectangle(min(x, out), foot - level, 14, 6, color)
        canvas.rectangle(out - 3, foot - level - 11, 6, 17, color)
        canvas.disc(out, foot - level - 11, 3, color)


def _flowers(canvas: _Canvas, item: Item) -> None:
    color = _PETALS[item.color or "red"]
    for row in (canvas.height // _CELL - 1, canvas.height // _CELL - 3):
        for column in range(row // 2 % 2, canvas.width // _CELL, 2):
            x, y = column * _CELL + 4, row * _CELL + 4
            canvas.disc(x, y, 3.6, color)
            canvas.disc(x, y, 1.3, (120, 80, 30) if item.color == "yellow" else (250, 214, 80))


_LAND: Mapping[str, Callable[[_Canvas], None]] = {
    "sea": _sea, "hills": _hills, "mountains": _mountains, "city": _city, "desert": _desert, "forest": _forest,
    "snow": _snow,
}  # fmt: skip
_ITEM: Mapping[str, Callable[[_Canvas, Item], None]] = {
    "sun": _sun, "moon": _moon, "stars": _stars, "clouds": _clouds, "rainbow": _rainbow, "house": _house,
    "tree": _tree, "boat": _boat, "lighthouse": _lighthouse, "balloon": _balloon, "cactus": _cactus,
    "flowers": _flowers,
}  # fmt: skip
