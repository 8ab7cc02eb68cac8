"""What a landscape shows: the time of day by the color of its sky, the land and the things in it by a small network.

The network is trained (`stage_reader.py`) on drawings alone, true ones and blurred ones, and never on what the denoiser
draws. Its own error is measured on other drawings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nodes.starter.landscapes import LANDS, OBJECTS, LandscapeFacts
from nodes.starter.painting import SKIES
from nodes.starter.scenes import SIZE, Pixels

_FILE = Path(__file__).parent / "reader.safetensors"
_SKY_ROWS = 0.06
"""The share of the height, from the top, that is looked at for the time of day."""


@dataclass(frozen=True)
class SeenLandscape:
    """What was found in a picture."""

    time: str
    land: str
    objects: frozenset[str]


@dataclass(frozen=True)
class LandscapeScores:
    """Which of the asked facts a landscape shows; `objects` is the share (0..1) of the asked ones that are there."""

    time: bool
    land: bool
    objects: float

    @property
    def everything(self) -> bool:
        """Whether all of it is shown."""
        return self.time and self.land and self.objects == 1


class Reader(nn.Module):
    """Tells lands and things from pixels [B, 3, H, W] in -1..1: logits [B, 7 + 12]."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 48, 64)
        self.see = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, padding=1, stride=2), nn.GroupNorm(b // 8, b), nn.SiLU())
                for a, b in pairwise(widths)
            ),
            nn.Conv2d(64, 64, 3, padding=1), nn.GroupNorm(8, 64), nn.SiLU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.SiLU(),
        )  # fmt: skip
        self.tell = nn.Linear(128, len(LANDS) + len(OBJECTS))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        seen = self.see(pixels)
        return self.tell(torch.cat([seen.amax((2, 3)), seen.mean((2, 3))], dim=1))

    def save(self, path: Path = _FILE) -> None:
        """Write its weights."""
        save_file({key: value.detach().half().contiguous() for key, value in self.state_dict().items()}, path)


def describe_landscapes(pictures: Sequence[Pixels]) -> list[SeenLandscape]:
    """What RGB pictures of one size [H, W, 3] show."""
    scale = SIZE / min(pictures[0].shape[:2])
    if scale != 1:
        pictures = [_resized(one, scale) for one in pictures]
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        logits = torch.cat([_reader()(part) for part in pixels.split(32)])
    lands, objects = logits[:, : len(LANDS)].argmax(1).tolist(), (logits[:, len(LANDS) :] > 0).tolist()
    return [
        SeenLandscape(
            _time(one), LANDS[land], frozenset(name for name, there in zip(OBJECTS, row, strict=True) if there)
        )
        for one, land, row in zip(pictures, lands, objects, strict=True)
    ]


def shows(seen: SeenLandscape, facts: LandscapeFacts) -> LandscapeScores:
    """Which of the facts hold in what was seen."""
    there = [name in seen.objects for name in facts.objects]
    return LandscapeScores(
        facts.time in (None, seen.time), facts.land in (None, seen.land), float(np.mean(there)) if there else 1.0
    )


def _resized(picture: Pixels, scale: float) -> Pixels:
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _reader() -> Reader:
    reader = Reader()
    reader.load_state_dict({key: value.float() for key, value in load_file(_FILE).items()})
    return reader.eval()


def _time(picture: Pixels) -> str:
    rows = max(1, round(len(picture) * _SKY_ROWS))
    # Stars and clouds are fewer than the pixels of plain sky.
    color = np.median(picture[:rows].reshape(-1, 3), axis=0)
    tops: Mapping[str, np.ndarray] = {time: np.array(top) for time, (top, _) in SKIES.items()}
    return min(tops, key=lambda time: float(np.linalg.norm(color - tops[time])))
