"""Merged models against sums written out here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes import loaders, lora, merging
from nodes.define import NodeError
from nodes.diffusion import ldm
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Clip, Model
from tests.diffusion import tiny

WEIGHTS = Weights("cpu", "fp32")
State = dict[str, Tensor]


def other_weights(path: Path, to: Path) -> None:
    """The same model with other numbers."""
    generator = torch.Generator().manual_seed(11)
    state = {n: t + torch.randn(t.shape, generator=generator) * 0.05 for n, t in load_file(path).items()}
    save_file(state, to)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Two models of SD 1.x and of SDXL, an inpainting one, one of SD 2.x, and a LoRA."""
    root = tmp_path_factory.mktemp("base")
    models = root / "models" / "checkpoints"
    for family in ("sd15", "sdxl", "inpaint", "sd2"):
        tiny.write_single(models / f"{family}.safetensors", family)
    for family in ("sd15", "sdxl"):
        other_weights(models / f"{family}.safetensors", models / f"{family}-b.safetensors")
    (root / "models" / "loras").mkdir()
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    up, down = torch.ones(64, 2), torch.ones(2, 64) * 0.1
    save_file(
        {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}, root / "models" / "loras" / "ink.safetensors"
    )
    return Folders.at(root)


@pytest.fixture
def load(folders: Folders) -> Callable[[str], loaders.Parts]:
    return lambda name: loaders.load_checkpoint(folders=folders, ckpt_name=f"{name}.safetensors")


def unet(model: Model) -> State:
    with WEIGHTS.network(model) as network:
        return {n: t.clone() for n, t in network.module.state_dict().items()}


def texts(clip: Clip) -> list[State]:
    with WEIGHTS.text(clip) as encoders:
        return [{n: t.clone() for n, t in encoder.named_parameters()} for encoder in encoders]


def same(got: State, expected: State) -> None:
    assert got.keys() == expected.keys()
    for name in got:
        torch.testing.assert_close(got[name], expected[name], rtol=1e-5, atol=1e-6)


def test_a_mixture_of_two_models(load) -> None:
    a, b = load("sd15").model, load("sd15-b").model
    first, second = unet(a), unet(b)

    mixed = unet(merging.merge_simple(model1=a, model2=b, ratio=0.3))

    same(mixed, {n: 0.3 * first[n] + 0.7 * second[n] for n in first})


@pytest.mark.parametrize(("ratio", "which"), [(1.0, "sd15"), (0.0, "sd15-b")])
def test_a_mixture_of_one_alone_is_it_bit_for_bit(load, ratio: float, which: str) -> None:
    merged = merging.merge_simple(model1=load("sd15").model, model2=load("sd15-b").model, ratio=ratio)
    got, expected = unet(merged), unet(load(which).model)

    assert all(torch.equal(got[n], expected[n]) for n in expected)


def test_add_and_subtract_are_sums(load) -> None:
    a, b = load("sd15").model, load("sd15-b").model
    first, second = unet(a), unet(b)

    difference = merging.merge_subtract(model1=a, model2=b, multiplier=0.5)
    same(unet(difference), {n: 0.5 * (first[n] - second[n]) for n in first})
    same(
        unet(merging.merge_add(model1=b, model2=difference)),
        {n: second[n] + 0.5 * (first[n] - second[n]) for n in first},
    )


def test_patches_of_both_models_count(load, folders: Folders) -> None:
    a, b = load("sd15").model, load("sd15-b").model
    inked = [lora.load_lora_model_only(folders=folders, model=m, lora_name="ink.safetensors") for m in (a, b)]
    first, second = (unet(m) for m in inked)

    same(
        unet(merging.merge_simple(model1=inked[0], model2=inked[1], ratio=0.25)),
        {n: 0.25 * first[n] + 0.75 * second[n] for n in first},
    )


def test_taken_back_bit_for_bit(load) -> None:
    a, b = load("sd15").model, load("sd15-b").model
    before = unet(a)

    unet(merging.merge_simple(model1=a, model2=b, ratio=0.5))

    after = unet(a)
    assert all(torch.equal(after[n], before[n]) for n in before)


@pytest.mark.parametrize(
    ("merge", "ratio_of"),
    [
        (
            lambda a, b: merging.merge_blocks(model1=a, model2=b, input=0.2, middle=0.5, out=0.9),
            # What is none of the three, the embeddings of time, goes with the first.
            lambda n: 0.5 if n.startswith("middle") else 0.9 if n.startswith("out") else 0.2,
        ),
        (
            lambda a, b: merging.merge_sd1(
                model1=a, model2=b, time_embed=0.1, input_blocks_1=0.2, output_blocks_0=0.3, out=0.4
            ),
            lambda n: (
                0.1 if n.startswith("time_embed.")
                else 0.2 if n.startswith("input_blocks.1.")
                else 0.3 if n.startswith("output_blocks.0.")
                else 0.4 if n.startswith("out.")
                else 1.0
            ),
        ),
    ],
    ids=["three", "each"],
)  # fmt: skip
def test_blocks_have_ratios_of_their_own(load, merge, ratio_of) -> None:
    a, b = load("sd15").model, load("sd15-b").model
    first, second = unet(a), unet(b)
    originals = ldm.unet_originals(list(first))

    merged = unet(merge(a, b))

    same(merged, {n: ratio_of(o) * first[n] + (1 - ratio_of(o)) * second[n] for n, o in originals.items()})


def test_block_sliders_have_the_names_that_workflows_use() -> None:
    names = {
        d.id: [i.name for i in d.inputs]
        for d in (merging.merge_sd1.definition, merging.merge_sd2.definition, merging.merge_sdxl.definition)
    }

    assert names["ModelMergeSDXL"][:6] == [
        "model1", "model2", "time_embed.", "label_emb.", "input_blocks.0", "input_blocks.1",
    ]  # fmt: skip
    assert names["ModelMergeSDXL"][-3:] == ["output_blocks.7", "output_blocks.8", "out."]
    assert len(names["ModelMergeSDXL"]) == 2 + 24
    assert names["ModelMergeSD1"] == names["ModelMergeSD2"]
    assert names["ModelMergeSD1"][4] == "input_blocks.0."
    assert len(names["ModelMergeSD1"]) == 2 + 30


def test_an_inpainting_model_keeps_its_own_entrance(load) -> None:
    inpaint, base, other = (load(n).model for n in ("inpaint", "sd15", "sd15-b"))

    made = merging.merge_add(model1=merging.merge_subtract(model1=inpaint, model2=base), model2=other)

    got, first, second, third = (unet(m) for m in (made, inpaint, base, other))
    assert torch.equal(got["conv_in.weight"], first["conv_in.weight"])
    rest = [n for n in got if n != "conv_in.weight"]
    same({n: got[n] for n in rest}, {n: first[n] - second[n] + third[n] for n in rest})


def test_text_encoders_are_merged_part_by_part(load) -> None:
    a, b = load("sdxl").clip, load("sdxl-b").clip
    both = list(zip(texts(a), texts(b), strict=True))

    mixed = texts(merging.merge_clips(clip1=a, clip2=b, ratio=0.6))
    back = texts(merging.add_clips(clip1=b, clip2=merging.subtract_clips(clip1=a, clip2=b)))

    for got, (first, second) in zip(mixed, both, strict=True):
        same(got, {n: 0.6 * first[n] + 0.4 * second[n] for n in first})
    for got, (first, _) in zip(back, both, strict=True):
        same(got, first)


@pytest.mark.parametrize("names", [("sd15", "sdxl"), ("sdxl", "sd2"), ("sd2", "sd15")])
def test_models_of_two_families_are_told(load, names: tuple[str, str]) -> None:
    a, b = (load(n) for n in names)

    with pytest.raises(NodeError, match=r"safetensors is .* and .*safetensors is .*; only models of one family can"):
        merging.merge_simple(model1=a.model, model2=b.model, ratio=0.5)
    with pytest.raises(NodeError, match="only text encoders of one"):
        merging.merge_clips(clip1=a.clip, clip2=b.clip, ratio=0.5)
