"""Every template that the bundled model can draw is drawn, and shows what it asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import sfumato
from nodes.folders import STARTER
from nodes.starter.checker import Seen, describe
from nodes.starter.reader import SeenLandscape, describe_landscapes

WORKFLOWS = Path(__file__).parents[2] / "workflows"
Images = list[Image.Image]


def pixels(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(image.convert("RGB"))


def shapes(image: Image.Image) -> Seen:
    return describe(pixels(image))


def view(image: Image.Image) -> SeenLandscape:
    return describe_landscapes([pixels(image)])[0]


def colors(image: Image.Image) -> dict[str, tuple[float, float]]:
    """Where the things of each color are: middles in 0..128."""
    return {thing.color: (thing.x, thing.y) for thing in shapes(image).things}


def shows_red_above_blue(images: Images) -> None:
    for image in images:
        assert shapes(image).background == "white"
        assert colors(image)["red"][1] < colors(image)["blue"][1]


def draws_blue_stars_that_differ(images: Images) -> None:
    assert len({image.tobytes() for image in images}) == len(images) == 4
    for image in images:
        assert [(thing.color, thing.shape) for thing in shapes(image).things] == [("blue", "star")]


def turns_day_into_night(images: Images) -> None:
    """The house stays where it is; the sky does not."""
    before, after = sorted(images, key=lambda image: -pixels(image).mean())
    assert (view(before).time, view(after).time) == ("day", "night")
    assert "house" in view(before).objects & view(after).objects
    assert "moon" in view(after).objects


def puts_a_rainbow_over_the_house(images: Images) -> None:
    (image,) = images
    assert view(image).time == "day"
    assert view(image).objects >= {"house", "rainbow"}


def grows_to_the_right(images: Images) -> None:
    (image,) = images
    assert image.size == (192, 128)
    assert (view(image).time, view(image).land) == ("sunset", "desert")
    assert "cactus" in view(image.crop((64, 0, 192, 128))).objects
    assert "cactus" not in view(image.crop((0, 0, 112, 128))).objects


def takes_on_the_evening(images: Images) -> None:
    """The house was asked for by day; the sea that gives the colors lies in the evening."""
    (image,) = images
    assert view(image).time == "sunset"
    assert "house" in view(image).objects


def varies_a_cactus(images: Images) -> None:
    assert len({image.tobytes() for image in images}) == len(images) == 4
    for image in images:
        assert (view(image).time, view(image).land) == ("sunset", "desert")
        assert "cactus" in view(image).objects


def draws_each_half(images: Images) -> None:
    (image,) = images
    left, right = pixels(image)[:48, :96].mean((0, 1)), pixels(image)[:48, 96:].mean((0, 1))
    assert left.mean() < 110 < right.mean(), "night on the left, evening on the right"
    assert left[2] > left[0] + 20, "a blue night"
    assert right[0] > right[2] + 40, "an orange evening"
    assert "cactus" in view(image.crop((64, 0, 192, 128))).objects


def draws_a_large_forest(images: Images) -> None:
    (image,) = images
    assert image.size == (192, 192)
    assert (view(image).time, view(image).land) == ("dawn", "forest")


def enlarges_a_boat(images: Images) -> None:
    (image,) = images
    assert image.size == (256, 256)
    assert (view(image).time, view(image).land) == ("night", "sea")
    assert "boat" in view(image).objects


def keeps_the_edges(images: Images) -> None:
    edges, drawn = sorted(images, key=lambda image: len(np.unique(pixels(image))))
    assert shapes(drawn).background == "black"
    assert colors(drawn)["yellow"][0] < 64 < colors(drawn)["green"][0]
    lines = cv2.dilate(pixels(edges)[..., 0], np.ones((9, 9), np.uint8)) > 127
    found = cv2.Canny(pixels(drawn), 60, 120) > 0
    assert lines[found].mean() > 0.7, "most of the new edges lie along the old ones"


def is_a_blueprint(images: Images) -> None:
    for image in images:
        red, green, blue = np.median(pixels(image), axis=(0, 1))
        assert blue > 90 > max(red, green - 20), "white lines on blue ground"


def enlarges_four_times(images: Images) -> None:
    (image,) = images
    assert image.size == (512, 512)
    assert view(image).objects >= {"house", "rainbow"}


def shows_four_pictures(images: Images) -> None:
    (image,) = images
    width, height = image.size
    for x in (0, width // 2):
        for y in (0, height // 2):
            shows_red_above_blue([image.crop((x, y, x + 128, y + 128))])


SHOWS: dict[str, Callable[[Images], None]] = {
    "controlnet_canny": keeps_the_edges,
    "custom_sampling": shows_red_above_blue,
    "hires_fix": draws_a_large_forest,
    "icon_batch": draws_blue_stars_that_differ,
    "image_to_image": turns_day_into_night,
    "inpaint": puts_a_rainbow_over_the_house,
    "lora": is_a_blueprint,
    "model_merge": is_a_blueprint,
    "outpaint": grows_to_the_right,
    "product_variations": varies_a_cactus,
    "regional_prompts": draws_each_half,
    "style_reference": takes_on_the_evening,
    "text_to_image": puts_a_rainbow_over_the_house,
    "two_loras": is_a_blueprint,
    "upscale": enlarges_a_boat,
    "upscale_with_model": enlarges_four_times,
    "xy_sweep": shows_four_pictures,
}


def uses_the_bundled_model(path: Path) -> bool:
    return any(STARTER in (node.get("widgets_values") or []) for node in json.loads(path.read_text("utf-8"))["nodes"])


def test_no_template_of_the_bundled_model_is_left_out() -> None:
    assert {path.stem for path in WORKFLOWS.glob("*.json") if uses_the_bundled_model(path)} == SHOWS.keys()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One base folder for all, so that what they share is computed once."""
    return tmp_path_factory.mktemp("base")


@pytest.mark.parametrize("name", sorted(SHOWS))
def test_template_draws_what_it_asks_for(name: str, base: Path) -> None:
    SHOWS[name](sfumato.run(WORKFLOWS / f"{name}.json", base=base, device="cpu").images())
