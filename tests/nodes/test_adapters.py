"""GLIGEN and hypernetworks, on tiny real networks: against diffusers' gated UNet, and against plain arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from nodes import adapters, sampling
from nodes.define import NodeError
from nodes.diffusion import checkpoint, gligen
from nodes.diffusion.companions import accompanied, companions
from nodes.diffusion.network import Inputs
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Clip, Cond, Conditioning, Gligen, Latent, Model
from tests.diffusion import tiny, tiny_adapters
from tests.diffusion.tiny_adapters import rand

T = torch.tensor([300.0])
CONTEXT = rand(1, 77, 64)
X = rand(1, 4, 8, 6)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


def gated_module() -> UNet2DConditionModel:
    """The tiny UNet of SD 1.x with GLIGEN's layers, as diffusers builds it."""
    module = UNet2DConditionModel(**{**tiny.FAMILIES["sd15"].unet, "attention_type": "gated"})
    tiny.randomized(module, 21)
    plain = tiny.unet_module("sd15").state_dict()
    module.load_state_dict({**module.state_dict(), **plain})
    return module


def gligen_state(module: UNet2DConditionModel) -> dict[str, Tensor]:
    """GLIGEN's own tensors as they are published: LDM's names, nothing of the model beside."""
    state = module.state_dict()
    pairs = {}
    for level in range(2):
        for layer in range(1):
            pairs[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{2 * level + layer + 1}.1"
        for layer in range(2):
            pairs[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{2 * level + layer}.1"
    pairs["mid_block.attentions.0"] = "middle_block.1"
    found = {n: t for n, t in state.items() if n.startswith("position_net.")}
    for name, tensor in state.items():
        if ".fuser." in name:
            stem, rest = name.split(".transformer_blocks.")
            found[f"{pairs[stem]}.transformer_blocks.{rest}"] = tensor
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("base")
    for family in ("sd15", "sd2"):
        tiny.write_single(root / "models/checkpoints" / f"{family}.safetensors", family)
    tiny_adapters.write(root / "models/gligen/boxes.safetensors", gligen_state(gated_module()))
    return root


@pytest.fixture
def folders(base: Path) -> Folders:
    return Folders.at(base)


@pytest.fixture
def parts(base: Path) -> Any:
    return checkpoint.open_checkpoint(base / "models/checkpoints/sd15.safetensors")


@pytest.fixture
def boxes(folders: Folders) -> Gligen:
    return adapters.load_gligen(folders=folders, gligen_name="boxes.safetensors")


def test_boxes_act_as_in_diffusers(weights: Weights, parts: Any, boxes: Gligen) -> None:
    module, words = gated_module(), rand(2, 64) * 5
    grounding = gligen.Grounding(boxes, (gligen.Box(words[:1], 4, 3, 0, 1), gligen.Box(words[1:], 2, 6, 6, 0)))
    edges = torch.zeros(1, 30, 4)
    edges[0, 0] = torch.tensor([1 / 6, 0.0, 4 / 6, 4 / 8])
    edges[0, 1] = torch.tensor([0.0, 6 / 8, 1.0, 1.0])
    there, said = torch.zeros(1, 30), torch.zeros(1, 30, 64)
    there[0, :2], said[0, :2] = 1, words
    given = {"boxes": edges, "positive_embeddings": said, "masks": there}
    with torch.no_grad():
        expected = module(X, T, CONTEXT, cross_attention_kwargs={"gligen": given}).sample

    found = gligen.companions_of({"positive": Conditioning((Cond(CONTEXT, extras={gligen.KEY: grounding}),))})
    with weights.network(parts.model) as unet, accompanied(unet, found, weights) as network:
        got = network(X, T, Inputs(CONTEXT, extras={gligen.KEY: grounding}))
        plain = network(X, T, Inputs(CONTEXT))

    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(plain, tiny.unet_module()(X, T, CONTEXT).sample, rtol=1e-4, atol=1e-5)
    assert (got - plain).abs().max() > 1e-3


def apply(weights: Weights, clip: Clip, boxes: Gligen, text: str, to: Conditioning, **where: int) -> Conditioning:
    return adapters.apply_gligen(
        weights=weights, conditioning_to=to, clip=clip, gligen_textbox_model=boxes, text=text, **where
    )


def test_prompts_take_boxes(weights: Weights, parts: Any, boxes: Gligen, ctx: Any) -> None:
    text = Conditioning((Cond(CONTEXT),))
    one = apply(weights, parts.clip, boxes, "a cat", text, width=32, height=32)
    two = apply(weights, parts.clip, boxes, "a dog", one, width=32, height=64, x=32, y=0)

    def drawn(positive: Conditioning) -> Tensor:
        return sampling.ksampler(
            ctx=ctx, weights=weights, model=parts.model, steps=1, cfg=2.0, positive=positive, negative=text,
            latent_image=Latent(torch.zeros(1, 4, 8, 8)),
        ).samples  # fmt: skip

    results = [drawn(each) for each in (text, one, two, one)]

    placed = two.parts[0].extras[gligen.KEY].boxes
    assert [(b.height, b.width, b.y, b.x) for b in placed] == [(4, 4, 0, 0), (8, 4, 0, 4)]
    assert torch.equal(results[1], results[3])
    assert not any(torch.equal(results[a], results[b]) for a, b in ((0, 1), (1, 2)))


def test_the_negative_side_is_grounded_too(boxes: Gligen) -> None:
    grounding = gligen.Grounding(boxes, ())
    side = Conditioning((Cond(CONTEXT, extras={gligen.KEY: grounding}),))
    found = gligen.shared({"positive": side, "negative": Conditioning((Cond(CONTEXT),))})
    assert found["negative"].parts[0].extras[gligen.KEY] is grounding
    assert found["positive"] is side


def test_boxes_for_another_family_are_told(
    weights: Weights, base: Path, parts: Any, boxes: Gligen, folders: Folders
) -> None:
    other = checkpoint.open_checkpoint(base / "models/checkpoints/sd2.safetensors")
    text = Conditioning((Cond(CONTEXT),))
    with pytest.raises(NodeError, match=r"boxes\.safetensors is made for another model family: it takes words of 64"):
        apply(weights, cast("Clip", other.clip), boxes, "a cat", text)
    grounded = {"positive": apply(weights, parts.clip, boxes, "a cat", text)}
    with (
        weights.network(other.model) as unet,
        pytest.raises(NodeError, match=r"boxes\.safetensors is made for another model family than SD 2\.x"),
        accompanied(unet, gligen.companions_of(grounded), weights),
    ):
        pass
    (base / "models/gligen/no.safetensors").write_bytes((base / "models/checkpoints/sd15.safetensors").read_bytes())
    with pytest.raises(NodeError, match=r"no\.safetensors holds no GLIGEN weights for boxes with words"):
        adapters.load_gligen(folders=folders, gligen_name="no.safetensors")


# Hypernetworks.


def write_hypernetwork(
    base: Path, name: str, widths: tuple[int, ...] = (64, 32), *, norms: bool = False, **metadata: str
) -> dict[str, Tensor]:
    """A hypernetwork of two layers for each side, twice as wide inside."""
    state: dict[str, Tensor] = {}
    for width in widths:
        for side in range(2):
            at, second = f"{width}.{side}.linear", 3 if norms else 2
            state |= {f"{at}.0.weight": rand(2 * width, width, seed=side), f"{at}.0.bias": rand(2 * width)}
            state |= {f"{at}.{second}.weight": rand(width, 2 * width, seed=side), f"{at}.{second}.bias": rand(width)}
            if norms:
                state |= {f"{at}.2.weight": rand(2 * width) + 1, f"{at}.2.bias": rand(2 * width, seed=side)}
    path = base / "models/hypernetworks" / name
    path.parent.mkdir(exist_ok=True)
    save_file(state, path, metadata)
    return state


def bent(state: dict[str, Tensor], x: Tensor, side: int, strength: float, activation: Any, *, norms: bool) -> Tensor:
    """What attention sees, bent by hand."""
    at = f"{x.shape[-1]}.{side}.linear"
    second = 3 if norms else 2
    h = activation(x @ state[f"{at}.0.weight"].T + state[f"{at}.0.bias"])
    if norms:
        h = torch.nn.functional.layer_norm(h, h.shape[-1:], state[f"{at}.2.weight"], state[f"{at}.2.bias"])
    return x + strength * (h @ state[f"{at}.{second}.weight"].T + state[f"{at}.{second}.bias"])


@pytest.mark.parametrize(
    ("activation", "norms"),
    [("linear", False), ("relu", False), ("swish", True)],
    ids=["linear", "relu", "swish with norms"],
)
def test_keys_and_values_are_bent(folders: Folders, weights: Weights, parts: Any, activation: str, norms: bool) -> None:
    function = {"linear": lambda x: x, "relu": torch.relu, "swish": torch.nn.Hardswish()}[activation]
    state = write_hypernetwork(folders.base, "bend.safetensors", norms=norms, activation_func=activation)
    module: Any = tiny.unet_module("sd15")
    for block in (b for m in module.modules() for b in getattr(m, "transformer_blocks", ())):
        for layer in (block.attn1, block.attn2):
            for side, projection in enumerate((layer.to_k, layer.to_v)):
                if f"{projection.in_features}.0.linear.0.weight" in state:
                    projection.register_forward_pre_hook(
                        lambda _, args, side=side: (bent(state, args[0], side, 0.5, function, norms=norms),)
                    )
    with torch.no_grad():
        expected = module(X, T, CONTEXT).sample

    model = adapters.load_hypernetwork(
        folders=folders, model=parts.model, hypernetwork_name="bend.safetensors", strength=0.5
    )
    with weights.network(model) as unet:
        plain = unet(X, T, Inputs(CONTEXT))
        with accompanied(unet, companions(model), weights) as network:
            got = network(X, T, Inputs(CONTEXT))
        again = unet(X, T, Inputs(CONTEXT))

    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert (got - plain).abs().max() > 1e-3
    assert torch.equal(again, plain)


def test_a_hypernetwork_at_zero_is_none(folders: Folders, parts: Any) -> None:
    model: Model = parts.model
    assert adapters.load_hypernetwork(folders=folders, model=model, hypernetwork_name="x", strength=0.0) is model


def test_hypernetworks_that_cannot_be_used_are_told(base: Path, folders: Folders, parts: Any) -> None:
    write_hypernetwork(base, "wide.safetensors", (768, 320))
    write_hypernetwork(base, "odd.safetensors", activation_func="sinc")
    save_file({"x": torch.zeros(1)}, base / "models/hypernetworks/no.safetensors")
    (base / "models/hypernetworks/old.pt").write_bytes(b"PK\x03\x04")
    for name, said in (
        (
            "wide",
            r"wide\.safetensors is made for another model family: it bends text 320 or 768 wide; SD 1\.x takes 64",
        ),
        ("odd", r"activation_func is 'sinc'; linear, relu, leakyrelu"),
        ("no", r"no\.safetensors is no hypernetwork; its first tensors are x"),
    ):
        with pytest.raises(NodeError, match=said):
            adapters.load_hypernetwork(folders=folders, model=parts.model, hypernetwork_name=f"{name}.safetensors")
    with pytest.raises(
        NodeError, match=r"old\.pt is a pickle, .* Convert it to safetensors: name tensors as in 768\.0"
    ):
        adapters.load_hypernetwork(folders=folders, model=parts.model, hypernetwork_name="old.pt")
