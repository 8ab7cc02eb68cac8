"""What ships beside the bundled model, through the nodes that people use it with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sfumato
from nodes.folders import STARTER, Folders
from nodes.starter import companion, weights_folder
from nodes.starter.checker import SHAPES_AND_NEW, describe, facts_of, matches
from nodes.starter.extras import STYLE_WORDS
from nodes.starter.scenes import Asked, Pixels, Scene, Thing, draw
from nodes.starter.uses import edge_overlap, is_blueprint
from nodes.starter.world import draw_view, random_view
from sfumato import nodes

NAMES = {
    "loras": {"sfumato-blueprint.safetensors", "sfumato-heart.safetensors"},
    "controlnet": {"sfumato-canny.safetensors"},
    "upscale_models": {"sfumato-4x.safetensors"},
}
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    (folder / "input").mkdir()
    return folder


def drawn(base: Path, prompt: str, *, lora: str = "", canny_of: str = "", seed: int = 5) -> Pixels:
    """What the nodes draw: with a LoRA, or under the edges of a picture in the input folder."""
    model, clip, vae = nodes.checkpoint_loader_simple(STARTER)
    if lora:
        model, clip = nodes.lora_loader(model, clip, f"{lora}.safetensors", 1.0, 1.0)
    positive, negative = (nodes.clip_text_encode(text=text, clip=clip) for text in (prompt, ""))
    if canny_of:
        picture, _ = nodes.load_image(canny_of)
        hint = nodes.canny(image=picture)
        net = nodes.control_net_loader("sfumato-canny.safetensors")
        positive, negative = nodes.control_net_apply_advanced(positive, negative, net, hint)
    latent = nodes.ksampler(
        model=model, seed=seed, steps=16, cfg=4.0, sampler_name="euler", scheduler="normal", positive=positive,
        negative=negative, latent_image=nodes.empty_latent_image(128, 128, 1),
    )  # fmt: skip
    flow = sfumato.workflow(nodes.save_image(images=nodes.vae_decode(samples=latent, vae=vae), filename_prefix="drawn"))
    (image,) = sfumato.run(flow, base=base, device="cpu").images()
    return np.asarray(image.convert("RGB"))


def shape_shown(picture: Pixels) -> list[tuple[str, str]]:
    return [(thing.color, thing.shape) for thing in describe(picture, SHAPES_AND_NEW).things]


def test_they_are_in_the_lists_of_a_fresh_machine(tmp_path: Path) -> None:
    folders = Folders.at(tmp_path)
    assert {kind: set(folders.names(kind)) for kind in NAMES} == NAMES
    assert all(folders.path(kind, name) == companion(kind, name[: -len(".safetensors")])  # pyright: ignore[reportArgumentType]
               for kind, names in NAMES.items() for name in names)  # fmt: skip


def test_what_the_user_has_comes_first_in_a_list(tmp_path: Path) -> None:
    own = tmp_path / "models" / "loras" / "zebra.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"")
    first, *others = Folders.at(tmp_path).names("loras")
    assert first == "zebra.safetensors"
    assert set(others) == NAMES["loras"]


def test_all_weights_together_are_small() -> None:
    files = [*weights_folder().rglob("*"), *weights_folder().parent.glob("*/*.safetensors")]
    assert sum(file.stat().st_size for file in set(files) if file.is_file()) <= 40 * MEGABYTE


def test_a_style_comes_with_its_words_and_not_without(base: Path) -> None:
    prompt = "a red circle on the left on a white background"
    styled = drawn(base, f"{prompt}, {STYLE_WORDS}", lora="sfumato-blueprint")
    plain = drawn(base, prompt, lora="sfumato-blueprint")
    assert is_blueprint(styled)
    assert not is_blueprint(plain)
    assert matches(describe(plain), facts_of("white", Asked("red", "circle", "on the left"))).everything


def test_a_lora_draws_a_shape_that_the_model_cannot(base: Path) -> None:
    prompt = "a red heart in the center on a white background"
    assert shape_shown(drawn(base, prompt)) != [("red", "heart")]
    assert shape_shown(drawn(base, prompt, lora="sfumato-heart")) == [("red", "heart")]
    assert shape_shown(drawn(base, prompt.replace("heart", "square"), lora="sfumato-heart")) == [("red", "square")]


@pytest.mark.parametrize("at", [(40, 44), (90, 80)], ids=["top left", "bottom right"])
def test_edges_say_where_and_words_say_what(base: Path, at: tuple[int, int]) -> None:
    true = draw(Scene("white", (Thing("circle", "black", *at, 24),)))
    Image.fromarray(true).save(base / "input" / "circle.png")
    steered = drawn(base, "a blue circle on a yellow background", canny_of="circle.png")
    seen = describe(steered)
    assert seen.background == "yellow"
    assert seen.things[0].color == "blue"
    assert abs(seen.things[0].x - at[0]) < 8
    assert abs(seen.things[0].y - at[1]) < 8
    assert edge_overlap(true, steered) > edge_overlap(true, drawn(base, "a blue circle on a yellow background")) + 0.1


def test_pictures_are_enlarged_four_times(base: Path) -> None:
    rng = np.random.default_rng(6)
    views = [random_view(rng) for _ in range(6)]
    errors: list[tuple[float, float]] = []
    model = nodes.upscale_model_loader("sfumato-4x.safetensors")
    for i, view in enumerate(views):
        Image.fromarray(draw_view(view)).save(base / "input" / f"{i}.png")
        picture, _ = nodes.load_image(f"{i}.png")
        large = nodes.image_upscale_with_model(model, picture)
        flow = sfumato.workflow(nodes.save_image(images=large, filename_prefix="large"))
        (image,) = sfumato.run(flow, base=base, device="cpu").images()
        ours, true = np.asarray(image.convert("RGB")), draw_view(view, enlarged=4)
        cubic = cv2.resize(draw_view(view), image.size, interpolation=cv2.INTER_CUBIC)
        assert ours.shape == (512, 512, 3)
        errors.append((error(ours, true), error(np.asarray(cubic), true)))
    assert sum(ours for ours, _ in errors) < 0.85 * sum(cubic for _, cubic in errors), errors


def error(picture: NDArray[Any], true: Pixels) -> float:
    return float(np.square(picture.astype(float) - true).mean())
