"""LoRAs: every spelling and kind against the formula, written out slowly here; applied and taken back bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion import checkpoint, clip
from nodes.diffusion.files import WeightsError
from nodes.diffusion.lora import apply_lora, open_lora
from nodes.diffusion.network import Inputs
from nodes.diffusion.weights import Weights
from nodes.types import Model
from tests.diffusion.conftest import Written

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
CONV = "down_blocks.0.resnets.0.conv1"
TEXT = "text_model.encoder.layers.1.self_attn.q_proj"
RANK = 4


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * 0.3


def kohya(name: str, prefix: str = "lora_unet_") -> str:
    return prefix + name.replace(".", "_")


def pair(out: int, into: int) -> tuple[Tensor, Tensor]:
    return rand(out, RANK, seed=1), rand(RANK, into, seed=2)


@pytest.fixture
def model(single_file: Written) -> Model:
    return checkpoint.open_unet(single_file("sd15"))


def weight_of(weights: Weights, model: Model, name: str) -> Tensor:
    with weights.network(model) as network:
        return network.module.get_parameter(name).detach().clone()


def applied(path: Path, model: Model, strength: float = 1.0) -> Model:
    changed, _ = apply_lora(model, None, path, strength_model=strength, strength_clip=0)
    assert changed is not None
    return changed


def write(tmp_path: Path, tensors: dict[str, Tensor]) -> Path:
    path = tmp_path / "lora.safetensors"
    save_file({k: v.clone().contiguous() for k, v in tensors.items()}, path)
    return path


SPELLINGS = {
    "kohya": (kohya(LINEAR) + ".lora_up.weight", kohya(LINEAR) + ".lora_down.weight", LINEAR),
    "kohya with LDM names": (
        "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_up.weight",
        "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight",
        LINEAR,
    ),
    "diffusers": (f"unet.{LINEAR}.lora_B.weight", f"unet.{LINEAR}.lora_A.weight", LINEAR),
    "diffusers, older": (f"unet.{LINEAR}.lora.up.weight", f"unet.{LINEAR}.lora.down.weight", LINEAR),
    "diffusers, processors": (
        f"unet.{LINEAR.replace('to_q', 'processor.to_q')}_lora.up.weight",
        f"unet.{LINEAR.replace('to_q', 'processor.to_q')}_lora.down.weight",
        LINEAR,
    ),
    "diffusers, processors, out": (
        f"unet.{OUT.replace('to_out.0', 'processor.to_out')}_lora.up.weight",
        f"unet.{OUT.replace('to_out.0', 'processor.to_out')}_lora.down.weight",
        OUT,
    ),
    "peft": (f"base_model.model.{LINEAR}.lora_B.weight", f"base_model.model.{LINEAR}.lora_A.weight", LINEAR),
    "bare": (f"{LINEAR}.lora_B.default.weight", f"{LINEAR}.lora_A.default.weight", LINEAR),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_means_its_weight(tmp_path: Path, weights: Weights, model: Model, spelling: str) -> None:
    up_name, down_name, name = SPELLINGS[spelling]
    up, down = pair(32, 32)
    path = write(tmp_path, {up_name: up, down_name: down})

    got = weight_of(weights, applied(path, model, 0.5), name + ".weight")

    torch.testing.assert_close(got, weight_of(weights, model, name + ".weight") + 0.5 * up @ down, rtol=0, atol=1e-6)


def test_alpha_is_divided_by_the_rank(tmp_path: Path, weights: Weights, model: Model) -> None:
    up, down = pair(32, 32)
    stem = kohya(LINEAR)
    tensors = {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down, f"{stem}.alpha": torch.tensor(1.0)}

    got = weight_of(weights, applied(write(tmp_path, tensors), model), LINEAR + ".weight")

    expected = weight_of(weights, model, LINEAR + ".weight") + up @ down / RANK
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


def loha() -> tuple[dict[str, Tensor], Tensor]:
    a, b, c, d = rand(32, RANK), rand(RANK, 32), rand(32, RANK, seed=7), rand(RANK, 32, seed=8)
    return {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d}, (a @ b) * (c @ d)


def lokr() -> tuple[dict[str, Tensor], Tensor]:
    first, a, b = rand(4, 4), rand(8, 2), rand(2, 8)
    second = a @ b
    whole = torch.zeros(32, 32)
    for i in range(4):
        for j in range(4):
            whole[8 * i : 8 * i + 8, 8 * j : 8 * j + 8] = first[i, j] * second
    return {"lokr_w1": first, "lokr_w2_a": a, "lokr_w2_b": b}, whole


def difference() -> tuple[dict[str, Tensor], Tensor]:
    delta = rand(32, 32)
    return {"diff": delta}, delta


@pytest.mark.parametrize("kind", [loha, lokr, difference])
def test_other_kinds_of_difference(tmp_path: Path, weights: Weights, model: Model, kind) -> None:
    leaves, delta = kind()
    path = write(tmp_path, {f"{kohya(LINEAR)}.{leaf}": tensor for leaf, tensor in leaves.items()})

    got = weight_of(weights, applied(path, model, -0.7), LINEAR + ".weight")

    expected = weight_of(weights, model, LINEAR + ".weight") - 0.7 * delta
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


def cayley(blocks: Tensor, limit: float = 0.0) -> Tensor:
    """Rotations by way of skew-symmetric matrices, one after the other."""
    skew = blocks - blocks.transpose(-1, -2)
    if 0 < limit < float(skew.norm()):
        skew = skew * limit / skew.norm()
    same = torch.eye(blocks.shape[-1])
    flat = [torch.linalg.inv(same - q) for q in skew.flatten(0, -3)]
    return torch.stack([(same + q) @ i for q, i in zip(skew.flatten(0, -3), flat, strict=True)]).reshape(blocks.shape)


@pytest.mark.parametrize("limit", [0.0, 0.05])
@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("name", [LINEAR, CONV])
def test_rotations_in_blocks(
    tmp_path: Path, weights: Weights, model: Model, *, limit: float, rescaled: bool, name: str
) -> None:
    blocks, stem = rand(4, 8, 8), kohya(name)
    tensors = {f"{stem}.oft_blocks": blocks, f"{stem}.alpha": torch.tensor(limit)}
    weight = weight_of(weights, model, name + ".weight")
    scale = rand(32, *[1] * (weight.ndim - 1)).abs() + 0.5
    tensors |= {f"{stem}.rescale": scale} if rescaled else {}
    whole = torch.block_diag(*cayley(blocks, limit))
    turned = torch.einsum("nm,n...->m...", whole, weight) * (scale if rescaled else 1.0)
    torch.testing.assert_close(whole @ whole.T, torch.eye(32), rtol=0, atol=1e-5)

    path = write(tmp_path, tensors)
    for strength in (1.0, 0.4):
        got = weight_of(weights, applied(path, model, strength), name + ".weight")
        torch.testing.assert_close(got, weight + strength * (turned - weight), rtol=0, atol=1e-5)


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_rotations_in_a_butterfly(tmp_path: Path, weights: Weights, model: Model, strength: float) -> None:
    rounds, size = 3, 4
    blocks, stem = rand(rounds, 8, size, size), kohya(LINEAR)
    weight = weight_of(weights, model, LINEAR + ".weight")
    turned = weight
    for level, turns in enumerate(cayley(blocks)):
        half = size // 2 * 2**level
        matrix = torch.zeros(32, 32)
        # Every row's place in its pair of halves says in which block it is, and where there.
        order = [
            group * 2 * half + side * half + at for group in range(16 // half) for at in range(half) for side in (0, 1)
        ]
        for n, turn in enumerate(turns):
            for i in range(size):
                for j in range(size):
                    same = 1.0 if i == j else 0.0
                    matrix[order[n * size + i], order[n * size + j]] = strength * turn[i, j] + (1 - strength) * same
        turned = matrix @ turned

    got = weight_of(
        weights, applied(write(tmp_path, {f"{stem}.oft_blocks": blocks}), model, strength), LINEAR + ".weight"
    )

    torch.testing.assert_close(got, turned, rtol=0, atol=1e-5)


@pytest.mark.parametrize("older", [False, True])
def test_a_low_rank_map_of_the_inputs(tmp_path: Path, weights: Weights, model: Model, older: bool) -> None:
    a1, a2, b1, b2 = rand(32, RANK), rand(RANK, 32), rand(32, RANK, seed=3), rand(RANK, 32, seed=4)
    weight, stem = weight_of(weights, model, LINEAR + ".weight"), kohya(LINEAR)
    named = {"a1": a2, "a2": a1, "b1": b2, "b2": b1} if older else {"a1": a1, "a2": a2, "b1": b1, "b2": b2}
    tensors = {f"{stem}.{n}.weight": t for n, t in named.items()} | {f"{stem}.alpha": torch.tensor(2.0)}

    got = weight_of(weights, applied(write(tmp_path, tensors), model, 0.5), LINEAR + ".weight")

    torch.testing.assert_close(got, weight + 0.5 * 2.0 / RANK * (weight @ a1 @ a2 + b1 @ b2), rtol=0, atol=1e-5)


def test_whole_weights_and_norms(tmp_path: Path, weights: Weights, model: Model) -> None:
    norm = "down_blocks.0.resnets.0.norm1"
    tensors = {
        f"{kohya(LINEAR)}.set_weight": rand(32, 32),
        f"{kohya(norm)}.w_norm": rand(32, seed=1),
        f"{kohya(norm)}.b_norm": rand(32, seed=2),
    }
    before = state(weights, model)

    got = state(weights, applied(write(tmp_path, tensors), model, 0.5))

    assert torch.equal(got[LINEAR + ".weight"], tensors[f"{kohya(LINEAR)}.set_weight"])
    for end, leaf in (("weight", "w_norm"), ("bias", "b_norm")):
        expected = before[f"{norm}.{end}"] + 0.5 * tensors[f"{kohya(norm)}.{leaf}"]
        torch.testing.assert_close(got[f"{norm}.{end}"], expected, rtol=0, atol=1e-6)


def test_kronecker_products_with_a_core(tmp_path: Path, weights: Weights, model: Model) -> None:
    stem, first, core, a, b = kohya(CONV), rand(4, 4), rand(2, 2, 3, 3), rand(2, 8), rand(2, 8, seed=5)
    leaves = {"lokr_w1": first, "lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": torch.tensor(1.0)}
    delta = torch.zeros(32, 32, 3, 3)
    for y in range(3):
        for x in range(3):
            delta[:, :, y, x] = torch.kron(first, a.T @ core[:, :, y, x] @ b) / 2

    got = weight_of(
        weights, applied(write(tmp_path, {f"{stem}.{k}": t for k, t in leaves.items()}), model), CONV + ".weight"
    )

    torch.testing.assert_close(got - weight_of(weights, model, CONV + ".weight"), delta, rtol=0, atol=1e-5)


@pytest.mark.parametrize("prefix", ["oft_unet_", "lora_unet_", "lycoris_"])
def test_stems_of_other_trainers(tmp_path: Path, weights: Weights, model: Model, prefix: str) -> None:
    path = write(tmp_path, {f"{kohya(LINEAR, prefix)}.diff": rand(32, 32)})

    got = weight_of(weights, applied(path, model), LINEAR + ".weight")

    torch.testing.assert_close(got, weight_of(weights, model, LINEAR + ".weight") + rand(32, 32), rtol=0, atol=1e-6)


WRONG = {
    "difference": {"diff": (40, 32)},
    "whole": {"set_weight": (32, 31)},
    "loha": {"hada_w1_a": (40, 2), "hada_w1_b": (2, 32), "hada_w2_a": (40, 2), "hada_w2_b": (2, 32)},
    "lokr": {"lokr_w1": (4, 4), "lokr_w2": (10, 8)},
    "oft": {"oft_blocks": (5, 8, 8)},
    "glora": {"a1.weight": (64, 2), "a2.weight": (2, 64), "b1.weight": (64, 2), "b2.weight": (2, 64)},
}


@pytest.mark.parametrize("kind", WRONG)
def test_every_kind_that_does_not_fit_is_told(tmp_path: Path, model: Model, kind: str) -> None:
    path = write(tmp_path, {f"{kohya(LINEAR)}.{leaf}": torch.zeros(shape) for leaf, shape in WRONG[kind].items()})

    with pytest.raises(WeightsError, match=r"is made for another model; the model here is SD 1\.x"):
        applied(path, model)


def test_sd2_loras_have_names_of_their_own_sizes(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    found = checkpoint.open_checkpoint(single_file("sd2"))
    unet, text = pair(64, 128), pair(128, 128)
    stem = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    tensors = {
        f"{kohya(stem)}.lora_up.weight": unet[0],
        f"{kohya(stem)}.lora_down.weight": unet[1],
        f"{kohya(TEXT, 'lora_te_')}.lora_up.weight": text[0],
        f"{kohya(TEXT, 'lora_te_')}.lora_down.weight": text[1],
    }

    model, changed = apply_lora(found.model, found.clip, write(tmp_path, tensors), strength_model=1, strength_clip=0.5)

    assert model is not None
    assert changed is not None
    assert found.clip is not None
    got, plain = (weight_of(weights, m, stem + ".weight") for m in (model, found.model))
    torch.testing.assert_close(got, plain + unet[0] @ unet[1], rtol=0, atol=1e-6)
    with weights.text(found.clip) as (before,):
        plain = before.get_parameter(TEXT + ".weight").detach().clone()
    with weights.text(changed) as (after,):
        torch.testing.assert_close(
            after.get_parameter(TEXT + ".weight"), plain + 0.5 * text[0] @ text[1], rtol=0, atol=1e-6
        )


@pytest.mark.parametrize("with_core", [False, True])
def test_convolutions(tmp_path: Path, weights: Weights, model: Model, with_core: bool) -> None:
    stem = kohya(CONV)
    up = rand(32, RANK, 1, 1)
    if with_core:
        down, core = rand(RANK, 32, 1, 1), rand(RANK, RANK, 3, 3)
        delta = torch.zeros(32, 32, 3, 3)
        for y in range(3):
            for x in range(3):
                delta[:, :, y, x] = up[:, :, 0, 0] @ core[:, :, y, x] @ down[:, :, 0, 0]
        tensors = {f"{stem}.lora_mid.weight": core}
    else:
        down = rand(RANK, 32, 3, 3)
        delta = torch.nn.functional.conv2d(down.transpose(0, 1), up).transpose(0, 1)
        tensors = {}
    path = write(tmp_path, {**tensors, f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down})

    got = weight_of(weights, applied(path, model), CONV + ".weight")

    torch.testing.assert_close(got - weight_of(weights, model, CONV + ".weight"), delta, rtol=0, atol=1e-5)


def test_dora_keeps_the_learned_length_of_each_row(tmp_path: Path, weights: Weights, model: Model) -> None:
    up, down = pair(32, 32)
    lengths = rand(32, 1).abs() + 0.5
    stem = kohya(LINEAR)
    leaves = {"lora_up.weight": up, "lora_down.weight": down, "dora_scale": lengths}
    path = write(tmp_path, {f"{stem}.{leaf}": tensor for leaf, tensor in leaves.items()})

    got = weight_of(weights, applied(path, model), LINEAR + ".weight")

    torch.testing.assert_close(got.norm(dim=1, keepdim=True), lengths, rtol=1e-5, atol=0)
    direction = weight_of(weights, model, LINEAR + ".weight") + up @ down
    torch.testing.assert_close(got / got.norm(dim=1, keepdim=True), direction / direction.norm(dim=1, keepdim=True))


def test_text_encoders_are_changed_by_their_own_part(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    found = checkpoint.open_checkpoint(single_file("sdxl"))
    assert found.clip is not None
    first, second = pair(64, 64), pair(128, 128)
    tensors: dict[str, Tensor] = {}
    for prefix, (up, down) in (("lora_te1_", first), ("lora_te2_", second)):
        tensors |= {kohya(TEXT, prefix) + ".lora_up.weight": up, kohya(TEXT, prefix) + ".lora_down.weight": down}
    path = write(tmp_path, tensors)

    _, changed = apply_lora(found.model, found.clip, path, strength_model=1.0, strength_clip=2.0)

    assert changed is not None
    with weights.text(found.clip) as before:
        plain = [e.get_parameter(TEXT + ".weight").detach().clone() for e in before]
    with weights.text(changed) as after:
        for encoder, weight, (up, down) in zip(after, plain, (first, second), strict=True):
            got = encoder.get_parameter(TEXT + ".weight")
            torch.testing.assert_close(got, weight + 2.0 * up @ down, rtol=0, atol=1e-5)


def state(weights: Weights, model: Model) -> dict[str, Tensor]:
    with weights.network(model) as network:
        return {name: p.detach().clone() for name, p in network.module.state_dict().items()}


def test_taken_back_bit_for_bit(tmp_path: Path, model: Model) -> None:
    weights = Weights("cpu", "bf16")
    up, down = pair(32, 32)
    path = write(tmp_path, {kohya(LINEAR) + ".lora_up.weight": up, kohya(LINEAR) + ".lora_down.weight": down})
    before = state(weights, model)

    for strength in (1.0, 0.3, -2.0, 1.0):
        changed = state(weights, applied(path, model, strength))
        assert not torch.equal(changed[LINEAR + ".weight"], before[LINEAR + ".weight"])

    after = state(weights, model)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_several_loras_are_rounded_once(tmp_path: Path, model: Model) -> None:
    weights, changed, expected = (
        Weights("cpu", "bf16"),
        model,
        weight_of(Weights("cpu", "fp32"), model, LINEAR + ".weight"),
    )
    expected, moved = expected.bfloat16().double(), 0.0
    for i, strength in enumerate((0.8, -0.3, 1.7)):
        up, down = rand(32, 2 + i, seed=i) * 0.1, rand(2 + i, 32, seed=9 + i) * 0.1
        (folder := tmp_path / str(i)).mkdir()
        tensors = {kohya(LINEAR) + ".lora_up.weight": up, kohya(LINEAR) + ".lora_down.weight": down}
        changed = applied(write(folder, tensors), changed, strength)
        expected = expected + strength * up.double() @ down.double()
        moved = moved + abs(strength) * up.abs().double() @ down.abs().double()

    got = weight_of(weights, changed, LINEAR + ".weight")

    # Half a unit in the last of bfloat16's 8 bits for the sum, and as much for each factor of what was added.
    assert got.dtype is torch.bfloat16
    assert bool(((got.double() - expected).abs() <= 2**-8 * expected.abs() + 2**-7 * moved).all())
    nearest = expected.to(torch.bfloat16)
    assert float((got == nearest).double().mean()) > 0.9


def test_what_was_taken_off_last_is_put_on_as_it_was(tmp_path: Path, model: Model) -> None:
    weights = Weights("cpu", "fp32")
    up, down = pair(32, 32)
    path = write(tmp_path, {kohya(LINEAR) + ".lora_up.weight": up, kohya(LINEAR) + ".lora_down.weight": down})
    changed = applied(path, model)

    def place(handle: Model) -> int:
        with weights.network(handle) as network:
            return network.module.get_parameter(LINEAR + ".weight").data_ptr()

    first, plain = place(changed), place(model)
    assert weights.spare_bytes == up.shape[0] * down.shape[1] * 4

    assert [place(changed), place(model), place(changed)] == [first, plain, first]
    assert weights.spare_bytes == 0


def test_nothing_is_kept_where_there_is_no_room(tmp_path: Path, model: Model) -> None:
    weights = Weights("cpu", "fp32", budget=1)
    up, down = pair(32, 32)
    path = write(tmp_path, {kohya(LINEAR) + ".lora_up.weight": up, kohya(LINEAR) + ".lora_down.weight": down})

    for handle in (applied(path, model), model, applied(path, model, 0.5), applied(path, model)):
        state(weights, handle)
        assert weights.spare_bytes == 0


def test_a_strength_of_zero_gives_the_same_handle(tmp_path: Path, model: Model) -> None:
    up, down = pair(32, 32)
    path = write(tmp_path, {kohya(LINEAR) + ".lora_up.weight": up, kohya(LINEAR) + ".lora_down.weight": down})

    assert applied(path, model, 0.0) == model


def test_loras_add_up_in_order_and_handles_stay_as_they_were(tmp_path: Path, weights: Weights, model: Model) -> None:
    up, down = pair(32, 32)
    path = write(tmp_path, {kohya(LINEAR) + ".lora_up.weight": up, kohya(LINEAR) + ".lora_down.weight": down})
    once = applied(path, model, 0.5)
    twice = applied(path, once, 0.25)

    got = weight_of(weights, twice, LINEAR + ".weight")

    expected = weight_of(weights, model, LINEAR + ".weight") + 0.75 * up @ down
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)
    assert model.patches == ()
    assert len(once.patches) == 1


def test_a_lora_changes_the_answer(tmp_path: Path, weights: Weights, model: Model) -> None:
    up, down = pair(32, 32)
    path = write(tmp_path, {kohya(OUT) + ".lora_up.weight": up, kohya(OUT) + ".lora_down.weight": down})
    x, context = rand(1, 4, 8, 8), rand(1, 77, 64)

    def ask(handle: Model) -> Tensor:
        with weights.network(handle) as network:
            return network(x, torch.tensor([10.0]), Inputs(context))

    plain = ask(model)
    assert not torch.equal(ask(applied(path, model)), plain)
    assert torch.equal(ask(model), plain)


def test_another_familys_lora_is_told(tmp_path: Path, single_file: Written) -> None:
    stem = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    path = write(tmp_path, {f"{stem}.lora_up.weight": rand(640, 4), f"{stem}.lora_down.weight": rand(4, 2048)})

    with pytest.raises(WeightsError, match=r"lora\.safetensors is made for SDXL; the model here is SD 1\.x\.$"):
        applied(path, checkpoint.open_unet(single_file("sd15")))


def test_a_lora_for_another_text_encoder_is_told(tmp_path: Path, single_file: Written) -> None:
    found = checkpoint.open_checkpoint(single_file("sd15"))
    up, down = pair(768, 768)
    stem = kohya(TEXT, "lora_te1_")
    path = write(tmp_path, {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down})

    with pytest.raises(WeightsError, match=r"is made for another model; the model here is SD 1\.x"):
        apply_lora(None, found.clip, path, strength_model=0, strength_clip=1.0)


def test_a_lora_whose_shapes_do_not_fit_is_told(tmp_path: Path, model: Model) -> None:
    up, down = pair(320, 320)
    path = write(tmp_path, {kohya(LINEAR) + ".lora_up.weight": up, kohya(LINEAR) + ".lora_down.weight": down})

    with pytest.raises(WeightsError, match=r"is made for another model; the model here is SD 1\.x"):
        applied(path, model)


def test_a_file_that_is_no_lora_is_told(single_file: Written) -> None:
    with pytest.raises(WeightsError, match="is no LoRA"):
        open_lora(single_file("sd15"), 1.0, "unet")


def test_sdxl_loras_with_ldm_names(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    model = checkpoint.open_unet(single_file("sdxl"))
    names = {
        "lora_unet_input_blocks_3_1_transformer_blocks_1_attn2_to_k": (
            "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k"
        ),
        "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_v": (
            "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
        ),
        "lora_unet_output_blocks_1_1_transformer_blocks_0_attn2_to_k": (
            "up_blocks.0.attentions.1.transformer_blocks.0.attn2.to_k"
        ),
    }
    up, down = pair(128, 192)
    tensors = {f"{n}.lora_up.weight": up for n in names} | {f"{n}.lora_down.weight": down for n in names}
    changed = applied(write(tmp_path, tensors), model)

    for name in names.values():
        got = weight_of(weights, changed, name + ".weight") - weight_of(weights, model, name + ".weight")
        torch.testing.assert_close(got, up @ down, rtol=0, atol=1e-5)


def test_prompts_under_a_lora_differ(tmp_path: Path, weights: Weights, single_file: Written) -> None:
    found = checkpoint.open_checkpoint(single_file("sd15"))
    assert found.clip is not None
    up, down = pair(64, 64)
    stem = kohya(TEXT, "lora_te_")
    path = write(tmp_path, {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down})
    _, changed = apply_lora(None, found.clip, path, strength_model=0, strength_clip=1.0)
    assert changed is not None

    plain = clip.encode(weights, found.clip, "a cat").tokens
    assert not torch.equal(clip.encode(weights, changed, "a cat").tokens, plain)
    assert torch.equal(clip.encode(weights, found.clip, "a cat").tokens, plain)
