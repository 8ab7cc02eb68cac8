"""People's joints found by ViTPose, and drawn as OpenPose draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from nodes.pictures import annotators
from nodes.pictures.annotate import Levels

if TYPE_CHECKING:
    from torch import nn

    from nodes.types import Source

Joint = tuple[float, float] | None
"""A place in pixels, or None where nothing was found."""

_FROM_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""OpenPose's 18 joints as COCO's; the second, the neck, is between the shoulders."""

_BONES = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
_COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0)),
    *((0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255)),
    *((170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
_HEIGHT, _WIDTH = 256, 192
_LEAST_CONFIDENCE = 0.3
_PERSON_CONFIDENCE = 0.5
_ROOM = 1.25
"""A person's box is enlarged so much before joints are looked for in it."""


def people(module: nn.Module, source: Source, rgb: Levels, device: torch.device) -> list[tuple[float, ...]]:
    """The boxes (left, top, right, bottom) of the people in a picture, by an object detector."""
    output = module(annotators.prepared(rgb, annotators.preparation(source)).to(device))
    config = getattr(module, "config", None)
    labels = {int(k): str(v).lower() for k, v in (getattr(config, "id2label", None) or {}).items()}
    person = next((k for k, name in labels.items() if name == "person"), 0)
    if source.family == "detr":
        scores = output.logits[0].softmax(-1)[:, person]
    else:
        scores = output.logits[0].sigmoid()[:, person]
    height, width = rgb.shape[:2]
    kept = output.pred_boxes[0][scores > _PERSON_CONFIDENCE].float().cpu().tolist()
    return [
        ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height) for x, y, w, h in kept
    ]


def joints(module: nn.Module, source: Source, rgb: Levels, box: Sequence[float], device: torch.device) -> list[Joint]:
    """OpenPose's 18 joints of the person in a box."""
    left, top, right, bottom = box
    centre = (left + right) / 2, (top + bottom) / 2
    scale = max((right - left) / _WIDTH, (bottom - top) / _HEIGHT, 1e-6) * _ROOM
    start = centre[0] - scale * _WIDTH / 2, centre[1] - scale * _HEIGHT / 2
    to_picture = np.array([[scale, 0, start[0]], [0, scale, start[1]]], dtype=np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = np.asarray(cv2.warpAffine(rgb, to_picture, (_WIDTH, _HEIGHT), flags=flags))
    how = annotators.preparation(source)
    heat = module(annotators.normalised(crop, how).to(device)).heatmaps[0]
    coco = [_peak(each, start, scale) for each in heat.float().cpu().numpy()]
    return [_neck(coco[5], coco[6]) if i is None else coco[i] for i in _FROM_COCO]


def _peak(heat: np.ndarray, start: tuple[float, float], scale: float) -> Joint:
    """Where a heat map is hottest, to a quarter of its pixels."""
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    if heat[y, x] < _LEAST_CONFIDENCE:
        return None
    step = _WIDTH / heat.shape[1]
    dx = np.sign(heat[y, min(x + 1, heat.shape[1] - 1)] - heat[y, max(x - 1, 0)]) * 0.25
    dy = np.sign(heat[min(y + 1, heat.shape[0] - 1), x] - heat[max(y - 1, 0), x]) * 0.25
    return float(start[0] + (x + dx + 0.5) * step * scale), float(start[1] + (y + dy + 0.5) * step * scale)


def _neck(left: Joint, right: Joint) -> Joint:
    return ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2) if left and right else None


def draw(height: int, width: int, bodies: Sequence[Sequence[Joint]]) -> Levels:
    """Skeletons on black: each bone a dimmed ellipse, each joint a dot, in the colours that ControlNets know."""
    canvas = np.zeros((height, width, 3), np.uint8)
    for body in bodies:
        for (a, b), colour in zip(_BONES, _COLOURS, strict=False):
            _bone(canvas, body[a], body[b], tuple(int(c * 0.6) for c in colour))
    for body in bodies:
        for joint, colour in zip(body, _COLOURS, strict=True):
            if joint:
                cv2.circle(canvas, (round(joint[0]), round(joint[1])), 4, colour, thickness=-1)
    return canvas


def _bone(canvas: Levels, start: Joint, end: Joint, colour: tuple[int, ...]) -> None:
    if not start or not end:
        return
    middle = round((start[0] + end[0]) / 2), round((start[1] + end[1]) / 2)
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    angle = math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))
    outline = cv2.ellipse2Poly(middle, (max(1, int(length / 2)), 4), int(angle), 0, 360, 1)
    cv2.fillConvexPoly(canvas, np.asarray(outline, dtype=np.int32), colour)
