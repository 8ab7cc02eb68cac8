"""Editor files for the tests, written short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


def item(
    number: int, kind: str, values: Any = None, *, ins: Sequence[Any] = (), outs: Sequence[Any] = (), **more: Any
) -> Json:
    """A node. `ins` are (name, type, link) or (name, type, link, widget); `outs` are types."""
    return {
        "id": number,
        "type": kind,
        "pos": [0, 0],
        "size": [200, 100],
        "flags": {},
        "order": number,
        "mode": 0,
        "inputs": [socket(*each) for each in ins],
        "outputs": [{"name": t, "type": t, "links": []} for t in outs],
        "properties": {"Node name for S&R": kind},
        **({} if values is None else {"widgets_values": values}),
        **more,
    }


def socket(name: str, kind: str, link: int | None = None, widget: str | None = None) -> Json:
    return {"name": name, "type": kind, "link": link, **({"widget": {"name": widget}} if widget else {})}


def sheet(nodes: Sequence[Json], links: Sequence[Sequence[Any]], **more: Any) -> Json:
    return {
        "nodes": list(nodes),
        "links": [list(link) for link in links],
        "groups": [],
        "extra": {},
        "version": 0.4,
        **more,
    }


def subgraph(
    name: str, nodes: Sequence[Json], links: Sequence[Sequence[Any]], ins: Sequence[Any] = (), outs: Sequence[Any] = ()
) -> Json:
    """A definition. Links are as in `sheet`, with -10 and -20 for the walls."""
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return {
        "id": name,
        "name": name,
        "version": 1,
        "inputNode": {"id": -10},
        "outputNode": {"id": -20},
        "inputs": [{"id": n, "name": n, "type": t} for n, t in ins],
        "outputs": [{"id": n, "name": n, "type": t} for n, t in outs],
        "nodes": list(nodes),
        "links": [dict(zip(keys, link, strict=True)) for link in links],
    }


LOADER = item(1, "CheckpointLoaderSimple", ["a.safetensors"], outs=("MODEL", "CLIP", "VAE"))


def text_to_image(**sampler: Any) -> Json:
    """The usual seven nodes."""
    return sheet(
        [
            LOADER,
            item(2, "CLIPTextEncode", ["a cat"], ins=[("clip", "CLIP", 2)], outs=("CONDITIONING",), title="Prompt"),
            item(3, "CLIPTextEncode", ["bad"], ins=[("clip", "CLIP", 3)], outs=("CONDITIONING",)),
            item(4, "EmptyLatentImage", [64, 32, 2], outs=("LATENT",)),
            item(
                5,
                "KSampler",
                [7, "randomize", 20, 5.5, "euler", "normal", 0.75],
                ins=[
                    ("model", "MODEL", 1),
                    ("positive", "CONDITIONING", 4),
                    ("negative", "CONDITIONING", 5),
                    ("latent_image", "LATENT", 6),
                ],
                outs=("LATENT",),
                **sampler,
            ),
            item(6, "VAEDecode", [], ins=[("samples", "LATENT", 7), ("vae", "VAE", 8)], outs=("IMAGE",)),
            item(7, "SaveImage", ["out"], ins=[("images", "IMAGE", 9)]),
        ],
        [
            (1, 1, 0, 5, 0, "MODEL"),
            (2, 1, 1, 2, 0, "CLIP"),
            (3, 1, 1, 3, 0, "CLIP"),
            (4, 2, 0, 5, 1, "CONDITIONING"),
            (5, 3, 0, 5, 2, "CONDITIONING"),
            (6, 4, 0, 5, 3, "LATENT"),
            (7, 5, 0, 6, 0, "LATENT"),
            (8, 1, 2, 6, 1, "VAE"),
            (9, 6, 0, 7, 0, "IMAGE"),
        ],
    )
