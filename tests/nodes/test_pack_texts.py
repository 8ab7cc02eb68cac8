"""Texts, values and switches under the names that other packs gave them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from nodes import comfyroll, easy_use, impact_text, pysssss, was, wildcards
from nodes.define import NodeError
from nodes.folders import Folders, UnsafePath
from nodes.types import Image, Latent, Mask

NOT_ASKED: Any = None


def test_texts_of_many_lines() -> None:
    assert was.text_multiline(text="a hill\n# not this\n  a tree") == "a hill\n  a tree"
    assert was.text_string(text="a", text_c="c") == ("a", "", "c", "")
    assert easy_use.text_o(text="x\ny") == easy_use.text_box(text="x\ny") == "x\ny"


def test_texts_are_joined() -> None:
    given = {"text_a": " a ", "text_b": "", "text_c": None, "text_d": "d"}
    assert was.text_concatenate(**given) == "a, d"
    assert was.text_concatenate(**given, delimiter="\\n", clean_whitespace="false") == " a \nd"


def test_a_line_is_drawn_by_the_seed() -> None:
    text = "\n".join("abcdefgh")
    drawn = [was.text_random_line(text=text, seed=seed) for seed in range(40)]
    assert drawn == [was.text_random_line(text=text, seed=seed) for seed in range(40)]
    assert len(set(drawn)) > 4
    assert was.text_random_line(text="\n\n", seed=1) == ""


def test_texts_are_replaced_and_counted() -> None:
    assert was.text_replace(text="a b a", find="a", replacement="c") == ("c b c", 2, 2.0, 2)
    assert was.text_replace(text="a b a", find="", replacement="c") == ("a b a", 0, 0.0, 0)
    assert was.text_replace_by_input(text="a b", find="b", replacement="") == ("a ", 1, 1.0, 1)


def test_texts_are_shown_and_handed_on() -> None:
    told = was.text_to_console(text="words", label="Prompt")
    assert (told.STRING, told.ui.data["text"]) == ("words", ["Prompt:\nwords"])
    shown = pysssss.show_text(text=["a", "b"])
    assert (shown.STRING, shown.ui.data["text"]) == (["a", "b"], ["a", "b"])


def test_text_files_are_read_from_the_input_folder_only(folders: Folders) -> None:
    (folders.root("input") / "prompts.txt").write_text("# head\na hill\na tree\n", "utf-8")
    assert was.load_text_file(file_path="prompts.txt", folders=folders) == (
        "a hill\na tree",
        {"prompts": ["a hill", "a tree"]},
    )
    for name in ("/etc/passwd", "C:\\words.txt"):
        with pytest.raises(NodeError, match="put the file into the input folder"):
            was.load_text_file(file_path=name, folders=folders)
    with pytest.raises(UnsafePath):
        was.load_text_file(file_path="../secret.txt", folders=folders)
    (folders.root("input") / "odd.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NodeError, match="no UTF-8 text"):
        was.load_text_file(file_path="odd.txt", folders=folders)


def test_string_functions() -> None:
    run = pysssss.string_function
    assert run(text_a="a,  b", text_b="c ,", text_c="").STRING == "a, b, c"
    assert run(text_a="a", text_b="b", tidy_tags="no").STRING == "ab"
    assert run(action="replace", text_a="a cat", text_b="cat", text_c="dog").STRING == "a dog"
    assert run(action="replace", text_a="v12, v3", text_b=r"/v(\d+)/", text_c=r"w\1").STRING == "w12, w3"
    with pytest.raises(NodeError, match="cannot be replaced"):
        run(action="replace", text_a="a", text_b="/(/", text_c="b")


def test_expressions_know_the_sizes_of_what_is_connected() -> None:
    picture: Any = Image(torch.zeros(1, 30, 40, 3))
    latent: Any = Latent(torch.zeros(1, 4, 8, 16))
    got = pysssss.math_expression(expression="a.width + b.height + c", a=picture, b=latent, c=0.5)  # type: ignore[arg-type]
    assert got == (104, 104.5)


def test_plain_values() -> None:
    assert easy_use.easy_int(value=3) == 3
    assert easy_use.easy_float(value=0.5) == 0.5
    assert easy_use.easy_string(value="x") == "x"
    assert easy_use.easy_boolean(value=True) is True
    assert comfyroll.cr_text(text="x").STRING == "x"
    assert comfyroll.cr_prompt_text(prompt="x").prompt == "x"
    assert comfyroll.cr_integer_to_string(number=3).STRING == "3"
    assert comfyroll.cr_float_to_string(number=0.5).STRING == "0.5"
    assert comfyroll.cr_value(value=2.7)[:2] == (2.7, 2)
    assert comfyroll.cr_seed(seed=9).seed == 9


@pytest.mark.parametrize(("way", "value"), [("round", 3), ("round down", 2), ("round up", 3)])
def test_texts_that_are_numbers(way: str, value: int) -> None:
    assert comfyroll.cr_string_to_number(text="2.6", round_integer=way)[:2] == (value, 2.6)
    for text in ("words", "nan", "inf"):
        with pytest.raises(NodeError, match="is no number"):
            comfyroll.cr_string_to_number(text=text, round_integer=way)


def test_switches_take_what_is_there() -> None:
    a, b = Image(torch.zeros(1, 2, 2, 3)), Image(torch.ones(1, 2, 2, 3))
    assert comfyroll.cr_image_switch(which=2, image1=a, image2=b) is b
    assert comfyroll.cr_text_switch_4(which=3, text3="c").STRING == "c"
    latent = Latent(torch.zeros(1, 4, 2, 2))
    assert comfyroll.cr_latent_switch(which=1, latent1=latent) is latent
    with pytest.raises(NodeError, match="set to input 2, and nothing is connected"):
        comfyroll.cr_text_switch(which=2, text1="a")


@pytest.mark.parametrize(
    ("name", "swap", "size"),
    [
        ("16:9 landscape 1344x768", "Off", (1344, 768)),
        ("16:9 landscape 1344x768", "On", (768, 1344)),
        ("custom", "Off", (640, 320)),
    ],
)
def test_sizes_by_aspect(name: str, swap: str, size: tuple[int, int]) -> None:
    got = comfyroll.cr_sdxl_aspect_ratio(
        width=640, height=320, aspect_ratio=name, swap_dimensions=swap, upscale_factor=1.5, batch_size=2
    )
    assert (got.width, got.height, got.upscale_factor, got.batch_size) == (*size, 1.5, 2)
    assert got.empty_latent.samples.shape == (2, 4, size[1] // 8, size[0] // 8)


def test_sizes_scaled_before() -> None:
    got = comfyroll.cr_aspect_ratio(aspect_ratio="SD1.5 - 2:3 portrait 512x768", prescale_factor=0.5)
    assert (got.width, got.height, got.prescale_factor) == (256, 384, 0.5)


def options(name: str) -> list[str]:
    return {"animal": ["cat", "dog"], "pet": ["a __animal__", "a {small|large} __animal__"], "loop": ["x__loop__"]}[
        name
    ]


def test_wildcards_make_every_choice_by_the_seed() -> None:
    text = "{a|b|{c|d}} with __pet__, {2$$ and $$x|y|z}"
    drawn = [wildcards.filled_in(text, seed, options) for seed in range(60)]
    assert drawn == [wildcards.filled_in(text, seed, options) for seed in range(60)]
    pattern = re.compile(r"[abcd] with a (small |large )?(cat|dog), ([xyz]) and (?!\3)[xyz]")
    assert all(pattern.fullmatch(each) for each in drawn)
    assert {each[0] for each in drawn} == set("abcd")


def test_heavier_options_are_drawn_more_often() -> None:
    drawn = [wildcards.filled_in("{9::a|1::b}", seed, options) for seed in range(400)]
    assert 0.82 < drawn.count("a") / 400 < 0.97
    counts = {len(wildcards.filled_in("{1-3$$,$$a|b|c|d}", seed, options).split(",")) for seed in range(60)}
    assert counts == {1, 2, 3}
    assert wildcards.filled_in("{9$$ $$a|b}", 1, options) in ("a b", "b a")


def test_wildcards_without_end_are_told() -> None:
    with pytest.raises(NodeError, match="name each other without end"):
        wildcards.filled_in("__loop__", 1, options)


def test_wildcards_are_files_of_the_base_folder(folders: Folders) -> None:
    root = folders.base / "wildcards" / "things"
    root.mkdir(parents=True)
    (root / "colour.txt").write_text("# colours\nred\n\n", "utf-8")
    text = "a __things/colour__ hat"
    before = wildcards.changed(folders, text)
    assert impact_text.process(wildcard_text=text, folders=folders) == "a red hat"
    assert impact_text.process(wildcard_text=text, populated_text="kept", mode="fixed", folders=folders) == "kept"
    (root / "colour.txt").write_text("green", "utf-8")
    assert impact_text.process(wildcard_text=text, folders=folders) == "a green hat"
    assert wildcards.changed(folders, text) != before
    assert wildcards.changed(folders, "no wildcard") == ""
    with pytest.raises(NodeError, match=r"The wildcard __none__ has no file; put none\.txt into"):
        impact_text.process(wildcard_text="__none__", folders=folders)
    with pytest.raises(UnsafePath):
        impact_text.process(wildcard_text="__../../secret__", folders=folders)


def test_pictures_and_latents_are_resized() -> None:
    picture = Image(torch.rand(2, 20, 30, 3, generator=torch.Generator().manual_seed(1)))
    assert was.image_resize(image=picture, rescale_factor=0.5, supersample="false").pixels.shape == (2, 10, 15, 3)
    assert was.image_resize(image=picture, mode="resize", resize_width=31, resize_height=9).pixels.shape == (
        2,
        16,
        32,
        3,
    )
    same = was.image_resize(image=picture, rescale_factor=1.0, supersample="false", resampling="nearest").pixels
    assert (same - picture.pixels).abs().max() < 1 / 255
    with pytest.raises(NodeError, match="is too large"):
        was.image_resize(image=picture, mode="resize", resize_width=48000, resize_height=48000)
    latent = Latent(torch.rand(1, 4, 8, 8), Mask(torch.ones(1, 8, 8)).values)
    got = was.latent_upscale(samples=latent, factor=1.5, mode="nearest")
    assert got.samples.shape == (1, 4, 12, 12)
    assert got.noise_mask is latent.noise_mask
    assert was.image_size_to_number(image=picture) == (30, 20, 30.0, 20.0, 30, 20)
