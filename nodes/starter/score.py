"""How well the bundled model follows prompts that its training never saw.

python -m nodes.starter.score [--count 200] [--grid FILE.png] [--json FILE.json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from nodes.starter import weights_folder
from nodes.starter.captions import full_caption
from nodes.starter.checker import Scores, describe, matches
from nodes.starter.drawing import draw_prompts, grid
from nodes.starter.networks import Bundle, load_bundle
from nodes.starter.scenes import Facts, Pixels, random_scene

FACTS = ("background", "count", "color", "shape", "place", "everything")
_BATCH = 20


@dataclass(frozen=True)
class Prompted:
    """A prompt and what it asks for."""

    prompt: str
    facts: Facts

    @property
    def kind(self) -> str:
        """Which row of the table it counts in."""
        return "one thing" if len(self.facts.things) == 1 else "two things"


@dataclass(frozen=True)
class Row:
    """Shares of right facts (0..1) over `count` pictures."""

    kind: str
    count: int
    shares: dict[str, float]


def held_out_prompts(count: int, seed: int = 2026) -> list[Prompted]:
    """Prompts of combinations kept from training: half with one thing, half with two. Always the same ones."""
    rng = np.random.default_rng(seed)
    wanted = {1: count - count // 2, 2: count // 2}
    chosen: list[Prompted] = []
    while any(wanted.values()):
        scene = random_scene(rng, held=True)
        if wanted[len(scene.things)]:
            wanted[len(scene.things)] -= 1
            chosen.append(Prompted(full_caption(scene), scene.facts))
    return chosen


def draw_all(bundle: Bundle, prompted: Sequence[Prompted], *, steps: int = 20, cfg: float = 4.0) -> Pixels:
    """One picture per prompt, each with its own fixed seed."""
    batches = [
        draw_prompts(bundle, [one.prompt for one in prompted[i : i + _BATCH]], seed=1000 + i, steps=steps, cfg=cfg)
        for i in range(0, len(prompted), _BATCH)
    ]
    return np.concatenate(batches)


def table(prompted: Sequence[Prompted], pictures: Pixels) -> list[Row]:
    """A row per kind of prompt, and one for all."""
    scores = [
        (one.kind, matches(describe(picture), one.facts)) for one, picture in zip(prompted, pictures, strict=True)
    ]
    kinds = [*dict.fromkeys(kind for kind, _ in scores)]
    rows = [_row(kind, [score for of, score in scores if of == kind]) for kind in kinds]
    return [*rows, _row("all", [score for _, score in scores])]


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal, in per cent."""
    lines = [f"{'':12}{'n':>5}" + "".join(f"{fact:>12}" for fact in FACTS)]
    for row in rows:
        shares = "".join(f"{100 * row.shares[fact]:11.1f}%" for fact in FACTS)
        lines += [f"{row.kind:12}{row.count:5}{shares}"]
    return "\n".join(lines)


def _row(kind: str, scores: Sequence[Scores]) -> Row:
    return Row(kind, len(scores), {fact: float(np.mean([getattr(s, fact) for s in scores])) for fact in FACTS})


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, check, print; write the grid and the JSON if asked to."""
    parser = argparse.ArgumentParser(prog="python -m nodes.starter.score", description=__doc__)
    parser.add_argument("--weights", type=Path, default=weights_folder(), help="the diffusers folder to score")
    parser.add_argument("--count", type=int, default=200, help="how many held-out prompts")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--grid", type=Path, help="where to save the pictures, failures first")
    parser.add_argument("--json", type=Path, help="where to save the table")
    asked = parser.parse_args(arguments)
    prompted = held_out_prompts(asked.count)
    pictures = draw_all(load_bundle(asked.weights), prompted, steps=asked.steps, cfg=asked.cfg)
    rows = table(prompted, pictures)
    print(as_text(rows))
    if asked.json:
        report = [{"kind": row.kind, "pictures": row.count, **row.shares} for row in rows]
        asked.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if asked.grid:
        right = [matches(describe(p), one.facts).everything for one, p in zip(prompted, pictures, strict=True)]
        order = np.argsort(right, kind="stable")
        cv2.imwrite(str(asked.grid), cv2.cvtColor(grid(pictures[order], 16), cv2.COLOR_RGB2BGR))
        print("\n".join(prompted[i].prompt for i in order[: right.count(False)]))


if __name__ == "__main__":
    main()
