"""The IP-Adapter nodes, on tiny real networks from their usual folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import clip_vision, ip_adapter, ip_adapter_pictures, sampling
from nodes.define import NodeError
from nodes.diffusion import checkpoint
from nodes.diffusion.companions import companions
from nodes.diffusion.ip_adapter import Embeds, ImagePrompt, IpAdapter
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import ClipVision, Cond, Conditioning, Image, Latent, Mask, Model
from tests.diffusion import tiny, tiny_adapters
from tests.diffusion.tiny_adapters import rand

TEXT = Conditioning((Cond(rand(1, 77, 64)),))
EMPTY = Latent(torch.zeros(1, 4, 8, 8))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base folder with a model, adapters of each kind, and their image encoder."""
    root = tmp_path_factory.mktemp("base")
    models = root / "models"
    tiny.write_single(models / "checkpoints" / "tiny.safetensors", "sd15")
    widths = tiny_adapters.cross_widths("sd15")
    for name, kind, reads in (
        ("ip-adapter_sd15", "plain", 1024),
        ("ip-adapter_sd15_light", "plain", 1024),
        ("ip-adapter-plus_sd15", "plus", 1280),
        ("ip-adapter-plus-face_sd15", "plus", 1280),
    ):
        state = tiny_adapters.ip_adapter_state(kind, reads=reads, context=64, widths=widths)
        tiny_adapters.write(models / "ipadapter" / f"{name}.safetensors", state)
    other = tiny_adapters.ip_adapter_state("plus", reads=1280, context=96, widths=widths)
    tiny_adapters.write(models / "ipadapter" / "another-plus.safetensors", other)
    (models / "ipadapter" / "old.bin").write_bytes(b"\x80\x02pickle")
    eye = tiny_adapters.vision_module(1280, 1024)
    tiny_adapters.write(models / "clip_vision" / "eye.safetensors", eye.state_dict())
    tiny_adapters.write(models / "clip_vision" / "small.safetensors", tiny_adapters.vision_module().state_dict())
    return root


@pytest.fixture
def folders(base: Path) -> Folders:
    return Folders.at(base)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


@pytest.fixture
def model(base: Path) -> Model:
    return checkpoint.open_unet(base / "models/checkpoints/tiny.safetensors")


@pytest.fixture
def plain(folders: Folders) -> IpAdapter:
    return ip_adapter.load_ip_adapter(folders=folders, ipadapter_file="ip-adapter_sd15.safetensors")


@pytest.fixture
def eye(folders: Folders) -> ClipVision:
    return clip_vision.load_clip_vision(folders=folders, clip_name="eye.safetensors")


def picture(seed: int, count: int = 1) -> Image:
    return Image(torch.rand((count, 64, 48, 3), generator=torch.Generator().manual_seed(seed)))


def prompt_of(model: Model) -> ImagePrompt:
    (found,) = companions(model)
    assert isinstance(found, ImagePrompt)
    return found


@pytest.mark.parametrize(
    ("preset", "name"),
    [
        ("LIGHT - SD1.5 only (low strength)", "ip-adapter_sd15_light"),
        ("STANDARD (medium strength)", "ip-adapter_sd15"),
        ("PLUS (high strength)", "ip-adapter-plus_sd15"),
        ("PLUS FACE (portraits)", "ip-adapter-plus-face_sd15"),
    ],
)
def test_the_unified_loader_finds_what_fits(folders: Folders, model: Model, preset: str, name: str) -> None:
    got = ip_adapter.load_unified(folders=folders, model=model, preset=preset)

    assert got.model is model
    assert got.ipadapter.source.path.stem == name
    assert got.ipadapter.vision is not None
    assert got.ipadapter.vision.source.path.name == "eye.safetensors"


def test_the_unified_loader_says_what_is_missing(folders: Folders, model: Model) -> None:
    with pytest.raises(NodeError, match=r"No IP-Adapter in models/ipadapter fits 'VIT-G .* reads 1280 numbers"):
        ip_adapter.load_unified(folders=folders, model=model, preset="VIT-G (medium strength)")


def test_the_model_draws_what_it_is_shown(folders: Folders, model: Model, weights: Weights, ctx: Any) -> None:
    found = ip_adapter.load_unified(folders=folders, model=model, preset="PLUS (high strength)")

    def drawn(shown: Model) -> torch.Tensor:
        return sampling.ksampler(
            ctx=ctx, weights=weights, model=shown, steps=2, cfg=3.0, positive=TEXT, negative=TEXT, latent_image=EMPTY
        ).samples

    given = {"weights": weights, "model": model, "ipadapter": found.ipadapter}
    one, other = (ip_adapter.apply(**given, image=picture(seed), weight=1.0) for seed in (1, 2))

    results = [drawn(each) for each in (model, one, other, one)]
    assert torch.equal(results[1], results[3])
    assert not any(torch.equal(results[a], results[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert companions(model) == ()


def test_every_field_reaches_the_prompt(model: Model, plain: IpAdapter, eye: ClipVision, weights: Weights) -> None:
    mask = Mask(torch.ones(1, 8, 8))
    got = prompt_of(
        ip_adapter.apply_advanced(
            weights=weights, model=model, ipadapter=plain, clip_vision=eye, image=picture(1, 2), weight=0.5,
            weight_type="ease in", combine_embeds="average", start_at=0.1, end_at=0.9, embeds_scaling="K+V",
            image_negative=picture(3), attn_mask=mask,
        )
    )  # fmt: skip

    assert (got.weight, got.layers, got.scaling) == (0.5, "ease in", "K+V")
    assert got.mask is mask.values
    assert (got.start_sigma, got.end_sigma) == pytest.approx((8.307171, 0.343705), rel=1e-4)
    assert got.positive.shape == got.negative.shape == (1, 1024)
    singly = [Image(each[None]) for each in picture(1, 2).pixels]
    one, two = (ip_adapter.encode(weights=weights, ipadapter=plain, image=image, clip_vision=eye) for image in singly)
    torch.testing.assert_close(got.positive, (one.pos_embed.values + two.pos_embed.values) / 2, rtol=1e-3, atol=1e-4)


def test_a_weight_of_zero_changes_nothing(model: Model, plain: IpAdapter, eye: ClipVision, weights: Weights) -> None:
    given = {"weights": weights, "model": model, "ipadapter": plain, "clip_vision": eye, "image": picture(1)}
    assert ip_adapter.apply_advanced(**given, weight=0.0) is model


def test_old_workflows_are_understood(model: Model, plain: IpAdapter, eye: ClipVision, weights: Weights) -> None:
    given = {"weights": weights, "model": model, "ipadapter": plain, "clip_vision": eye, "image": picture(1, 2)}
    got = prompt_of(ip_adapter.apply_old(**given, weight=0.8, weight_type="channel penalty", unfold_batch=True))
    noisy = prompt_of(ip_adapter.apply_old(**given, noise=0.5))

    assert (got.weight, got.scaling, got.per_sample) == (0.8, "K+mean(V) w/ C penalty", True)
    assert not got.negative.any()
    assert noisy.negative.any()


def test_style_and_composition_have_their_layers(
    model: Model, plain: IpAdapter, eye: ClipVision, weights: Weights
) -> None:
    given = {"weights": weights, "model": model, "ipadapter": plain, "clip_vision": eye}
    both = ip_adapter.apply_style_composition(
        **given, image_style=picture(1), image_composition=picture(2), weight_style=0.9, weight_composition=0.4
    )
    precise = prompt_of(ip_adapter.apply_precise_style(**given, image=picture(1), style_boost=2.0))
    shape = prompt_of(ip_adapter.apply_precise_composition(**given, image=picture(1), composition_boost=0.3))
    batch = prompt_of(ip_adapter.apply_batch(**given, image=picture(1, 2)))

    assert [(p.layers, p.weight) for p in companions(both) if isinstance(p, ImagePrompt)] == [
        ("style transfer", 0.9),
        ("composition", 0.4),
    ]
    assert (precise.layers, precise.second_weight) == ("style transfer precise", 2.0)
    assert (shape.layers, shape.second_weight) == ("composition precise", 0.3)
    assert batch.per_sample


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("concat", [[1.0, 4.0], [3.0, 2.0]]),
        ("add", [[4.0, 6.0]]),
        ("subtract", [[-2.0, 2.0]]),
        ("average", [[2.0, 3.0]]),
        ("max", [[3.0, 4.0]]),
        ("min", [[1.0, 2.0]]),
        ("norm average", [[2 / 10**0.5, 3 / 20**0.5]]),
    ],
)
def test_embeds_are_combined(method: str, expected: list[list[float]]) -> None:
    a, b = Embeds(torch.tensor([[1.0, 4.0]])), Embeds(torch.tensor([[3.0, 2.0]]))
    got = ip_adapter.combine(embed1=a, embed2=b, method=method)
    torch.testing.assert_close(got.values, torch.tensor(expected))


def test_embeds_are_applied(model: Model, plain: IpAdapter, eye: ClipVision, weights: Weights) -> None:
    read = ip_adapter.encode(weights=weights, ipadapter=plain, image=picture(1), weight=0.5, clip_vision=eye)
    got = prompt_of(
        ip_adapter.apply_embeds(weights=weights, model=model, ipadapter=plain, pos_embed=read.pos_embed, weight=0.7)
    )
    directly = prompt_of(ip_adapter.apply_advanced(
        weights=weights, model=model, ipadapter=plain, clip_vision=eye, image=picture(1)
    ))  # fmt: skip

    torch.testing.assert_close(got.positive, 0.5 * directly.positive)
    assert not got.negative.any()


def test_a_mask_says_which_part_of_a_picture_is_read(plain: IpAdapter, eye: ClipVision, weights: Weights) -> None:
    left = torch.zeros(1, 64, 48)
    left[:, :, :24] = 1
    one, changed = picture(1), picture(1).pixels.clone()
    changed[:, :, 24:] = 0.3

    def read(image: Image, mask: torch.Tensor | None) -> torch.Tensor:
        given = {"weights": weights, "ipadapter": plain, "clip_vision": eye}
        return ip_adapter.encode(**given, image=image, mask=Mask(mask) if mask is not None else None).pos_embed.values

    assert torch.equal(read(one, left), read(Image(changed), left))
    assert not torch.allclose(read(one, None), read(Image(changed), None))


def test_what_does_not_belong_together_is_told(
    folders: Folders, model: Model, plain: IpAdapter, eye: ClipVision, weights: Weights
) -> None:
    small = clip_vision.load_clip_vision(folders=folders, clip_name="small.safetensors")
    another = ip_adapter.load_ip_adapter(folders=folders, ipadapter_file="another-plus.safetensors")
    plus = ip_adapter.load_ip_adapter(folders=folders, ipadapter_file="ip-adapter-plus_sd15.safetensors")
    given = {"weights": weights, "model": model, "image": picture(1)}

    with pytest.raises(NodeError, match=r"ip-adapter_sd15\.safetensors reads CLIP ViT-H; small\.safetensors gives 32"):
        ip_adapter.apply_advanced(**given, ipadapter=plain, clip_vision=small)
    with pytest.raises(NodeError, match=r"another-plus\.safetensors is made for text 96 wide; the model here is SD 1"):
        ip_adapter.apply_advanced(**given, ipadapter=another, clip_vision=eye)
    with pytest.raises(NodeError, match=r"needs an image encoder, CLIP ViT-H: connect clip_vision, or load both"):
        ip_adapter.apply(**given, ipadapter=plain)
    with pytest.raises(NodeError, match=r"embeds have 8 numbers where ip-adapter_sd15\.safetensors reads 1024"):
        ip_adapter.apply_embeds(weights=weights, model=model, ipadapter=plain, pos_embed=Embeds(torch.zeros(1, 8)))
    with pytest.raises(NodeError, match="reads a picture's parts; connect neg_embed or clip_vision"):
        ip_adapter.apply_embeds(
            weights=weights, model=model, ipadapter=plus, pos_embed=Embeds(torch.zeros(1, 17, 1280))
        )
    with pytest.raises(NodeError, match="read by different kinds of adapter"):
        ip_adapter.combine(embed1=Embeds(torch.zeros(1, 8)), embed2=Embeds(torch.zeros(1, 9)))
    with pytest.raises(NodeError, match=r"old\.bin is a pickle"):
        ip_adapter.load_ip_adapter(folders=folders, ipadapter_file="old.bin")


@pytest.mark.parametrize(
    ("position", "column"), [("left", 0), ("center", 40), ("right", 80), ("top", 40), ("bottom", 40)]
)
def test_pictures_are_cut_to_squares(position: str, column: int) -> None:
    pixels = torch.zeros(1, 40, 120, 3)
    pixels[:, :, column : column + 40] = 0.6

    got = ip_adapter_pictures.prepare(image=Image(pixels), crop_position=position)

    assert got.pixels.shape == (1, 224, 224, 3)
    assert got.pixels.unique().tolist() == pytest.approx([0.6])


def test_pictures_are_padded_to_squares() -> None:
    got = ip_adapter_pictures.prepare(image=Image(torch.ones(1, 40, 120, 3)), crop_position="pad").pixels
    assert not got[:, :70].any()
    assert got[:, 80:144].all()
    assert not got[:, 154:].any()


def test_sharpening_raises_contrast_and_keeps_flat_places() -> None:
    pixels = torch.full((1, 64, 64, 3), 0.4)
    pixels[:, :, 32:] = 0.6
    soft = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1), 9, 1, 4, count_include_pad=False).movedim(1, -1)
    given = {"image": Image(soft), "crop_position": "center"}

    plain, sharp = (ip_adapter_pictures.prepare(**given, sharpening=amount).pixels for amount in (0.0, 1.0))

    slope = [(p[:, :, 1:] - p[:, :, :-1]).abs().max() for p in (plain, sharp)]
    assert slope[1] > slope[0]
    torch.testing.assert_close(sharp[:, :, :40], plain[:, :, :40], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["fade", "dissolve", "gaussian", "shuffle"])
def test_noise_is_the_same_every_time(kind: str) -> None:
    given = {"type": kind, "strength": 0.5, "image_optional": picture(1)}
    one, again = (ip_adapter_pictures.noise(**given).pixels for _ in range(2))
    blurred = ip_adapter_pictures.noise(**given, blur=4).pixels

    assert torch.equal(one, again)
    assert not torch.allclose(one, picture(1).pixels)
    assert blurred.shape == one.shape
    assert blurred.std() < one.std()


def test_regions_have_pictures_and_prompts(model: Model, plain: IpAdapter, eye: ClipVision, weights: Weights) -> None:
    mask = Mask(torch.ones(1, 8, 8))
    one = ip_adapter_pictures.region(image=picture(1), image_weight=0.6, prompt_weight=0.5, mask=mask, positive=TEXT)
    two = ip_adapter_pictures.region(image=picture(2), weight_type="style transfer")

    every = ip_adapter_pictures.combine_regions(params_1=one.IPADAPTER_PARAMS, params_2=two.IPADAPTER_PARAMS)
    got = ip_adapter_pictures.apply_regions(
        weights=weights, model=model, ipadapter=plain, ipadapter_params=every, clip_vision=eye
    )

    first, second = (p for p in companions(got) if isinstance(p, ImagePrompt))
    assert (first.weight, first.layers, first.mask) == (0.6, "linear", mask.values)
    assert (second.weight, second.layers, second.mask) == (1.0, "style transfer", None)
    assert (one.POSITIVE.parts[0].mask, one.POSITIVE.parts[0].mask_strength) == (mask.values, 0.5)
    assert one.NEGATIVE.parts == ()
