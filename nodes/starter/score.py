"""How well the bundled model and its companions do what they are asked.

python -m nodes.starter.score [--quick] [--only PART] [--grid FOLDER] [--json FILE.json] [--card FILE.md]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from nodes.starter import uses, weights_folder
from nodes.starter.drawing import draw_prompts, grid
from nodes.starter.networks import Bundle, load_bundle
from nodes.starter.prompts import Prompted, held_out_prompts, judged, landscape_prompts, three_prompts
from nodes.starter.scenes import Pixels
from nodes.starter.uses import Line

_BATCH = 20
_START, _END = "<!-- scores -->", "<!-- end of scores -->"


@dataclass(frozen=True)
class Part:
    """One part of the report: its lines, and pictures worth looking at."""

    title: str
    lines: tuple[Line, ...]
    pictures: Pixels | None = None


def draw_all(bundle: Bundle, asked: Sequence[Prompted], *, steps: int = 20, cfg: float = 4.0) -> Pixels:
    """One picture per prompt, each with its own fixed seed."""
    batches = [
        draw_prompts(bundle, [one.prompt for one in asked[i : i + _BATCH]], seed=1000 + i, steps=steps, cfg=cfg)
        for i in range(0, len(asked), _BATCH)
    ]
    return np.concatenate(batches)


def followed(asked: Sequence[Prompted], pictures: Pixels) -> tuple[Line, ...]:
    """A line per kind of prompt: the share of pictures that show each fact."""
    scores = judged([one.facts for one in asked], list(pictures))
    kinds = dict.fromkeys(one.kind for one in asked)
    return tuple(
        _mean(kind, [score for one, score in zip(asked, scores, strict=True) if one.kind == kind]) for kind in kinds
    )


def _mean(name: str, scores: Sequence[Mapping[str, float]]) -> Line:
    shares = {fact: float(np.mean([score[fact] for score in scores])) for fact in scores[0]}
    return Line(name, len(scores), shares)


def _prompts(bundle: Bundle, count: int) -> Part:
    shapes = held_out_prompts(count)
    drawn = draw_all(bundle, shapes)
    lines = followed(shapes, drawn)
    every = _mean("one or two", judged([one.facts for one in shapes], list(drawn)))
    three = three_prompts(count // 4)
    return Part("shapes", (*lines, every, *followed(three, draw_all(bundle, three))), _failures_first(shapes, drawn))


def _landscapes(bundle: Bundle, count: int) -> Part:
    asked = landscape_prompts(count // 2)
    drawn = draw_all(bundle, asked)
    return Part("landscapes", followed(asked, drawn), _failures_first(asked, drawn))


def _guidance(bundle: Bundle, count: int) -> Part:
    shapes, views = held_out_prompts(count // 8), landscape_prompts(count // 8)
    lines: list[Line] = []
    for cfg in (1.0, 2.0, 8.0, 12.0):
        one = _mean("", judged([a.facts for a in shapes], list(draw_all(bundle, shapes, cfg=cfg)))).shares
        other = _mean("", judged([a.facts for a in views], list(draw_all(bundle, views, cfg=cfg)))).shares
        shares = {
            "shapes": one["everything"],
            "time": other["time"],
            "land": other["land"],
            "objects": other["objects"],
        }
        lines.append(Line(f"guidance {cfg:g}", len(shapes) + len(views), shares))
    return Part("guidance", tuple(lines))


def _speed(bundle: Bundle, count: int) -> Part:  # noqa: ARG001 -- every part has the same form
    started = time.perf_counter()
    load_bundle(weights_folder())
    loaded = time.perf_counter() - started
    draw_prompts(bundle, ["a red circle"], steps=2)
    wall, own = time.perf_counter(), time.process_time()
    draw_prompts(bundle, ["a red circle"])
    seconds = {"wall": time.perf_counter() - wall, "processor": time.process_time() - own}
    threads = f"20 steps, {torch.get_num_threads()} thread"
    return Part("seconds", (Line("loading", 1, {"wall": loaded}), Line(threads, 1, seconds)))


def _using(
    title: str, use: Callable[[Bundle, int], tuple[tuple[Line, ...], Pixels | None]]
) -> Callable[[Bundle, int], Part]:
    return lambda bundle, count: Part(title, *use(bundle, count // 2))


PARTS: Mapping[str, Callable[[Bundle, int], Part]] = {
    "shapes": _prompts,
    "landscapes": _landscapes,
    "guidance": _guidance,
    "negative": _using("negative prompts", uses.negative),
    "image": _using("image to image", uses.image_to_image),
    "inpainting": _using("inpainting", uses.inpainting),
    "sizes": _using("other sizes", uses.sizes),
    "blueprint": _using("LoRA: blueprint style", uses.blueprint_lora),
    "heart": _using("LoRA: heart", uses.heart_lora),
    "control": _using("ControlNet: edges", uses.controlled),
    "upscaler": _using("upscaler", uses.upscaled),
    "speed": _speed,
}


def as_text(part: Part) -> str:
    """A part as a table for a terminal."""
    rows = [f"{part.title}"]
    for line in part.lines:
        shares = "  ".join(f"{name} {line.said(name)}" for name in line.shares)
        rows.append(f"  {line.name:34} n {line.count:<4} {shares}")
    return "\n".join(rows)


def as_markdown(parts: Sequence[Part]) -> str:
    """The tables of a model card."""
    tables: list[str] = []
    for part in parts:
        rows: list[str] = []
        names: tuple[str, ...] = ()
        for line in part.lines:
            if tuple(line.shares) != names:
                names = tuple(line.shares)
                rows += ["", "| | n | " + " | ".join(names) + " |", "|---|---" + "|---" * len(names) + "|"]
            rows.append(f"| {line.name} | {line.count} | " + " | ".join(line.said(name) for name in names) + " |")
        tables.append(f"### {part.title[:1].upper()}{part.title[1:]}\n" + "\n".join(rows))
    return "\n\n".join(tables) + "\n"


def write_into(card: Path, tables: str) -> None:
    """Put the tables between the card's two marks."""
    before, _, rest = card.read_text("utf-8").partition(_START)
    _, _, after = rest.partition(_END)
    card.write_text(f"{before}{_START}\n\n{tables}\n{_END}{after}", encoding="utf-8")


def _failures_first(asked: Sequence[Prompted], pictures: Pixels) -> Pixels:
    right = [score["everything"] for score in judged([one.facts for one in asked], list(pictures))]
    return pictures[np.argsort(right, kind="stable")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, judge, print; write the grids, the JSON and the card's tables if asked to."""
    parser = argparse.ArgumentParser(prog="python -m nodes.starter.score", description=__doc__)
    parser.add_argument("--weights", type=Path, default=weights_folder(), help="the diffusers folder to score")
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="one part; may be given again")
    parser.add_argument("--count", type=int, default=200, help="how many prompts of shapes; the rest in proportion")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--grid", type=Path, help="a folder for the pictures, failures first")
    parser.add_argument("--json", type=Path, help="where to save the figures")
    parser.add_argument("--card", type=Path, help="the model card whose tables are replaced")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    parts: list[Part] = []
    for name, score in PARTS.items():
        if asked.only and name not in asked.only:
            continue
        part = score(load_bundle(asked.weights), asked.count)
        print(as_text(part), flush=True)
        parts.append(part)
        if asked.grid and part.pictures is not None:
            asked.grid.mkdir(parents=True, exist_ok=True)
            drawn = cv2.cvtColor(grid(part.pictures, 16), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(asked.grid / f"{name}.png"), drawn)
    if asked.json:
        report = {part.title: {line.name: {"n": line.count, **line.shares} for line in part.lines} for part in parts}
        asked.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if asked.card:
        write_into(asked.card, as_markdown(parts))


if __name__ == "__main__":
    main()
