from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any

import pytest

from nodes.widgets import Cell, Rows
from server.engine.graph import Link
from server.formats import FormatError, Shapes, read_prompt, to_prompt
from server.formats.document import read_document
from server.formats.fields import fields_of
from server.formats.layout import to_document
from server.formats.shapes import InputShape, NodeShape
from tests.formats.documents import LOADER, Json, item, sheet, socket, subgraph, text_to_image

NOW = datetime(2026, 3, 4, 5, 6, 7)


def convert(document: Json, shapes: Shapes, **options: Any) -> dict[str, dict[str, Any]]:
    """The inputs of each node that runs."""
    prompt = to_prompt(document, shapes, now=NOW, **options)
    return {name: node["inputs"] for name, node in prompt.items()}


def changed(document: Json, number: int, **changes: Any) -> Json:
    nodes = [{**n, **changes} if n["id"] == number else n for n in document["nodes"]]
    return {**document, "nodes": nodes}


def test_values_and_links_come_by_name(shapes: Shapes) -> None:
    prompt = to_prompt(text_to_image(), shapes, now=NOW)
    assert prompt["5"] == {
        "class_type": "KSampler",
        "inputs": {
            "seed": 7,
            "steps": 20,
            "cfg": 5.5,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 0.75,
            "model": ["1", 0],
            "positive": ["2", 0],
            "negative": ["3", 0],
            "latent_image": ["4", 0],
        },
        "_meta": {"title": "KSampler"},
    }
    assert prompt["2"]["_meta"] == {"title": "Prompt"}
    assert prompt["6"]["inputs"] == {"samples": ["5", 0], "vae": ["1", 2]}
    assert list(prompt) == ["1", "2", "3", "4", "5", "6", "7"]


@pytest.mark.parametrize(
    "values",
    [
        [7, "randomize", 20, 5.5, "euler", "normal", 0.75],
        [7, True, 20, 5.5, "sample_euler", "normal", 0.75],
        [7, 20, 5.5, "euler", "normal", 0.75],
        {"seed": 7, "steps": 20, "cfg": 5.5, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.75},
    ],
    ids=["with control", "control of 2023", "without control", "by name"],
)
def test_fields_are_read_however_they_were_kept(values: Any, shapes: Shapes) -> None:
    inputs = convert(changed(text_to_image(), 5, widgets_values=values), shapes)["5"]
    kept = {k: v for k, v in inputs.items() if not isinstance(v, list)}
    assert kept == {
        "seed": 7,
        "steps": 20,
        "cfg": 5.5,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 0.75,
    }


def test_missing_and_surplus_values_are_no_error(shapes: Shapes) -> None:
    document = changed(text_to_image(), 4, widgets_values=[64])
    assert convert(document, shapes)["4"] == {"width": 64}
    document = changed(text_to_image(), 4, widgets_values=[64, 32, 1, "more", None])
    assert convert(document, shapes)["4"] == {"width": 64, "height": 32, "batch_size": 1}


def test_upload_button_is_no_value(shapes: Shapes) -> None:
    document = sheet([item(1, "LoadImageMask", ["a.png", "red", "image"], outs=("MASK",))], [])
    assert convert(document, shapes)["1"] == {"image": "a.png", "channel": "red"}


def test_unknown_node_keeps_the_fields_that_its_file_lists(shapes: Shapes) -> None:
    node = item(
        1,
        "Fancy Node (pack)",
        [5, "increment", "words", True],
        ins=[
            ("seed", "INT", None, "seed"),
            ("image", "IMAGE", None),
            ("text", "STRING", None, "text"),
            ("on", "BOOLEAN", None, "on"),
        ],
    )
    assert convert(sheet([node], []), shapes)["1"] == {"seed": 5, "text": "words", "on": True}


def test_other_version_of_a_known_node_goes_by_its_own_list(shapes: Shapes) -> None:
    node = item(
        1,
        "EmptyLatentImage",
        [64, "landscape", 32, 2],
        ins=[
            ("width", "INT", None, "width"),
            ("shape", "COMBO", None, "shape"),
            ("height", "INT", None, "height"),
            ("batch_size", "INT", None, "batch_size"),
        ],
    )
    assert convert(sheet([node], []), shapes)["1"] == {
        "width": 64,
        "shape": "landscape",
        "height": 32,
        "batch_size": 2,
    }


@pytest.mark.parametrize(
    ("way", "fields", "values"),
    [
        ("scale dimensions", ("width", "height", "crop"), (64, 32, "center")),
        ("scale longer dimension", ("longer_size",), (96,)),
        ("match size", ("crop",), ("disabled",)),
    ],
)
def test_fields_that_a_choice_brings_are_those_of_the_choice(
    way: str, fields: tuple[str, ...], values: tuple[Any, ...], shapes: Shapes
) -> None:
    brought = [f"resize_type.{name}" for name in fields]
    names = ["resize_type", *brought, "scale_method"]
    node = item(
        1,
        "ResizeImageMaskNode",
        [way, *values, "lanczos"],
        ins=[("input", "IMAGE,MASK", None), *((name, "COMBO", None, name) for name in names)],
    )
    assert convert(sheet([node], []), shapes)["1"] == {
        "resize_type": way,
        **dict(zip(brought, values, strict=True)),
        "scale_method": "lanczos",
    }


def test_list_that_leaves_out_fields_adds_to_those_that_are_known(shapes: Shapes) -> None:
    ins = [("model", "MODEL", None), ("sampling", "COMBO", None, "sampling")]
    node = item(1, "ModelSamplingAuraFlow", [1.5, "flow"], ins=ins, outs=("MODEL",))
    assert convert(sheet([node], []), shapes)["1"] == {"shift": 1.5, "sampling": "flow"}


@pytest.mark.parametrize("listed", [(), ("resize_type.width",)], ids=["none listed", "one listed"])
def test_choice_says_which_fields_follow_it(listed: tuple[str, ...], shapes: Shapes) -> None:
    ins = [("input", "IMAGE,MASK", None), *((name, "INT", None, name) for name in listed)]
    node = item(1, "ResizeImageMaskNode", ["scale dimensions", 64, 32, "center", "lanczos"], ins=ins)
    assert convert(sheet([node], []), shapes)["1"] == {
        "resize_type": "scale dimensions",
        "resize_type.width": 64,
        "resize_type.height": 32,
        "resize_type.crop": "center",
        "scale_method": "lanczos",
    }


def test_fields_with_a_dot_in_their_name_are_like_others(shapes: Shapes) -> None:
    names = [each.name for each in getattr(shapes.get("ModelMergeSD1"), "widgets", ())]
    node = item(1, "ModelMergeSD1", [n / 64 for n in range(len(names))], ins=[("model1", "MODEL", None)])
    assert convert(sheet([node], []), shapes)["1"] == {name: n / 64 for n, name in enumerate(names)}


def test_rows_without_names_are_numbered(shapes: Shapes) -> None:
    rows = [
        {"on": on, "lora": f"{name}.safetensors", "strength": 1, "strengthTwo": None}
        for on, name in ((True, "a"), (False, "b"))
    ]
    header = {"type": "PowerLoraLoaderHeaderWidget"}
    node = item(
        1, "Power Lora Loader (rgthree)", [{}, header, *rows, {}, ""], ins=[("model", "MODEL"), ("clip", "CLIP")]
    )
    document = sheet([node], [])
    assert convert(document, shapes)["1"] == {"lora_1": rows[0], "lora_2": rows[1]}
    assert to_document(to_prompt(document, shapes), shapes)["nodes"][0]["widgets_values"] == node["widgets_values"]


def test_rows_stand_beside_other_fields() -> None:
    hexes = Rows("colours", (Cell("hex", "STRING", "#fff"),))
    kinds = [("size", "INT", None), ("colour_1", "*", hexes), ("colour_2", "*", hexes), ("title", "STRING", None)]
    inputs = tuple(InputShape(name, kind, widget=rows is None, rows=rows) for name, kind, rows in kinds)
    shape = NodeShape("Palette", "Palette", inputs, ())
    black, red = {"hex": "#000"}, {"hex": "#f00"}
    for values, wanted in (
        ([5, black, red, "Dusk"], {"size": 5, "colour_1": black, "colour_2": red, "title": "Dusk"}),
        ([5, "Dusk"], {"size": 5, "title": "Dusk"}),
    ):
        [found] = read_document(sheet([item(1, "Palette", values)], [])).root.items.values()
        assert fields_of(found, shape) == wanted


def test_list_value_is_marked_so_that_it_is_no_link(shapes: Shapes) -> None:
    node = item(1, "Points", [["2", 0]], ins=[("points", "*", None, "points")])
    assert convert(sheet([node], []), shapes)["1"] == {"points": {"__value__": ["2", 0]}}


def test_links_go_through_reroutes_and_converted_fields(shapes: Shapes) -> None:
    document = text_to_image()
    document["nodes"] += [
        item(20, "Reroute", ins=[("", "*", 6)], outs=("LATENT",)),
        item(21, "Reroute", ins=[("", "*", 30)], outs=("LATENT",), mode=2),
        item(22, "PrimitiveNode", [99, "fixed"], outs=("INT",)),
    ]
    document["links"] = [link for link in document["links"] if link[0] != 6] + [
        [6, 4, 0, 20, 0, "*"],
        [30, 20, 0, 21, 0, "*"],
        [31, 21, 0, 5, 3, "LATENT"],
        [32, 22, 0, 5, 4, "INT"],
    ]
    sampler = document["nodes"][4]
    sampler["inputs"][3]["link"] = 31
    sampler["inputs"].append(socket("steps", "INT", 32, "steps"))
    inputs = convert(document, shapes)["5"]
    assert (inputs["latent_image"], inputs["steps"], inputs["cfg"]) == (["4", 0], 99, 5.5)


def test_ring_of_reroutes_is_named(shapes: Shapes) -> None:
    document = sheet(
        [
            item(1, "Reroute", ins=[("", "*", 1)], outs=("*",)),
            item(2, "Reroute", ins=[("", "*", 2)], outs=("*",)),
            item(3, "PreviewImage", ins=[("images", "IMAGE", 3)]),
        ],
        [(1, 2, 0, 1, 0, "*"), (2, 1, 0, 2, 0, "*"), (3, 1, 0, 3, 0, "*")],
    )
    with pytest.raises(FormatError, match="ring at node"):
        to_prompt(document, shapes)


def test_muted_node_takes_its_links_along(shapes: Shapes) -> None:
    inputs = convert(changed(text_to_image(), 4, mode=2), shapes)
    assert "4" not in inputs
    assert "latent_image" not in inputs["5"]


def lora_between() -> Json:
    document = text_to_image()
    lora = item(
        8,
        "LoraLoader",
        ["ink.safetensors", 1, 0.5],
        ins=[("model", "MODEL", 20), ("clip", "CLIP", 21)],
        outs=("MODEL", "CLIP"),
        mode=4,
    )
    document["nodes"].append(lora)
    document["links"] = [
        [20, 1, 0, 8, 0, "MODEL"],
        [21, 1, 1, 8, 1, "CLIP"],
        [1, 8, 0, 5, 0, "MODEL"],
        [2, 8, 1, 2, 0, "CLIP"],
        *[link for link in document["links"] if link[0] > 2],
    ]
    return document


def test_bypassed_node_hands_on_by_type(shapes: Shapes) -> None:
    inputs = convert(lora_between(), shapes)
    assert "8" not in inputs
    assert (inputs["5"]["model"], inputs["2"]["clip"]) == (["1", 0], ["1", 1])


def test_bypass_without_a_fitting_input_leaves_the_field_alone(shapes: Shapes) -> None:
    document = text_to_image()
    document["nodes"].append(item(8, "PrimitiveInt", [3, "fixed"], outs=("INT",), mode=4))
    document["links"].append([20, 8, 0, 5, 4, "INT"])
    document["nodes"][4]["inputs"].append(socket("steps", "INT", 20, "steps"))
    assert convert(document, shapes)["5"]["steps"] == 20


def test_set_and_get_are_a_link(shapes: Shapes) -> None:
    document = sheet(
        [
            LOADER,
            item(2, "SetNode", ["the vae"], ins=[("VAE", "VAE", 1)], outs=("*",)),
            item(3, "GetNode", ["the vae"], outs=("VAE",)),
            item(4, "VAEDecode", ins=[("samples", "LATENT", None), ("vae", "VAE", 2)], outs=("IMAGE",)),
        ],
        [(1, 1, 2, 2, 0, "VAE"), (2, 3, 0, 4, 1, "VAE")],
    )
    assert convert(document, shapes) == {"1": {"ckpt_name": "a.safetensors"}, "4": {"vae": ["1", 2]}}


INNER = subgraph(
    "encode",
    [
        item(
            1,
            "CLIPTextEncode",
            ["inner text"],
            ins=[("clip", "CLIP", 1), ("text", "STRING", 2, "text")],
            outs=("CONDITIONING",),
        ),
        item(2, "ConditioningZeroOut", [], ins=[("conditioning", "CONDITIONING", 3)], outs=("CONDITIONING",)),
    ],
    [
        (1, -10, 0, 1, 0, "CLIP"),
        (2, -10, 1, 1, 1, "STRING"),
        (3, 1, 0, 2, 0, "CONDITIONING"),
        (4, 1, 0, -20, 0, "CONDITIONING"),
        (5, 2, 0, -20, 1, "CONDITIONING"),
    ],
    ins=[("clip", "CLIP"), ("text", "STRING")],
    outs=[("positive", "CONDITIONING"), ("nothing", "CONDITIONING")],
)


def with_instances(*instances: Json, definitions: tuple[Json, ...] = (INNER,)) -> Json:
    links = [(1, 1, 1, 2, 0, "CLIP"), (2, 1, 1, 3, 0, "CLIP"), (9, 2, 1, 9, 0, "CONDITIONING")]
    return sheet([LOADER, *instances], links, definitions={"subgraphs": list(definitions)})


def instance(number: int, link: int, values: list[Any], proxies: Any = None, **more: Any) -> Json:
    properties = {} if proxies is None else {"properties": {"proxyWidgets": proxies}}
    ins = [("clip", "CLIP", link), ("text", "STRING", None, "text")]
    return item(number, "encode", values, ins=ins, outs=("CONDITIONING", "CONDITIONING"), **properties, **more)


def test_each_instance_of_a_subgraph_has_its_own_values(shapes: Shapes) -> None:
    document = with_instances(instance(2, 1, ["one"]), instance(3, 2, ["two"], [["-1", "text"]]))
    assert convert(document, shapes) == {
        "1": {"ckpt_name": "a.safetensors"},
        "2:1": {"text": "one", "clip": ["1", 1]},
        "2:2": {"conditioning": ["2:1", 0]},
        "3:1": {"text": "two", "clip": ["1", 1]},
        "3:2": {"conditioning": ["3:1", 0]},
    }


def test_promoted_field_of_an_inner_node_is_set_by_the_instance(shapes: Shapes) -> None:
    definition = {**INNER, "inputs": INNER["inputs"][:1]}
    definition["links"] = [link for link in INNER["links"] if link["id"] != 2]
    document = with_instances(
        instance(2, 1, ["one"], [["1", "text"]]), instance(3, 2, [None], [["1", "text"]]), definitions=(definition,)
    )
    inputs = convert(document, shapes)
    assert (inputs["2:1"]["text"], inputs["3:1"]["text"]) == ("one", "inner text")


def test_field_of_a_field_reaches_the_innermost_node(shapes: Shapes) -> None:
    outer = subgraph(
        "outer",
        [item(7, "encode", [None], ins=[("clip", "CLIP", 1), ("text", "STRING", 2, "text")], outs=("CONDITIONING",))],
        [(1, -10, 0, 7, 0, "CLIP"), (2, -10, 1, 7, 1, "STRING"), (3, 7, 0, -20, 0, "CONDITIONING")],
        ins=[("clip", "CLIP"), ("words", "STRING")],
        outs=[("c", "CONDITIONING")],
    )
    node = item(
        2, "outer", ["deep"], ins=[("clip", "CLIP", 1), ("words", "STRING", None, "words")], outs=("CONDITIONING",)
    )
    inputs = convert(with_instances(node, definitions=(outer, INNER)), shapes)
    assert inputs["2:7:1"] == {"text": "deep", "clip": ["1", 1]}


def test_outputs_of_a_subgraph_are_those_of_its_nodes(shapes: Shapes) -> None:
    taker = item(9, "ConditioningZeroOut", ins=[("conditioning", "CONDITIONING", 9)], outs=("CONDITIONING",))
    inputs = convert(with_instances(instance(2, 1, ["one"]), taker), shapes)
    assert inputs["9"] == {"conditioning": ["2:2", 0]}


def test_instance_that_lists_one_of_its_fields_has_the_values_of_all(shapes: Shapes) -> None:
    loaders = [
        item(1, "CLIPTextEncode", ["x"], ins=[("text", "STRING", 1, "text"), ("clip", "CLIP", 2)]),
        item(2, "LoraLoader", ["y", 1, 1], ins=[("strength_model", "FLOAT", 3, "strength_model")]),
        item(3, "PreviewAny", [], ins=[("source", "*", 4)]),
    ]
    definition = subgraph(
        "styled",
        loaders,
        [
            (1, -10, 0, 1, 0, "STRING"),
            (2, -10, 1, 1, 1, "CLIP"),
            (3, -10, 2, 2, 0, "FLOAT"),
            (4, -10, 3, 3, 0, "STRING"),
        ],
        ins=[("text", "STRING"), ("clip", "CLIP"), ("strength", "FLOAT"), ("shown", "STRING")],
    )
    ins = [("clip", "CLIP", None), ("strength", "FLOAT", None, "strength")]
    document = sheet([item(9, "styled", ["a cat", 0.5], ins=ins)], [], definitions={"subgraphs": [definition]})
    inputs = convert(document, shapes)
    assert inputs["9:1"] == {"text": "a cat"}
    assert inputs["9:2"] == {"lora_name": "y", "strength_model": 0.5, "strength_clip": 1}
    assert inputs["9:3"] == {}


@pytest.mark.parametrize("mode", [2, 4], ids=["muted", "bypassed"])
def test_inner_nodes_of_a_switched_off_instance_do_not_run(mode: int, shapes: Shapes) -> None:
    assert set(convert(with_instances(instance(2, 1, ["one"], mode=mode)), shapes)) == {"1"}


def test_subgraph_in_itself_is_refused(shapes: Shapes) -> None:
    loop = subgraph("encode", [item(1, "encode", [], ins=[])], [])
    with pytest.raises(FormatError, match="'encode' contains itself"):
        to_prompt(with_instances(instance(2, 1, []), definitions=(loop,)), shapes)


def test_subgraphs_that_multiply_without_end_are_refused(shapes: Shapes) -> None:
    definitions = [
        subgraph(f"level{n}", [item(k, f"level{n + 1}" if n < 30 else "Note", []) for k in range(20)], [])
        for n in range(31)
    ]
    document = sheet([item(1, "level0", [])], [], definitions={"subgraphs": definitions})
    with pytest.raises(FormatError, match="more than 200000 nodes"):
        to_prompt(document, shapes)


def test_a_thousand_nested_subgraphs_convert(shapes: Shapes) -> None:
    definitions = [subgraph(f"s{n}", [item(1, f"s{n + 1}", [])], []) for n in range(999)]
    definitions.append(subgraph("s999", [item(1, "EmptyLatentImage", [64, 64, 1])], []))
    document = sheet([item(1, "s0", [])], [], definitions={"subgraphs": definitions})
    assert list(convert(document, shapes).values()) == [{"width": 64, "height": 64, "batch_size": 1}]


def group_document(kind: str) -> Json:
    group = {
        "nodes": [
            {**item(0, "EmptyLatentImage", [1, 1, 1], outs=("LATENT",)), "index": 0},
            {**item(0, "Reroute", ins=[("", "*", None)], outs=("*",)), "index": 1},
            {
                **item(
                    0,
                    "KSampler",
                    [1, "fixed", 1, 1, "euler", "normal", 1],
                    ins=[(n, t, None) for n, t in (("model", "MODEL"), ("positive", "CONDITIONING"),
                                                   ("negative", "CONDITIONING"), ("latent_image", "LATENT"))],
                    outs=("LATENT",),
                ),
                "index": 2,
            },
        ],
        "links": [[0, 0, 2, 3, 9, "LATENT"], [None, 0, 1, 0, 4, "MODEL"], [1, 0, 2, 0, 5, "MODEL"]],
        "external": [[2, 0, "LATENT"]],
        "config": {"1": {"input": {"MODEL": {"name": "network"}}}, "2": {"input": {"denoise": {"visible": False}}}},
    }  # fmt: skip
    instance = item(
        5, kind, [64, 32, 1, 7, "randomize", 9, 2.5, "heun", "karras"],
        ins=[("network", "MODEL", 1), ("positive", "CONDITIONING", None)], outs=("LATENT",),
    )  # fmt: skip
    decode = item(6, "VAEDecode", ins=[("samples", "LATENT", 2), ("vae", "VAE", 3)], outs=("IMAGE",))
    return sheet(
        [LOADER, instance, decode],
        [(1, 1, 0, 5, 0, "MODEL"), (2, 5, 0, 6, 0, "LATENT"), (3, 1, 2, 6, 1, "VAE")],
        extra={"groupNodes": {"Draw": group}},
    )


@pytest.mark.parametrize("kind", ["workflow>Draw", "workflow/Draw"])
def test_legacy_group_is_its_nodes(kind: str, shapes: Shapes) -> None:
    assert convert(group_document(kind), shapes) == {
        "1": {"ckpt_name": "a.safetensors"},
        "5:0": {"width": 64, "height": 32, "batch_size": 1},
        "5:2": {
            "seed": 7,
            "steps": 9,
            "cfg": 2.5,
            "sampler_name": "heun",
            "scheduler": "karras",
            "denoise": 1,
            "model": ["1", 0],
            "latent_image": ["5:0", 0],
        },
        "6": {"samples": ["5:2", 0], "vae": ["1", 2]},
    }


def test_old_names_become_todays(shapes: Shapes) -> None:
    document = sheet(
        [
            item(1, "ConditioningAverage ", [0.25], outs=("CONDITIONING",)),
            item(2, "T2IAdapterLoader", ["depth.pth"], outs=("CONTROL_NET",)),
        ],
        [],
    )
    prompt = to_prompt(document, shapes)
    assert [(n["class_type"], n["inputs"]) for n in prompt.values()] == [
        ("ConditioningAverage", {"conditioning_to_strength": 0.25}),
        ("ControlNetLoader", {"control_net_name": "depth.pth"}),
    ]


def test_growing_inputs_are_numbered_as_we_do() -> None:
    """ComfyUI calls them `images.image0`."""
    images = {f"images.image{n}": [str(n), 0] for n in range(2)}
    graph = read_prompt({"5": {"class_type": "BatchImagesNode", "inputs": images}})
    assert graph["5"].inputs == {"images.0": Link("0", 0), "images.1": Link("1", 0)}


def test_dynamic_prompt_picks_one_and_drops_comments(shapes: Shapes) -> None:
    text = "a {red|green|{blue|teal}} /* maybe */cat \\{x\\} // not this"
    document = changed(text_to_image(), 2, widgets_values=[text])
    drawn = {convert(document, shapes, choices=Random(n))["2"]["text"] for n in range(60)}
    assert drawn == {f"a {colour} cat {{x}} " for colour in ("red", "green", "blue", "teal")}


def test_names_of_files_are_filled_in(shapes: Shapes) -> None:
    prefix = "%date:yyyy-MM-dd hh-mm-ss%/%date:d.M.yy%/%KSampler.seed%-%Prompt.text%-%Nobody.x%-%width%"
    document = changed(text_to_image(), 7, widgets_values=[prefix])
    document = changed(document, 2, widgets_values=["a/b: c"])
    filled = "2026-03-04 05-06-07/4.3.26/7-a_b_ c-%Nobody.x%-%width%"
    assert convert(document, shapes)["7"]["filename_prefix"] == filled


def test_version_1_document_is_read_like_0_4(shapes: Shapes) -> None:
    old = text_to_image()
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    new = {**old, "version": 1, "links": [dict(zip(keys, link, strict=True)) for link in old["links"]], "reroutes": []}
    assert convert(new, shapes) == convert(old, shapes)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"nodes": 3}, "no list of nodes"),
        ({"nodes": [3]}, "Node number 1 is 3"),
        ({"nodes": [{"id": 1}]}, "Node number 1 has the type None"),
        ({"nodes": [{"type": "Note", "id": None}]}, "its id is None"),
        ({"nodes": [{"type": "Note", "id": 1}, {"type": "Note", "id": "1"}]}, "Two nodes have the id '1'"),
        ({"nodes": [{"type": "Note", "id": 1, "inputs": {}}]}, r"Node 1 \(Note\) is {}; it must be a list"),
        ({"nodes": [{"type": "Note", "id": 1, "inputs": [4]}]}, r"Node 1 \(Note\): input 1 is 4"),
        ({"nodes": [{"type": "Note", "id": 1, "widgets_values": 5}]}, r"Node 1 \(Note\): widgets_values is 5"),
        ({"nodes": [], "links": [[1, 2]]}, r"Link number 1 is \[1, 2\]"),
        ({"nodes": [], "links": [[1, 2, "x", 3, 0]]}, "the output it comes from is 'x'"),
        ({"nodes": [], "definitions": {"subgraphs": [{"nodes": []}]}}, "Subgraph number 1 has the id None"),
    ],
    ids=range(11),
)  # fmt: skip
def test_malformed_document_is_named(document: Json, message: str, shapes: Shapes) -> None:
    with pytest.raises(FormatError, match=message):
        to_prompt(document, shapes)


def test_links_that_lead_nowhere_are_left_out(shapes: Shapes) -> None:
    document = text_to_image()
    document["links"] = [None, *(link for link in document["links"] if link[0] not in (1, 7))]
    document["links"].append([7, 77, 0, 6, 0, "LATENT"])
    inputs = convert(document, shapes)
    assert "model" not in inputs["5"]
    assert inputs["6"] == {"vae": ["1", 2]}
