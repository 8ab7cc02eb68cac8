"""Weights in memory: what is kept, moved out, shared and changed.

`torch.device("cpu", 0)` stands for a device beside the host: all that a graphics card goes through, on any machine.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion import checkpoint
from nodes.diffusion.device import PRECISIONS, budget_bytes, free_bytes, pick_device, pick_precisions
from nodes.diffusion.files import WeightsError
from nodes.diffusion.lora import apply_lora
from nodes.diffusion.network import Inputs
from nodes.diffusion.weights import Weights
from nodes.types import Model
from tests.diffusion import tiny
from tests.diffusion.conftest import Written

DEVICE = torch.device("cpu", 0)
NAME = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"


@pytest.fixture
def model(single_file: Written) -> Model:
    return checkpoint.open_unet(single_file("sd15"))


def ask(weights: Weights, model: Model) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    with weights.network(model) as network:
        x = torch.randn((1, network.in_channels, 8, 8), generator=generator)
        context = torch.randn((1, 77, network.module.config["cross_attention_dim"]), generator=generator)
        return network(x, torch.tensor([3.0]), Inputs(context))


def loraed(tmp_path: Path, model: Model, strength: float = 1.0) -> Model:
    path = tmp_path / "lora.safetensors"
    if not path.exists():
        generator = torch.Generator().manual_seed(0)
        stem = "lora_unet_" + NAME.replace(".", "_")
        up, down = torch.randn((32, 2), generator=generator), torch.randn((2, 32), generator=generator)
        save_file({f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}, path)
    changed, _ = apply_lora(model, None, path, strength_model=strength, strength_clip=0)
    assert changed is not None
    return changed


def test_a_model_is_loaded_once(model: Model) -> None:
    weights = Weights("cpu", "fp32")
    with weights.network(model) as first:
        pass
    with weights.network(model) as again:
        assert again.module is first.module


def test_precisions_are_what_was_asked_for(model: Model) -> None:
    cpu = torch.device("cpu")
    assert pick_precisions(cpu, "fp32").unet is torch.float32
    assert pick_precisions(cpu, "bf16").unet is torch.bfloat16
    assert pick_precisions(cpu, "fp16").unet is torch.float16
    with Weights("cpu", "bf16").network(model) as network:
        assert {p.dtype for p in network.module.parameters()} == {torch.bfloat16}
        out = network(torch.zeros(1, 4, 8, 8), torch.zeros(1), Inputs(torch.zeros(1, 77, 64)))
    assert out.dtype is torch.float32


def test_bfloat16_is_near_float32(model: Model) -> None:
    exact, rounded = ask(Weights("cpu", "fp32"), model), ask(Weights("cpu", "bf16"), model)

    # bfloat16 keeps 8 bits; through the net's few dozen layers its rounding grows to a few percent.
    assert float((exact - rounded).norm() / exact.norm()) < 0.1


def test_devices_that_are_not_there_are_told() -> None:
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match=r"Device 'cuda:77' is not there; this machine has cpu"):
        pick_device("cuda:77")
    assert set(PRECISIONS) == {"auto", "bf16", "fp16", "fp32"}
    assert 0 < budget_bytes(torch.device("cpu")) <= free_bytes(torch.device("cpu"))


def test_the_least_recently_used_goes_first(single_file: Written) -> None:
    one, two, three = (checkpoint.open_unet(single_file(name)) for name in ("sd15", "inpaint", "ip2p"))
    probe = Weights("cpu", "fp32")
    ask(probe, one)
    weights = Weights("cpu", "fp32", budget=int(probe.loaded_bytes * 2.5))
    before = ask(weights, one)
    ask(weights, two)
    with weights.network(one) as kept:
        pass
    ask(weights, three)

    with weights.network(one) as still:
        assert still.module is kept.module
    assert weights.loaded_bytes <= probe.loaded_bytes * 2.5
    ask(weights, two)
    assert torch.equal(ask(weights, one), before)


def test_what_is_in_use_stays(single_file: Written) -> None:
    one, two = (checkpoint.open_unet(single_file(name)) for name in ("sd15", "inpaint"))
    weights = Weights("cpu", "fp32", budget=1)
    with weights.network(one) as first:
        ask(weights, two)
        with weights.network(one) as second:
            assert second.module is first.module


def test_a_device_with_room_for_one_holds_one(single_file: Written) -> None:
    one, two = (checkpoint.open_unet(single_file(name)) for name in ("sd15", "inpaint"))
    probe = Weights(DEVICE, "fp32", budget=1 << 40)
    expected = ask(probe, one)
    weights = Weights(DEVICE, "fp32", budget=int(probe.device_bytes * 1.5))

    assert torch.equal(ask(weights, one), expected)
    ask(weights, two)

    assert 0 < weights.device_bytes <= probe.device_bytes * 1.5
    assert weights.loaded_bytes > probe.device_bytes * 1.5
    assert torch.equal(ask(weights, one), expected)


def test_a_model_larger_than_the_device_gives_the_same(tmp_path: Path, model: Model) -> None:
    plain, changed = Weights("cpu", "fp32"), loraed(tmp_path, model)
    weights = Weights(DEVICE, "fp32", budget=1000)

    for handle in (model, changed, model):
        assert torch.equal(ask(weights, handle), ask(plain, handle))
    assert weights.device_bytes == 0


def test_patches_are_taken_back_when_the_device_is_freed(tmp_path: Path, model: Model) -> None:
    weights = Weights(DEVICE, "fp32", budget=1 << 40)
    plain, changed = ask(weights, model), ask(weights, loraed(tmp_path, model))
    assert not torch.equal(plain, changed)

    weights.free()

    assert weights.device_bytes == 0
    assert torch.equal(ask(weights, model), plain)
    weights.free(forget=True)
    assert weights.loaded_bytes == 0
    assert torch.equal(ask(weights, loraed(tmp_path, model)), changed)


def test_two_models_that_share_weights_work_side_by_side(tmp_path: Path, model: Model) -> None:
    weights = Weights("cpu", "fp32")
    changed = loraed(tmp_path, model)
    expected = ask(weights, model), ask(weights, changed)

    with weights.network(model), weights.network(changed), weights.network(model):
        inside = ask(weights, model), ask(weights, changed)

    assert all(torch.equal(a, b) for a, b in zip(inside, expected, strict=True))


def test_threads_take_turns(tmp_path: Path, model: Model) -> None:
    weights = Weights("cpu", "fp32")
    handles = [loraed(tmp_path, model, strength) for strength in (0.25, 0.5, 1.0)] + [model]
    expected = [ask(weights, handle) for handle in handles]
    wrong: list[int] = []

    def work(start: int) -> None:
        for turn in range(6):
            i = (start + turn) % len(handles)
            if not torch.equal(ask(weights, handles[i]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert weights.loaded_bytes == sum(p.nbytes for p in tiny.unet_module().parameters())


def test_running_out_of_memory_is_told_with_figures(model: Model) -> None:
    weights = Weights("cpu", "fp32")

    with (
        pytest.raises(WeightsError, match=r"Out of memory on cpu while using sd15\.safetensors: .* GB of weights"),
        weights.network(model),
    ):
        torch.empty(1 << 60)

    assert ask(weights, model).isfinite().all()


def test_an_error_inside_is_passed_on_and_frees_the_module(model: Model) -> None:
    weights = Weights("cpu", "fp32")
    with pytest.raises(KeyError), weights.network(model):
        raise KeyError("x")

    weights.free()

    assert weights.loaded_bytes == 0


def test_a_file_that_changed_after_it_was_opened_is_told(tmp_path: Path) -> None:
    path = tiny.write_single(tmp_path / "model.safetensors")
    model = checkpoint.open_unet(path)
    path.write_bytes(path.read_bytes() + b"\0")

    with pytest.raises(WeightsError, match="has changed since it was opened"):
        ask(Weights("cpu", "fp32"), model)


@pytest.mark.parametrize(
    ("x", "context", "reason"),
    [
        ((1, 16, 8, 8), (1, 77, 64), r"16 channels; SD 1\.x takes 4"),
        ((1, 4, 8, 8), (1, 77, 768), r"tokens have 768 channels, SD 1\.x takes 64"),
        ((1, 4, 8, 8), None, "needs a text conditioning"),
    ],
)
def test_what_does_not_fit_the_model_is_told(
    model: Model, weights: Weights, x: tuple[int, ...], context: tuple[int, ...] | None, reason: str
) -> None:
    inputs = Inputs(None if context is None else torch.zeros(context))
    with pytest.raises(WeightsError, match=reason), weights.network(model) as network:
        network(torch.zeros(x), torch.zeros(1), inputs)


def test_sdxl_without_pooled_text_is_told(weights: Weights, single_file: Written) -> None:
    model = checkpoint.open_unet(single_file("sdxl"))
    with pytest.raises(WeightsError, match="SDXL needs the pooled text"), weights.network(model) as network:
        network(torch.zeros(1, 4, 8, 8), torch.zeros(1), Inputs(torch.zeros(1, 77, 192)))


def test_eight_bit_weights_are_rounded(model: Model) -> None:
    import dataclasses

    source = dataclasses.replace(model.source, options=(*model.source.options, ("stored", "fp8_e4m3fn")))
    with Weights("cpu", "fp32").network(Model(source)) as network:
        got = network.module.conv_in.weight

    assert torch.equal(got, tiny.unet_module().conv_in.weight.to(torch.float8_e4m3fn).float())
