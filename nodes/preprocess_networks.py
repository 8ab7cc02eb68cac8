"""Pictures turned into lines by networks that are in models/annotators; by filters where they are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch

from nodes.define import Context, node
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.pictures import line_models, lines
from nodes.pictures.annotate import Levels, annotate
from nodes.types import Image
from nodes.widgets import Choice, Range, Spare

PACK = "ControlNet Auxiliary Preprocessors"

_LINES = "ControlNet Preprocessors/Line Extractors"
_Resolution = Annotated[int, Range(64, 16384, step=64), Spare]
_Safe = Annotated[str, Choice(("enable", "disable")), Spare]
_SAFE_STEPS = 2
_USUAL_SIGMA = 6.0
_UNMERGED = "none"
_MERGED: Mapping[str, line_models.Kind | None] = {
    "lineart_standard": None,
    "lineart_realisitic": "lineart",
    "lineart_anime": "anime lineart",
    "manga_line": "anime lineart",
}
"""The line drawings that AnyLine joins, as the packs spell them, by the network that draws each."""


@dataclass(frozen=True, slots=True)
class _Around:
    """What a node was given beside its inputs."""

    weights: Weights
    folders: Folders
    ctx: Context

    def drawn(
        self,
        image: Image,
        resolution: int,
        kind: line_models.Kind,
        otherwise: Callable[[Levels], Levels],
        *,
        steps: int | None = None,
        then: Callable[[Levels], Levels] = lambda found: found,
    ) -> Image:
        """Each picture's lines by the network of a kind, or else by a filter; `then` redraws them."""
        source = line_models.find(self.folders, kind)

        def work(rgb: Levels) -> Levels:
            self.ctx.check()
            found = otherwise(rgb) if source is None else line_models.draw(self.weights, source, rgb, steps=steps)
            return then(found)

        return annotate(image, resolution, work)

    def soft(
        self,
        image: Image,
        resolution: int,
        kind: line_models.Kind,
        safe: str,
        then: Callable[[Levels], Levels] = lambda found: found,
    ) -> Image:
        """Soft edges, in three strengths where they are to be safe."""
        steps = _SAFE_STEPS if safe == "enable" else None
        return self.drawn(
            image, resolution, kind, lambda rgb: lines.soft_edges(rgb, steps=steps), steps=steps, then=then
        )


@node(id="HEDPreprocessor", title="HED Soft-Edge Lines", category=_LINES)
def hed(
    *,
    image: Image,
    safe: _Safe = "enable",
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Soft edges, the safe ones in three strengths: by HED's network where models/annotators has it as safetensors
    (ControlNetHED), by filters otherwise."""
    return _Around(weights, folders, ctx).soft(image, resolution, "hed", safe)


@node(id="PiDiNetPreprocessor", title="PiDiNet Soft-Edge Lines", category=_LINES)
def pidinet(
    *,
    image: Image,
    safe: _Safe = "enable",
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Soft edges, the safe ones in three strengths: by PiDiNet where models/annotators has it as safetensors
    (table5_pidinet), by filters otherwise."""
    return _Around(weights, folders, ctx).soft(image, resolution, "pidinet", safe)


@node(id="FakeScribblePreprocessor", title="Fake Scribble Lines (aka scribble_hed)", category=_LINES)
def fake_scribble(
    *,
    image: Image,
    safe: _Safe = "enable",
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Soft edges redrawn as strokes of one width: HED's where models/annotators has its network, else filters'."""
    return _Around(weights, folders, ctx).soft(image, resolution, "hed", safe, lines.scribble_of)


@node(id="Scribble_PiDiNet_Preprocessor", title="Scribble PiDiNet Lines", category=_LINES)
def scribble_pidinet(
    *,
    image: Image,
    safe: _Safe = "enable",
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Soft edges redrawn as strokes of one width: PiDiNet's where models/annotators has it, else filters'."""
    return _Around(weights, folders, ctx).soft(image, resolution, "pidinet", safe, lines.scribble_of)


@node(id="LineArtPreprocessor", title="Realistic Lineart", category=_LINES)
def lineart(
    *,
    image: Image,
    coarse: Annotated[str, Choice(("disable", "enable")), Spare] = "disable",
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """A line drawing, fine or coarse: by its network where models/annotators has it as safetensors (sk_model,
    sk_model2 for coarse), by filters otherwise."""
    rough = coarse == "enable"
    kind: line_models.Kind = "coarse lineart" if rough else "lineart"
    return _Around(weights, folders, ctx).drawn(
        image, resolution, kind, lambda rgb: lines.line_drawing(rgb, 6.0 if rough else 2.0)
    )


@node(id="AnimeLineArtPreprocessor", title="Anime Lineart", category=_LINES)
def lineart_anime(
    *, image: Image, resolution: _Resolution = 512, weights: Weights, folders: Folders, ctx: Context
) -> Image:
    """A line drawing: by its network where models/annotators has it as safetensors (netG), by filters otherwise."""
    return _Around(weights, folders, ctx).drawn(
        image, resolution, "anime lineart", lambda rgb: lines.line_drawing(rgb, 3.0)
    )


@node(id="M-LSDPreprocessor", title="M-LSD Lines", category=_LINES)
def mlsd(
    *,
    image: Image,
    score_threshold: Annotated[float, Range(0.01, 2, step=0.01), Spare] = 0.1,
    dist_threshold: Annotated[float, Range(0.01, 20, step=0.01), Spare] = 0.1,
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Straight lines: by M-LSD where models/annotators has it as safetensors (mlsd_large_512_fp32), by LSD otherwise.

    For the network the score is how sure it is and the distance a line's least length in its pixels. For LSD the score
    is how much brightness changes across a line (0 to 1); the distance is in percent of the resolution.
    """
    source = line_models.find(folders, "mlsd")
    shortest = max(4.0, dist_threshold / 100 * resolution)

    def work(rgb: Levels) -> Levels:
        ctx.check()
        if source is None:
            return lines.segments(rgb, score_threshold, shortest)
        return line_models.draw_segments(weights, source, rgb, score_threshold, dist_threshold)

    return annotate(image, resolution, work)


@node(id="AnyLineArtPreprocessor_aux", title="AnyLine Lineart", category=_LINES)
def any_line(
    *,
    image: Image,
    merge_with_lineart: Annotated[str, Choice((*_MERGED, _UNMERGED)), Spare] = "lineart_standard",
    resolution: _Resolution = 1280,
    lineart_lower_bound: Annotated[float, Range(0, 1, step=0.01), Spare] = 0.0,
    lineart_upper_bound: Annotated[float, Range(0, 1, step=0.01), Spare] = 1.0,
    object_min_size: Annotated[int, Range(1, 100_000), Spare] = 36,
    object_connectivity: Annotated[int, Range(1, 4), Spare] = 1,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Soft edges and a line drawing in one, without specks: HED's edges where its network is there, else filters'.

    Of the drawing only levels between the bounds count. AnyLine's own network is not known here.
    """
    around = _Around(weights, folders, ctx)
    soft = around.soft(image, resolution, "hed", "disable").pixels
    if merge_with_lineart == _UNMERGED:
        return Image(soft)
    if kind := _MERGED[merge_with_lineart]:
        drawing = around.drawn(image, resolution, kind, _line_drawing).pixels
    else:
        drawing = annotate(image, resolution, _line_drawing).pixels
    kept = (drawing >= lineart_lower_bound) & (drawing <= lineart_upper_bound)
    grey = (drawing * kept)[..., 0].numpy()
    clean = np.stack([lines.without_specks(each, object_min_size, object_connectivity) for each in grey])
    return Image(torch.maximum(soft, torch.from_numpy(clean)[..., None].expand_as(soft)))


def _line_drawing(rgb: Levels) -> Levels:
    return lines.line_drawing(rgb, _USUAL_SIGMA)


@any_line.fingerprint
def _any_line_digest(folders: Folders) -> str:
    return line_models.digests(folders, "hed", "lineart", "anime lineart")


@hed.fingerprint
@fake_scribble.fingerprint
def _hed_digest(folders: Folders) -> str:
    return line_models.digests(folders, "hed")


@pidinet.fingerprint
@scribble_pidinet.fingerprint
def _pidinet_digest(folders: Folders) -> str:
    return line_models.digests(folders, "pidinet")


@lineart.fingerprint
def _lineart_digest(folders: Folders) -> str:
    return line_models.digests(folders, "lineart", "coarse lineart")


@lineart_anime.fingerprint
def _anime_digest(folders: Folders) -> str:
    return line_models.digests(folders, "anime lineart")


@mlsd.fingerprint
def _mlsd_digest(folders: Folders) -> str:
    return line_models.digests(folders, "mlsd")
