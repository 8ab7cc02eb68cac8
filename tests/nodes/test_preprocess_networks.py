"""Line drawing networks, tiny and with random weights, found and read as their published files are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nodes import preprocess_networks as nodes
from nodes.define import Cancelled, NodeError
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.pictures import line_models, line_networks, lines
from nodes.pictures.annotate import with_shorter_side
from nodes.pictures.line_models import Kind
from nodes.pictures.resize import to_bytes
from nodes.types import Image
from tests.diffusion import tiny, tiny_adapters

NETWORKS: dict[Kind, Callable[[], nn.Module]] = {
    "hed": lambda: line_networks.Hed([4, 8, 8, 8, 8]),
    "pidinet": lambda: line_networks.PiDiNet(6, 4),
    "lineart": lambda: line_networks.LineArt(8, 2),
    "coarse lineart": lambda: line_networks.LineArt(8, 1),
    "anime lineart": lambda: line_networks.AnimeLineArt(4, 6),
    "mlsd": lambda: line_networks.Mlsd((4, 4, 6, 8, 8, 12), 8, 16),
}
NODES: dict[str, tuple[Any, Kind, dict[str, Any]]] = {
    "hed": (nodes.hed, "hed", {"safe": "disable"}),
    "hed safe": (nodes.hed, "hed", {}),
    "fake scribble": (nodes.fake_scribble, "hed", {}),
    "pidinet": (nodes.pidinet, "pidinet", {"safe": "disable"}),
    "scribble pidinet": (nodes.scribble_pidinet, "pidinet", {}),
    "lineart": (nodes.lineart, "lineart", {}),
    "coarse lineart": (nodes.lineart, "coarse lineart", {"coarse": "enable"}),
    "anime lineart": (nodes.lineart_anime, "anime lineart", {}),
    "mlsd": (nodes.mlsd, "mlsd", {"score_threshold": 0.01, "dist_threshold": 0.01}),
}


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


def network_of(kind: Kind) -> nn.Module:
    torch.manual_seed(3)
    module = NETWORKS[kind]()
    tiny.randomized(module, 5)
    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return module


def put(folders: Folders, kind: Kind, *, prefix: str = "", drop: str = "num_batches_tracked") -> Path:
    """A network's file in models/annotators, without what conversions leave out."""
    state = {prefix + n: t for n, t in network_of(kind).state_dict().items() if not n.endswith(drop)}
    return tiny_adapters.write(folders.base / f"models/annotators/{line_models.FILES[kind]}.safetensors", state)


def picture() -> Image:
    return Image(torch.rand((1, 60, 90, 3), generator=torch.Generator().manual_seed(2)))


def run(node: Any, folders: Folders, weights: Weights, ctx: Any, **inputs: Any) -> Tensor:
    return node(image=picture(), resolution=64, weights=weights, folders=folders, ctx=ctx, **inputs).pixels


@pytest.mark.parametrize("name", NODES)
def test_the_network_is_used_once_it_is_there(folders: Folders, weights: Weights, ctx: Any, name: str) -> None:
    node, kind, inputs = NODES[name]
    fingerprint = node.definition.fingerprint
    filtered, before = run(node, folders, weights, ctx, **inputs), fingerprint(folders=folders)

    put(folders, kind)
    drawn, after = run(node, folders, weights, ctx, **inputs), fingerprint(folders=folders)

    assert drawn.shape == filtered.shape == (1, 64, 96, 3)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    assert drawn.min() < drawn.max() or "scribble" in name
    assert torch.equal(drawn[..., 0], drawn[..., 2])
    assert not torch.equal(drawn, filtered)
    assert before != after
    if name.endswith("safe"):
        assert {round(v * 2, 2) for v in drawn.unique().tolist()} <= {0.0, 1.0, 2.0}


def small() -> np.ndarray:
    (levels,) = to_bytes(picture().pixels)
    return with_shorter_side(levels, 64)


def test_hed_is_the_mean_of_its_scales(folders: Folders, weights: Weights, ctx: Any) -> None:
    put(folders, "hed", prefix="module.")
    rgb = small()
    x = torch.from_numpy(rgb.astype(np.float32)).movedim(-1, 0)[None]
    with torch.no_grad():
        sizes = [cv2.resize(e[0, 0].numpy(), (96, 64), interpolation=cv2.INTER_LINEAR) for e in network_of("hed")(x)]
    expected = 1 / (1 + np.exp(-np.mean(np.stack(sizes), axis=0)))

    got = run(nodes.hed, folders, weights, ctx, safe="disable")

    # Rounded down to 256 levels.
    np.testing.assert_allclose(got[0, ..., 0].numpy(), expected, atol=1.05 / 255)


@pytest.mark.parametrize("kind", ["pidinet", "lineart"])
def test_networks_are_fed_and_read_as_published(folders: Folders, weights: Weights, ctx: Any, kind: Kind) -> None:
    def feed(rgb: np.ndarray) -> np.ndarray:
        return (rgb[..., ::-1] if kind == "pidinet" else rgb) / 255.0

    def read(y: Tensor) -> Tensor:
        return y if kind == "pidinet" else 1 - y

    put(folders, kind)
    x = torch.from_numpy(np.ascontiguousarray(feed(small())).astype(np.float32)).movedim(-1, 0)[None]
    with torch.no_grad():
        expected = read(network_of(kind)(x))[0, 0]

    inputs = {"safe": "disable"} if kind == "pidinet" else {}
    got = run(NODES[kind][0], folders, weights, ctx, **inputs)

    torch.testing.assert_close(got[0, ..., 0], expected, rtol=0, atol=1.05 / 255)


@pytest.mark.parametrize("size", [(61, 90), (64, 83)])
def test_lineart_takes_every_size(weights: Weights, folders: Folders, size: tuple[int, int]) -> None:
    put(folders, "lineart")
    source = line_models.find(folders, "lineart")
    assert source is not None
    rgb = np.zeros((*size, 3), np.uint8)
    assert line_models.draw(weights, source, rgb).shape == size


def test_anime_lines_are_drawn_at_a_size_that_256_divides(weights: Weights, folders: Folders) -> None:
    put(folders, "anime lineart")
    source = line_models.find(folders, "anime lineart")
    assert source is not None
    rgb = np.full((100, 300, 3), 200, np.uint8)
    large = torch.from_numpy(cv2.resize(rgb, (512, 256), interpolation=cv2.INTER_CUBIC).astype(np.float32))
    with torch.no_grad():
        paper = network_of("anime lineart")((large / 127.5 - 1).movedim(-1, 0)[None])[0, 0].numpy() * 127.5 + 127.5

    got = line_models.draw(weights, source, rgb)

    expected = 255 - np.clip(cv2.resize(paper, (300, 100), interpolation=cv2.INTER_CUBIC), 0, 255)
    np.testing.assert_allclose(got, expected, atol=1.1)


def test_mlsd_says_segments_by_their_middles() -> None:
    output = torch.full((1, 9, 32, 32), -10.0)
    output[0, 1:5] = 0
    output[0, 0, 10, 20] = 3.0
    output[0, 1:5, 10, 20] = torch.tensor([-4.0, -2.0, 6.0, 2.0])
    output[0, 0, 25, 5] = 2.0
    output[0, 1:5, 25, 5] = torch.tensor([-1.0, 0.0, 1.0, 0.0])
    output[0, 0, 25, 6] = 1.0  # beside a higher peak

    every, long_ones, sure = (line_models.segments(output, *at) for at in ((0.5, 0.0), (0.5, 5.0), (0.9, 0.0)))

    assert every.tolist() == [[32, 16, 52, 24], [8, 50, 12, 50]]
    assert long_ones.tolist() == sure.tolist() == every[:1].tolist()


def test_differences_of_pixels_are_what_they_are_called() -> None:
    flat, ramp = torch.ones(1, 1, 9, 9), torch.arange(9.0).expand(1, 1, 9, 9).contiguous()
    for kind in ("central", "angular", "radial"):
        layer = line_networks._Difference(kind, 1, 1, 1)  # pyright: ignore[reportPrivateUsage]
        tiny.randomized(layer, 1)
        assert layer(flat)[0, 0, 3:6, 3:6].abs().max() < 1e-6, kind
        assert layer(ramp)[0, 0, 3:6, 3:6].std() < 1e-5, kind
        assert layer(ramp)[0, 0, 4, 4].abs() > 1e-3, kind


def test_the_published_sizes_are_recognised() -> None:
    with torch.device("meta"):
        full = published()
    for kind, module in full.items():
        shapes = {n: tuple(t.shape) for n, t in module.state_dict().items()}
        with torch.device("meta"):
            again = line_models.BUILDS[kind](shapes)
        assert {n: tuple(t.shape) for n, t in again.state_dict().items()} == shapes


def published() -> dict[Kind, nn.Module]:
    return {
        "hed": line_networks.Hed([64, 128, 256, 512, 512]),
        "pidinet": line_networks.PiDiNet(60, 24),
        "lineart": line_networks.LineArt(64, 3),
        "anime lineart": line_networks.AnimeLineArt(64, 8),
        "mlsd": line_networks.Mlsd((32, 16, 24, 32, 64, 96), 64, 16),
    }


def test_fine_and_coarse_are_told_apart_by_name(folders: Folders) -> None:
    put(folders, "coarse lineart")
    assert line_models.find(folders, "lineart") is None
    found = line_models.find(folders, "coarse lineart")
    assert found is not None
    assert found.path.stem == "sk_model2"


def test_a_pickle_is_not_opened_and_said(
    folders: Folders, weights: Weights, ctx: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = folders.base / "models/annotators/ControlNetHED.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x80\x02")
    got = run(nodes.hed, folders, weights, ctx)
    assert torch.equal(got[0, ..., 0], torch.from_numpy(lines.soft_edges(small(), steps=2)) / 255)
    assert re.search(r"ControlNetHED\.pth is a pickle and is not opened; convert it to safetensors", caplog.text)


def test_damaged_networks_are_said(folders: Folders, weights: Weights, ctx: Any) -> None:
    put(folders, "hed", drop="block3.projection.bias")
    with pytest.raises(NodeError, match=r"lacks 1 tensors of its model, the first is block3\.projection\.bias"):
        run(nodes.hed, folders, weights, ctx)
    put(folders, "mlsd", drop="block23.conv3.weight")
    with pytest.raises(NodeError, match=r"lacks tensor 'block23\.conv3\.weight' of a network for mlsd"):
        run(nodes.mlsd, folders, weights, ctx)


def test_it_stops_when_told(folders: Folders, weights: Weights, ctx: Any) -> None:
    ctx.stopped = True
    with pytest.raises(Cancelled):
        run(nodes.lineart_anime, folders, weights, ctx)
