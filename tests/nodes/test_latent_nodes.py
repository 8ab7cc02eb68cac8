"""Latents made, batched, cut, put together and reckoned with."""

from __future__ import annotations

import pytest
import torch

from nodes import empty_latents, latent_batches, latent_layout, latent_math
from nodes.define import NodeError
from nodes.types import Latent, Mask


def latent(batch: int = 1, height: int = 16, width: int = 16, seed: int = 0) -> Latent:
    return Latent(torch.randn((batch, 4, height, width), generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (empty_latents.empty_latent_image, (2, 4, 32, 64)),
        (empty_latents.empty_sd3_latent_image, (2, 16, 32, 64)),
        (empty_latents.empty_flux2_latent_image, (2, 128, 16, 32)),
        (empty_latents.empty_hunyuan_image_latent, (2, 64, 8, 16)),
        (empty_latents.empty_chroma_radiance_latent_image, (2, 3, 256, 512)),
        (empty_latents.empty_qwen_image_layered_latent_image, (2, 16, 4, 32, 64)),
    ],
)
def test_empty_latents_have_their_familys_shape(make, shape: tuple[int, ...]) -> None:
    empty = make(width=512, height=256, batch_size=2).samples
    assert empty.shape == shape
    assert not empty.any()


def test_cascade_has_two_stages() -> None:
    stages = empty_latents.stable_cascade_empty_latent_image(width=1024, height=512, compression=32)
    assert stages.stage_c.samples.shape == (1, 16, 16, 32)
    assert stages.stage_b.samples.shape == (1, 4, 128, 256)


def test_taking_from_a_batch_keeps_mask_and_place() -> None:
    whole = Latent(latent(4).samples, torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 16, 16))
    part = latent_batches.latent_from_batch(samples=whole, batch_index=1, length=2)
    assert torch.equal(part.samples, whole.samples[1:3])
    assert part.noise_mask is not None
    assert part.noise_mask[:, 0, 0, 0].tolist() == [1, 2]
    assert part.batch_index == (1, 2)
    again = latent_batches.latent_from_batch(samples=part, batch_index=1, length=9)
    assert again.batch_index == (2,)


@pytest.mark.parametrize(("index", "length", "places"), [(9, 3, (3,)), (2, 64, (2, 3)), (0, 1, (0,))])
def test_taking_beyond_a_batch_takes_what_there_is(index: int, length: int, places: tuple[int, ...]) -> None:
    part = latent_batches.latent_from_batch(samples=latent(4), batch_index=index, length=length)
    assert part.batch_index == places


def test_a_shared_mask_stays_shared() -> None:
    shared = Latent(latent(3).samples, torch.ones((1, 1, 16, 16)))
    part = latent_batches.latent_from_batch(samples=shared, batch_index=2)
    assert part.noise_mask is shared.noise_mask
    assert latent_batches.repeat_latent_batch(samples=shared, amount=2).noise_mask is shared.noise_mask


def test_repeating_continues_the_noise() -> None:
    part = latent_batches.latent_from_batch(samples=latent(4), batch_index=1, length=2)
    repeated = latent_batches.repeat_latent_batch(samples=part, amount=3)
    assert repeated.batch_index == (1, 2, 3, 4, 5, 6)
    assert torch.equal(repeated.samples[4:], part.samples)


def test_joining_resizes_to_the_first() -> None:
    joined = latent_batches.latent_batch(samples1=latent(2), samples2=latent(1, 8, 8))
    assert joined.samples.shape == (3, 4, 16, 16)
    assert joined.batch_index == (0, 1, 0)


def test_joining_fills_in_missing_masks() -> None:
    masked = Latent(latent(1).samples, torch.zeros((1, 1, 128, 128)))
    joined = latent_batches.batch_latents(latents=[latent(2), masked])
    assert joined.noise_mask is not None
    assert joined.noise_mask[:, 0, 0, 0].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("sizes", "batch_size", "expected"),
    [((3, 2), 2, [2, 2, 1]), ((1, 1, 1), 5, [3]), ((4,), 1, [1, 1, 1, 1])],
)
def test_rebatching_keeps_order_and_noise(sizes: tuple[int, ...], batch_size: int, expected: list[int]) -> None:
    given = [latent(size, seed=i) for i, size in enumerate(sizes)]
    batches = latent_batches.rebatch_latents(latents=given, batch_size=batch_size)
    assert [len(b.samples) for b in batches] == expected
    assert torch.equal(torch.cat([b.samples for b in batches]), torch.cat([g.samples for g in given]))
    assert [p for b in batches for p in b.batch_index or ()] == list(range(sum(sizes)))


def test_rebatching_keeps_sizes_apart() -> None:
    batches = latent_batches.rebatch_latents(latents=[latent(2), latent(2, 8, 8)], batch_size=3)
    assert [b.samples.shape for b in batches] == [(2, 4, 16, 16), (2, 4, 8, 8)]


def test_one_seed_for_a_whole_batch() -> None:
    part = latent_batches.latent_from_batch(samples=latent(4), batch_index=2, length=2)
    fixed = latent_batches.latent_batch_seed_behavior(samples=part, seed_behavior="fixed")
    assert fixed.batch_index == (2, 2)
    assert latent_batches.latent_batch_seed_behavior(samples=fixed, seed_behavior="random").batch_index is None


def test_four_turns_are_none() -> None:
    start = latent(1, 8, 12)
    once = latent_layout.latent_rotate(samples=start, rotation="90 degrees")
    assert torch.equal(once.samples[0, 0, :, -1], start.samples[0, 0, 0])
    back = latent_layout.latent_rotate(samples=once, rotation="270 degrees")
    assert torch.equal(back.samples, start.samples)


@pytest.mark.parametrize(("how", "axis"), [("x-axis: vertically", 2), ("y-axis: horizontally", 3)])
def test_flipping_mirrors_one_axis(how: str, axis: int) -> None:
    start = latent()
    assert torch.equal(latent_layout.latent_flip(samples=start, flip_method=how).samples, start.samples.flip(axis))


def test_cropping_stays_inside() -> None:
    start = latent(1, 16, 24)
    inside = latent_layout.latent_crop(samples=start, width=64, height=80, x=16, y=8)
    assert torch.equal(inside.samples, start.samples[:, :, 1:11, 2:10])
    assert latent_layout.latent_crop(samples=start, x=8000, y=8000).samples.shape == (1, 4, 8, 8)
    assert latent_layout.latent_crop(samples=latent(1, 4, 4), x=64).samples.shape == (1, 4, 4, 4)


def test_pasting_with_a_feather_fades_only_inside() -> None:
    below, above = Latent(torch.zeros((1, 4, 16, 16))), Latent(torch.ones((1, 4, 8, 8)))
    pasted = latent_layout.latent_composite(samples_to=below, samples_from=above, x=0, y=32, feather=32)
    assert pasted.samples[0, 0, 8, :12].tolist() == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0, 0, 0]
    assert pasted.samples[0, 0, :13, 0].tolist() == [0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0]
    assert not below.samples.any()


def test_pasting_outside_changes_nothing() -> None:
    below = latent()
    pasted = latent_layout.latent_composite(samples_to=below, samples_from=latent(seed=1), x=4000, y=0, feather=8)
    assert torch.equal(pasted.samples, below.samples)


def test_pasting_through_a_mask() -> None:
    below, above = latent(2), latent(1, 8, 8, seed=1)
    mask = Mask(torch.cat([torch.zeros((1, 64, 32)), torch.ones((1, 64, 32))], dim=2))
    pasted = latent_layout.latent_composite_masked(destination=below, source=above, x=64, y=64, mask=mask).samples
    assert torch.equal(pasted[:, :, 8:, 12:], above.samples[:, :, :, 4:].expand(2, -1, -1, -1))
    assert torch.equal(pasted[:, :, :8], below.samples[:, :, :8])
    assert torch.equal(pasted[:, :, 8:, 8:11], below.samples[:, :, 8:, 8:11])


def test_a_resized_source_covers_everything() -> None:
    pasted = latent_layout.latent_composite_masked(
        destination=latent(), source=Latent(torch.ones((1, 4, 4, 4))), resize_source=True
    )
    torch.testing.assert_close(pasted.samples, torch.ones((1, 4, 16, 16)))


def test_put_together_and_cut_apart() -> None:
    first, second = latent(), latent(seed=1)
    for axis in ("x", "y", "t"):
        both = latent_layout.latent_concat(samples1=first, samples2=second, dim=axis)
        size = 4 if axis == "t" else 16
        cut = latent_layout.latent_cut(samples=both, dim=axis, index=-size, amount=size)
        assert torch.equal(cut.samples, second.samples)
        swapped = latent_layout.latent_concat(samples1=first, samples2=second, dim=f"-{axis}")
        start = latent_layout.latent_cut(samples=swapped, dim=axis, index=0, amount=size)
        assert torch.equal(start.samples, second.samples)


def test_putting_together_what_does_not_fit_is_said() -> None:
    with pytest.raises(NodeError, match=r"\[1, 4, 16, 16\] and \[1, 4, 8, 8\]"):
        latent_layout.latent_concat(samples1=latent(), samples2=latent(1, 8, 8), dim="x")


@pytest.mark.parametrize(("index", "amount", "expected"), [(14, 5, (14, 16)), (99, 1, (15, 16)), (-99, 2, (0, 2))])
def test_cutting_stays_inside(index: int, amount: int, expected: tuple[int, int]) -> None:
    start = latent()
    cut = latent_layout.latent_cut(samples=start, dim="x", index=index, amount=amount)
    assert torch.equal(cut.samples, start.samples[..., slice(*expected)])


def test_slices_become_a_batch() -> None:
    start = latent(1, 16, 16)
    slices = latent_layout.latent_cut_to_batch(samples=start, dim="x", slice_size=5).samples
    assert slices.shape == (3, 4, 16, 5)
    assert torch.equal(slices[1], start.samples[0, :, :, 5:10])
    video = Latent(torch.randn((1, 4, 6, 2, 2)))
    frames = latent_layout.latent_cut_to_batch(samples=video, dim="t", slice_size=2).samples
    assert torch.equal(frames[2], video.samples[0, :, 4:])


def test_frames_are_replaced() -> None:
    video, new = Latent(torch.zeros((1, 4, 5, 2, 2))), Latent(torch.ones((1, 4, 2, 2, 2)))
    replaced = latent_layout.replace_video_latent_frames(destination=video, source=new, index=-3)
    assert replaced.samples[0, 0, :, 0, 0].tolist() == [0, 0, 1, 1, 0]
    with pytest.raises(NodeError, match="do not fit"):
        latent_layout.replace_video_latent_frames(destination=video, source=new, index=4)


def test_sums_and_products() -> None:
    a, b = latent(2), latent(1, seed=1)
    assert torch.equal(latent_math.latent_add(samples1=a, samples2=b).samples, a.samples + b.samples)
    assert torch.equal(latent_math.latent_subtract(samples1=a, samples2=b).samples, a.samples - b.samples)
    assert torch.equal(latent_math.latent_multiply(samples=a, multiplier=-2.5).samples, a.samples * -2.5)
    blend = latent_math.latent_blend(samples1=a, samples2=b, blend_factor=0.25).samples
    torch.testing.assert_close(blend, 0.25 * a.samples + 0.75 * b.samples)


def test_interpolation_mixes_directions_and_lengths() -> None:
    a = Latent(torch.tensor([4.0, 0, 0, 0]).reshape(1, 4, 1, 1))
    b = Latent(torch.tensor([0.0, 2, 0, 0]).reshape(1, 4, 1, 1))
    mixed = latent_math.latent_interpolate(samples1=a, samples2=b, ratio=0.5).samples.flatten()
    torch.testing.assert_close(mixed, torch.tensor([3 / 2**0.5, 3 / 2**0.5, 0, 0]))
    zero = latent_math.latent_interpolate(samples1=Latent(torch.zeros((1, 4, 1, 1))), samples2=b, ratio=1.0)
    assert zero.samples.isfinite().all()


def test_operations_say_what_they_are_and_do_it() -> None:
    tonemap = latent_math.latent_operation_tonemap_reinhard(multiplier=1.0)
    assert tonemap == latent_math.latent_operation_tonemap_reinhard(multiplier=1.0)
    start = latent(1, 32, 32)
    before, after = (torch.linalg.vector_norm(x, dim=1) for x in (start.samples, tonemap.apply(start.samples)))
    assert (after < before).all()
    assert torch.equal(before.flatten().argsort(), after.flatten().argsort())
    sharpen = latent_math.latent_operation_sharpen(sharpen_radius=3, sigma=1.0, alpha=0.0)
    same = latent_math.latent_apply_operation(samples=start, operation=sharpen)
    torch.testing.assert_close(same.samples, start.samples)
