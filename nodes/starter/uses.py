"""Scores of what one does with a model beyond a prompt: each use with its pictures and what they must show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from nodes.pictures.upscalers import build
from nodes.starter import companion
from nodes.starter.adapters import merge
from nodes.starter.anchor import PATCH, pixels
from nodes.starter.captions import full_caption, with_article
from nodes.starter.checker import SHAPES_AND_NEW, describe, facts_of, matches
from nodes.starter.drawing import Start, Steering, draw_prompts, through_vae
from nodes.starter.extras import NEW_SHAPE, PAPER, STYLE_WORDS, edges, random_heart
from nodes.starter.landscapes import LandscapeFacts
from nodes.starter.networks import Bundle
from nodes.starter.prompts import Prompted, held_out_prompts, judged, landscape_prompts, prompted
from nodes.starter.reader import describe_landscapes
from nodes.starter.scenes import SIZE, Asked, Facts, Pixels, Scene, draw, random_scene
from nodes.starter.stage_control import hint_of, load_control
from nodes.starter.stage_upscaler import FACTS, SCALE
from nodes.starter.world import TALL, WIDE, draw_view, random_view

_BATCH = 20
_SECONDS = ("wall", "processor")
_PLAIN = ("dB", "levels", "IoU")

Used = tuple[tuple["Line", ...], Pixels | None]


@dataclass(frozen=True)
class Line:
    """Shares (0..1) over `count` pictures; seconds, decibels and levels are plain numbers."""

    name: str
    count: int
    shares: dict[str, float]

    def said(self, name: str) -> str:
        """A figure as people read it."""
        value = self.shares[name]
        if name in _SECONDS:
            return f"{value:.2f} s"
        return f"{value:.2f}" if name.startswith(_PLAIN) else f"{100 * value:.1f} %"


def negative(bundle: Bundle, count: int) -> Used:
    """Prompts that leave the time open; each picture is drawn again with the time it showed as the negative prompt."""
    words = {"day": "a bright day", "sunset": "sunset", "night": "night", "dawn": "dawn"}
    shown: list[Pixels] = []
    changed: list[bool] = []
    for i in range(max(1, count // 5)):
        prompt = ("a house", "a balloon", "clouds", "snow")[i % 4]
        before = draw_prompts(bundle, [prompt], seed=77 + i)
        (time,) = (seen.time for seen in describe_landscapes(list(before)))
        after = draw_prompts(bundle, [prompt], seed=77 + i, negative=words[time])
        changed.append(describe_landscapes(list(after))[0].time != time)
        shown += [before, after]
    line = Line("its own time as the negative prompt", len(changed), {"another time": float(np.mean(changed))})
    return (line,), np.concatenate(shown)


def image_to_image(bundle: Bundle, count: int) -> Used:
    """Drawings of one scene drawn on with the prompt of another: little stays the first, much becomes the second."""
    rng = np.random.default_rng(41)
    starts, ends = _lone(rng, count // 5), _lone(rng, count // 5)
    before = np.stack([draw(scene) for scene in starts])
    lines: list[Line] = []
    shown = [before]
    for strength in (0.3, 0.5, 0.7, 0.9):
        drawn = _drawn(bundle, [full_caption(scene) for scene in ends], Start(before, strength))
        shares = {
            "still the start": _everything([scene.facts for scene in starts], drawn),
            "now the prompt": _everything([scene.facts for scene in ends], drawn),
        }
        lines.append(Line(f"strength {strength:g}", len(drawn), shares))
        shown.append(drawn)
    return tuple(lines), np.concatenate(shown)


def inpainting(bundle: Bundle, count: int) -> Used:
    """A lone shape on the left; the right half is drawn anew with another beside it."""
    rng = np.random.default_rng(42)
    mask = np.zeros((SIZE // PATCH, SIZE // PATCH), bool)
    mask[:, SIZE // PATCH // 2 :] = True
    scenes = _pairs_side_by_side(rng, count // 5)
    before = np.stack([draw(replace(scene, things=scene.things[:1])) for scene in scenes])
    drawn = _drawn(bundle, [full_caption(scene) for scene in scenes], Start(before, mask=mask))
    kept = through_vae(bundle, before)
    # The decoder looks a few pixels around, so what lies next to the mask may change a little.
    outside = np.abs(drawn[:, :, : SIZE // 2 - PATCH].astype(float) - kept[:, :, : SIZE // 2 - PATCH]).mean()
    inside = [
        matches(describe(picture), facts_of(scene.background, *scene.facts.things, relation=scene.relation))
        for scene, picture in zip(scenes, drawn, strict=True)
    ]
    shares = {
        "asked shape inside": float(np.mean([score.everything for score in inside])),
        "asked color inside": float(np.mean([score.color for score in inside])),
        "levels changed outside": float(outside),
    }
    return (Line("right half drawn anew", len(scenes), shares),), drawn


def sizes(bundle: Bundle, count: int) -> Used:
    """Landscapes and shapes in pictures that are not square."""
    views, shapes = landscape_prompts(count // 8), held_out_prompts(count // 8)
    lines: list[Line] = []
    for size in (TALL, WIDE):
        drawn = _drawn(bundle, [one.prompt for one in views], size=size)
        scores = judged([one.facts for one in views], list(drawn))
        shares = {fact: float(np.mean([score[fact] for score in scores])) for fact in ("time", "land", "objects")}
        others = _drawn(bundle, [one.prompt for one in shapes], size=size)
        grounds = [_ground_and_colors(one, picture) for one, picture in zip(shapes, others, strict=True)]
        shares["background and colors"] = float(np.mean(grounds))
        lines.append(Line(f"{size[0]}x{size[1]}", len(views) + len(shapes), shares))
    return tuple(lines), drawn


def blueprint_lora(bundle: Bundle, count: int) -> Used:
    """Prompts with and without the style's words, before and after the LoRA is merged."""
    asked = [*held_out_prompts(count // 10), *landscape_prompts(count // 10)]
    words, facts = [one.prompt for one in asked], [one.facts for one in asked]
    styled = [f"{prompt}, {STYLE_WORDS}" for prompt in words]
    before, before_styled = _drawn(bundle, words), _drawn(bundle, styled)
    merge(bundle, companion("loras", "sfumato-blueprint"))
    after, after_styled = _drawn(bundle, words), _drawn(bundle, styled)
    lines = (
        Line("with the words, no LoRA", len(asked), {"in the style": _in_style(before_styled)}),
        Line("with the words and the LoRA", len(asked), {"in the style": _in_style(after_styled)}),
        Line("with the LoRA, no words", len(asked), {"in the style": _in_style(after)}),
        Line("prompts followed, no LoRA", len(asked), {"everything": _everything(facts, before)}),
        Line("prompts followed, LoRA, no words", len(asked), {"everything": _everything(facts, after)}),
    )
    return lines, np.concatenate([before, after, after_styled])


def heart_lora(bundle: Bundle, count: int) -> Used:
    """Prompts with the new shape, and with the old ones, before and after the LoRA is merged."""
    rng = np.random.default_rng(43)
    hearts = [random_heart(rng, held=True) for _ in range(count // 5)]
    others = held_out_prompts(count // 5)
    prompts = [full_caption(scene) for scene in hearts]
    before, plain = _drawn(bundle, prompts), _drawn(bundle, [one.prompt for one in others])
    merge(bundle, companion("loras", "sfumato-heart"))
    after, plain_after = _drawn(bundle, prompts), _drawn(bundle, [one.prompt for one in others])
    facts = [one.facts for one in others]
    lines = (
        Line("a heart asked for, no LoRA", len(hearts), {"heart there": _hearts(hearts, before)}),
        Line("a heart asked for, LoRA", len(hearts), {"heart there": _hearts(hearts, after)}),
        Line("other shapes, no LoRA", len(others), {"everything": _everything(facts, plain)}),
        Line("other shapes, LoRA", len(others), {"everything": _everything(facts, plain_after)}),
    )
    return lines, np.concatenate([before, after])


def controlled(bundle: Bundle, count: int) -> Used:
    """Prompts that leave the place open, under the edges of a drawing: the edges of the picture against those."""
    rng = np.random.default_rng(44)
    views = [random_view(rng) for _ in range(count // 5)]
    drawings = np.stack([draw_view(view) for view in views])
    prompts = [_without_places(view) if isinstance(view, Scene) else prompted(view).prompt for view in views]
    steering = Steering(load_control(bundle, companion("controlnet", "sfumato-canny")), hint_of(drawings))
    free, steered = _drawn(bundle, prompts), _drawn(bundle, prompts, steering=steering)
    lines: list[Line] = []
    for name, drawn in (("without it", free), ("with it", steered)):
        found = [edge_overlap(one, other) for one, other in zip(drawings, drawn, strict=True)]
        shapes = [value for value, view in zip(found, views, strict=True) if isinstance(view, Scene)]
        lands = [value for value, view in zip(found, views, strict=True) if not isinstance(view, Scene)]
        shares = {f"IoU, {kind}": float(np.mean(of)) for kind, of in (("shapes", shapes), ("landscapes", lands))}
        lines.append(Line(name, len(views), {"IoU": float(np.mean(found)), **shares}))
    return tuple(lines), np.concatenate([drawings, free, steered])


def upscaled(bundle: Bundle, count: int) -> Used:
    """Drawings through the autoencoder and then enlarged, against the same drawn large."""
    rng = np.random.default_rng(45)
    views = [random_view(rng) for _ in range(count // 10)]
    small = through_vae(bundle, np.stack([draw_view(view) for view in views]))
    large = np.stack([draw_view(view, enlarged=SCALE) for view in views])
    network = build(FACTS)
    stored = load_file(companion("upscale_models", "sfumato-4x"))
    network.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    with torch.inference_mode():
        ours = torch.cat([network((pixels(one[None]) + 1) / 2) for one in small])
    drawn = (ours.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    side = SIZE * SCALE
    cubic = np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC) for one in small])
    lines = (
        Line("bicubic", len(views), {"dB": _decibels(cubic, large)}),
        Line("upscaler", len(views), {"dB": _decibels(drawn, large)}),
    )
    return lines, None


def edge_overlap(one: Pixels, other: Pixels) -> float:
    """Edges that both pictures have, at most two pixels apart, over the edges that either has: 0..1."""
    a, b = edges(one) > 0, edges(other) > 0
    near = np.ones((5, 5), np.uint8)
    of_a = a & (cv2.dilate(b.astype(np.uint8), near) > 0)
    of_b = b & (cv2.dilate(a.astype(np.uint8), near) > 0)
    common = (of_a.sum() + of_b.sum()) / 2
    return float(common / max(1.0, common + (a & ~of_a).sum() + (b & ~of_b).sum()))


def _drawn(
    bundle: Bundle,
    prompts: Sequence[str],
    start: Start | None = None,
    *,
    size: tuple[int, int] = (SIZE, SIZE),
    steering: Steering | None = None,
) -> Pixels:
    parts: list[Pixels] = []
    for i in range(0, len(prompts), _BATCH):
        part = slice(i, i + _BATCH)
        begun = replace(start, pictures=start.pictures[part]) if start else None
        steered = Steering(steering.control, steering.hints[part]) if steering else None
        words = list(prompts[part])
        parts.append(draw_prompts(bundle, words, seed=3000 + i, size=size, start=begun, steering=steered))
    return np.concatenate(parts)


def _everything(facts: Sequence[Facts | LandscapeFacts], pictures: Pixels) -> float:
    return float(np.mean([score["everything"] for score in judged(facts, list(pictures))]))


def _lone(rng: np.random.Generator, count: int) -> list[Scene]:
    return [random_scene(rng, most_things=1) for _ in range(count)]


def _pairs_side_by_side(rng: np.random.Generator, count: int) -> list[Scene]:
    found: list[Scene] = []
    while len(found) < count:
        scene = random_scene(rng)
        if scene.relation == "left":
            found.append(scene)
    return found


def _without_places(scene: Scene) -> str:
    things = [with_article(f"{thing.color} {thing.shape}") for thing in scene.things]
    return f"{' and '.join(things)} on {with_article(scene.background)} background"


def _ground_and_colors(one: Prompted, picture: Pixels) -> bool:
    assert isinstance(one.facts, Facts)
    asked = [Asked(thing.color) for thing in one.facts.things]
    scores = matches(describe(_square(picture)), facts_of(one.facts.background, *asked))
    return scores.background and scores.color


def _square(picture: Pixels) -> Pixels:
    return np.asarray(cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def is_blueprint(picture: Pixels) -> bool:
    """Whether most of it is the paper's blue, and some of it is light lines."""
    paper = np.linalg.norm(picture.astype(float) - np.array(PAPER), axis=2) < 60
    return bool(paper.mean() > 0.55 and (picture.min(axis=2) > 130).mean() > 0.005)


def _in_style(pictures: Pixels) -> float:
    return float(np.mean([is_blueprint(picture) for picture in pictures]))


def _hearts(scenes: Sequence[Scene], pictures: Pixels) -> float:
    """The share of pictures in which a thing of the asked color is a heart."""
    there: list[bool] = []
    for scene, picture in zip(scenes, pictures, strict=True):
        seen = describe(picture, SHAPES_AND_NEW)
        there.append(any(thing.shape == NEW_SHAPE and thing.color == scene.things[0].color for thing in seen.things))
    return float(np.mean(there))


def _decibels(pictures: NDArray[np.uint8], true: Pixels) -> float:
    squared = np.square(pictures.astype(float) - true).mean()
    return float(10 * np.log10(255**2 / squared))
