from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.diffusion.evaluate import Evaluator, same_length
from nodes.diffusion.network import Inputs, LatentFormat, Parametrization, Residuals
from nodes.diffusion.regions import Box, place
from nodes.types import Area, Cond, Conditioning, ControlHint
from tests.diffusion.toy_networks import ToyNetwork, gaussian_x0, piece, saying

HEIGHT, WIDTH, SIGMA = 16, 24, 2.0


def noisy(samples: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(samples, 4, HEIGHT, WIDTH, generator=generator) * SIGMA


def answers(
    positive: Conditioning,
    negative: Conditioning | None = None,
    *,
    x: Tensor | None = None,
    sigma: float = SIGMA,
    network: ToyNetwork | None = None,
    **options: object,
) -> list[Tensor]:
    """x0 under each conditioning."""
    network = network or ToyNetwork()
    x = noisy() if x is None else x
    sides = {"positive": positive, **({} if negative is None else {"negative": negative})}
    placed = place(sides, x.shape, network.prediction, x.device)
    evaluator = Evaluator(network, network.prediction, **options)  # pyright: ignore[reportArgumentType]
    return evaluator(x, sigma, list(placed.values()))


def exact(value: float | Tensor, x: Tensor | None = None, sigma: float = SIGMA) -> Tensor:
    """x0 where the toy paints `value`. The level is the one the network is told: the table's nearest."""
    levels = ToyNetwork().prediction.levels
    told = levels.sigma(levels.timestep(sigma))
    x = noisy() if x is None else x
    scaled = x / (1 + sigma**2) ** 0.5 * (1 + told**2) ** 0.5
    return x - (scaled - gaussian_x0(scaled, told, value, 0.5)) / told * sigma


def test_one_side_alone() -> None:
    [x0] = answers(saying(0.7))

    torch.testing.assert_close(x0, exact(0.7))


def test_one_prompt_with_a_mask_says_nothing_outside_it() -> None:
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[..., :8] = 0.5

    [x0] = answers(saying(0.7, mask=mask))

    torch.testing.assert_close(x0[..., :8], exact(0.7)[..., :8])
    assert not x0[..., 8:].any()


def anywhere(chance: random.Random) -> Cond:
    """A piece with a mask or not, an area or not, of any sizes that a workflow can name."""
    generator = torch.Generator().manual_seed(chance.randrange(1000))
    sizes = (chance.choice([1, 2, 3]), chance.choice([1, 8, HEIGHT, 64]), chance.choice([1, WIDTH, 50]))
    place_of = [chance.choice([0, 0.5, 1, 3, 100]) for _ in range(4)]
    facts: dict[str, Any] = {
        "mask": torch.rand(sizes, generator=generator).round() if chance.random() < 0.5 else None,
        "mask_strength": chance.choice([0.0, 0.5, 1.0]),
        "area": Area(*place_of, relative=chance.random() < 0.5) if chance.random() < 0.4 else None,
        "set_area_to_bounds": chance.random() < 0.3,
        "strength": chance.choice([0.0, 1.0, 2.0]),
        "start_percent": chance.choice([0.0, 0.0, 0.5]),
    }
    return piece(chance.random(), length=chance.choice([3, 77, 154]), **facts)


@pytest.mark.parametrize("seed", range(60))
def test_pieces_anywhere_give_a_picture(seed: int) -> None:
    chance = random.Random(seed)
    positive, negative = (Conditioning(tuple(anywhere(chance) for _ in range(chance.randrange(4)))) for _ in range(2))

    found = answers(positive, negative, x=noisy(chance.choice([1, 2])))

    assert all(x0.shape[1:] == (4, HEIGHT, WIDTH) and x0.isfinite().all() for x0 in found)


def test_both_sides_share_a_call() -> None:
    network = ToyNetwork()

    positive, negative = answers(saying(0.7), saying(-0.2), network=network)

    assert [len(x) for x, _, _ in network.calls] == [2]
    torch.testing.assert_close(positive, exact(0.7))
    torch.testing.assert_close(negative, exact(-0.2))


def test_a_batch_of_latents_is_asked_whole() -> None:
    x = noisy(3)
    network = ToyNetwork()

    [x0] = answers(saying(0.7), x=x, network=network)

    assert [len(x) for x, _, _ in network.calls] == [3]
    torch.testing.assert_close(x0, exact(0.7, x))


def test_no_condition_at_all_gives_zeros() -> None:
    [x0] = answers(Conditioning(()))

    assert not x0.any()


def test_pieces_are_averaged_by_strength() -> None:
    [x0] = answers(Conditioning((piece(1.0, strength=3.0), piece(0.0, strength=1.0))))

    torch.testing.assert_close(x0, exact(0.75))


def test_a_mask_says_where() -> None:
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[..., :10] = 1.0

    [x0] = answers(Conditioning((piece(1.0, mask=mask), piece(0.0, mask=1 - mask))))

    torch.testing.assert_close(x0, exact(mask.unsqueeze(1).expand(1, 4, -1, -1)))


def test_masks_of_another_size_are_fitted() -> None:
    mask = torch.zeros(1, HEIGHT * 8, WIDTH * 8)
    mask[..., : 10 * 8] = 1.0
    small = torch.zeros(1, 1, HEIGHT, WIDTH)
    small[..., :10] = 1.0

    [x0] = answers(Conditioning((piece(1.0, mask=mask), piece(0.0, mask=1 - mask))))

    torch.testing.assert_close(x0, exact(small.expand(1, 4, -1, -1)))


def test_mask_strength_counts_too() -> None:
    half = torch.ones(1, HEIGHT, WIDTH)

    [x0] = answers(Conditioning((piece(1.0, mask=half, mask_strength=0.5, strength=2.0), piece(0.0))))

    torch.testing.assert_close(x0, exact(0.5))


def test_an_area_is_asked_alone_and_fades_inside_the_picture() -> None:
    network = ToyNetwork()
    area = Area(height=16, width=12, y=0, x=12)

    [x0] = answers(Conditioning((piece(1.0, area=area), piece(0.0))), network=network)

    assert sorted(tuple(x.shape) for x, _, _ in network.calls) == [(1, 4, 16, 12), (1, 4, 16, 24)]
    fade = torch.ones(12)
    fade[:3] = torch.tensor([1.0, 2.0, 3.0]) / 3  # an inner edge: a quarter of the width, at most 8
    weight = torch.cat([torch.zeros(12), fade])
    torch.testing.assert_close(x0, exact((weight / (weight + 1)).expand(1, 4, HEIGHT, WIDTH)))


def test_relative_areas_are_shares_of_the_picture() -> None:
    relative = Area(height=0.5, width=0.25, y=0.5, x=0.75, relative=True)

    placed = place({"positive": saying(1.0, area=relative)}, (1, 4, 16, 24), ToyNetwork().prediction, noisy().device)

    assert placed["positive"][0].box == Box(8, 6, 8, 18)


def test_an_area_beyond_the_picture_is_cut() -> None:
    outside = Area(height=99, width=99, y=10, x=20)

    placed = place({"positive": saying(1.0, area=outside)}, (1, 4, 16, 24), ToyNetwork().prediction, noisy().device)

    assert placed["positive"][0].box == Box(6, 4, 10, 20)


def test_mask_bounds_ask_only_the_box_around_the_mask() -> None:
    network = ToyNetwork()
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, 2:12, 3:13] = 1.0

    answers(saying(1.0, mask=mask, set_area_to_bounds=True), network=network)

    assert [tuple(x.shape[-2:]) for x, _, _ in network.calls] == [(10, 10)]


def test_the_other_side_is_asked_for_the_same_area() -> None:
    network = ToyNetwork()
    area = Area(height=16, width=8, y=0, x=0)

    positive, negative = answers(Conditioning((piece(1.0, area=area), piece(0.0))), saying(0.5), network=network)

    # The area for both sides in one call, the whole for both sides in another.
    assert sorted(tuple(x.shape) for x, _, _ in network.calls) == [(2, 4, 16, 8), (2, 4, 16, 24)]
    torch.testing.assert_close(negative, exact(0.5))
    assert float(positive[..., 0].mean()) > float(exact(0.0)[..., 0].mean())


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0.0, 1.0, 0.5), (0.0, 0.3, 0.0), (0.6, 1.0, 0.0), (0.3, 0.6, 0.5)],
    ids=["always", "too early", "too late", "in time"],
)
def test_a_piece_acts_in_its_range(start: float, end: float, expected: float) -> None:
    # Level 2 is 44 % of the way.
    [x0] = answers(Conditioning((piece(1.0, start_percent=start, end_percent=end), piece(0.0))))

    torch.testing.assert_close(x0, exact(expected))


def test_contexts_of_different_lengths_share_a_call() -> None:
    network = ToyNetwork()

    positive, negative = answers(saying(0.7, length=154), saying(-0.2, length=77), network=network)

    [(x, _, inputs)] = network.calls
    assert len(x) == 2
    assert inputs.context is not None
    assert inputs.context.shape[1] == 154
    torch.testing.assert_close(positive, exact(0.7))
    torch.testing.assert_close(negative, exact(-0.2))


def test_contexts_that_would_grow_much_do_not() -> None:
    network = ToyNetwork()

    answers(saying(0.7, length=77 * 4), saying(-0.2, length=77 * 5), network=network)

    assert [len(x) for x, _, _ in network.calls] == [1, 1]


def test_repeating_reaches_the_least_common_length() -> None:
    joined = same_length([torch.arange(6.0).reshape(1, 2, 3), torch.arange(9.0).reshape(1, 3, 3)])

    assert joined.shape == (2, 6, 3)
    assert joined[0, :, 0].tolist() == [0, 3] * 3
    assert joined[1, :, 0].tolist() == [0, 3, 6] * 2


def test_in_a_flow_contexts_are_not_repeated() -> None:
    network = ToyNetwork(Parametrization(kind="flow", shift=3.0))

    answers(saying(0.7, length=154), saying(-0.2), network=network, sigma=0.5)

    assert [len(x) for x, _, _ in network.calls] == [1, 1]


@pytest.mark.parametrize("fits", [1, 2, 3])
def test_running_out_of_memory_makes_smaller_batches(fits: int) -> None:
    pieces = Conditioning(tuple(piece(value) for value in (0.1, 0.2, 0.3, 0.4)))
    network = ToyNetwork(fits=fits)

    [x0] = answers(pieces, network=network)

    assert max(len(x) for x, _, _ in network.calls) <= fits
    torch.testing.assert_close(x0, exact(0.25))


def test_running_out_of_memory_with_a_single_sample_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        answers(saying(0.1), network=ToyNetwork(fits=0))


def test_the_timestep_is_told_for_every_sample() -> None:
    network = ToyNetwork()

    answers(saying(0.7), saying(0.1), network=network, sigma=14.614641)

    assert network.calls[0][1].tolist() == [999, 999]


HINT = ControlHint(net=None, image=torch.zeros(1, 8, 8, 3))  # pyright: ignore[reportArgumentType]


class ToyControls:
    """Control networks that say how they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, hints: tuple[ControlHint, ...], x: Tensor, timestep: Tensor, inputs: Inputs) -> Residuals:
        assert inputs.context is not None
        assert len(inputs.context) == len(x) == len(timestep)
        self.asked.append((len(hints), len(x)))
        return Residuals(down=[x], mid=x)


def test_controls_are_asked_with_the_batch_that_they_control() -> None:
    network, controls = ToyNetwork(), ToyControls()

    answers(saying(0.7, controls=(HINT,)), saying(0.1, controls=(HINT,)), network=network, controls=controls)

    assert controls.asked == [(1, 2)]
    assert network.calls[0][2].mid_residual is not None


def test_controls_of_one_side_leave_the_other_alone() -> None:
    network, controls = ToyNetwork(), ToyControls()

    answers(saying(0.7, controls=(HINT,)), saying(0.1), network=network, controls=controls)

    assert controls.asked == [(1, 1)]
    assert [inputs.mid_residual is None for _, _, inputs in network.calls] == [False, True]


def test_controls_marked_for_both_sides_act_on_both() -> None:
    controls = ToyControls()

    answers(saying(0.7, controls=(HINT,), extras={"control_apply_to_uncond": True}), saying(0.1), controls=controls)

    assert controls.asked == [(1, 2)]


@pytest.mark.parametrize(("start", "end", "asked"), [(0.0, 0.3, []), (0.3, 0.6, [(1, 1)]), (0.6, 1.0, [])])
def test_controls_act_in_their_range(start: float, end: float, asked: list[tuple[int, int]]) -> None:
    controls = ToyControls()
    hint = ControlHint(
        net=None,  # pyright: ignore[reportArgumentType]
        image=torch.zeros(1, 8, 8, 3),
        start_percent=start,
        end_percent=end,
    )

    answers(saying(0.7, controls=(hint,)), controls=controls)

    assert controls.asked == asked


def sizes_told(family: str, extras: Mapping[str, float], *, side: str = "positive") -> list[float]:
    """The sizes an SDXL network is told for a conditioning with these extras."""
    network = ToyNetwork(family=family)
    said = Cond(torch.zeros(1, 77, 8), pooled=torch.zeros(1, 6), extras=extras)
    placed = place({side: Conditioning((said,))}, noisy().shape, network.prediction, noisy().device)
    Evaluator(network, network.prediction)(noisy(), SIGMA, [placed[side]])
    [(_, _, inputs)] = network.calls
    assert inputs.pooled is not None
    assert inputs.time_ids is not None
    return inputs.time_ids[0].tolist()


def test_sdxl_is_told_the_sizes() -> None:
    given = {"width": 1024, "height": 768, "crop_w": 8, "crop_h": 16, "target_width": 512, "target_height": 256}

    assert sizes_told("sdxl", {}) == [128, 192, 0, 0, 128, 192]
    assert sizes_told("sdxl", {"width": 64, "height": 32}) == [32, 64, 0, 0, 32, 64]
    assert sizes_told("sdxl", given) == [768, 1024, 16, 8, 256, 512]
    assert sizes_told("sdxl_refiner", {}) == [128, 192, 0, 0, 6.0]
    assert sizes_told("sdxl_refiner", {}, side="negative") == [128, 192, 0, 0, 2.5]
    assert sizes_told("sdxl_refiner", {"aesthetic_score": 4.0}) == [128, 192, 0, 0, 4.0]


def joined(network: ToyNetwork, conditioning: Conditioning, **options: Any) -> Tensor:
    """What joins x on the channel axis."""
    answers(conditioning, network=network, **options)
    concat = network.calls[0][2].concat
    assert concat is not None
    return concat


def test_inpainting_networks_get_the_mask_and_the_masked_picture() -> None:
    network = ToyNetwork(in_channels=9, latent_format=LatentFormat(scale=0.5))
    mask = torch.zeros(1, 1, HEIGHT * 8, WIDTH * 8)
    mask[..., : 10 * 8] = 1.0

    found = joined(network, saying(0.1, concat_mask=mask, concat_latent=torch.full((1, 4, HEIGHT, WIDTH), 3.0)))

    assert found.shape == (1, 5, HEIGHT, WIDTH)
    assert found[0, 0, 0].tolist() == [1.0] * 10 + [0.0] * 14
    assert found[:, 1:].unique().tolist() == [1.5]


def test_inpainting_networks_without_a_picture_see_a_blank_one() -> None:
    found = joined(ToyNetwork(in_channels=9), saying(0.1))

    assert found[:, 0].unique().tolist() == [1.0]
    assert found[0, 1:, 0, 0].tolist() == pytest.approx([0.8223, -0.6876, 0.6364, 0.1380])


def test_inpainting_networks_fall_back_on_the_noise_mask_and_the_latent() -> None:
    mask, latent = torch.ones(1, 4, HEIGHT, WIDTH), torch.full((1, 4, HEIGHT, WIDTH), 7.0)

    found = joined(ToyNetwork(in_channels=9), saying(0.1), mask=mask, latent=latent)

    assert found[:, 1:].unique().tolist() == [7.0]


def test_editing_networks_get_the_picture_alone() -> None:
    found = joined(ToyNetwork(in_channels=8), saying(0.1, concat_latent=torch.full((1, 4, HEIGHT, WIDTH), 3.0)))

    assert found.shape == (1, 4, HEIGHT, WIDTH)
    assert found.unique().tolist() == [1.5]
