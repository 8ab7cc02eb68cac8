"""Subgraphs: made, gone into, named, shared, kept for other workflows, and taken apart again."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.hands import Json, expect_picture, node, open_workflow, run, saved, settled

NODES: list[Json] = [
    {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 16711680]},
    {"id": 2, "type": "ImageInvert", "pos": [400, 0], "inputs": [{"name": "image", "type": "IMAGE", "link": 1}]},
    {"id": 3, "type": "SaveImage", "pos": [800, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 2}]},
]
LINKS: list[list[Any]] = [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]]


def command(editor: Page, name: str) -> None:
    editor.keyboard.press("Control+k")
    editor.get_by_role("textbox", name="Command").fill(name)
    expect(editor.get_by_role("option", name=name).first).to_be_visible()
    editor.keyboard.press("Enter")


def wrap(editor: Page, name: str) -> None:
    """Makes a subgraph of one node."""
    node(editor, name).locator(".card-head").click()
    editor.keyboard.press("Control+Shift+g")
    expect(node(editor, name)).to_have_count(0)


def title(editor: Page, name: str) -> Locator:
    """The title of a node."""
    return editor.get_by_role("heading", name=name, exact=True, level=3).and_(editor.locator(".react-flow__node *"))


def enter(editor: Page) -> None:
    """Goes into the subgraph whose node is chosen."""
    editor.locator(".react-flow__node.selected").click(button="right")
    editor.get_by_role("menuitem", name="Open the subgraph").click()
    expect(editor.get_by_role("navigation", name="Subgraphs")).to_be_visible()


def definitions(file: Json) -> list[Json]:
    return file.get("definitions", {}).get("subgraphs", [])


def test_a_subgraph_is_made_named_and_undone(editor: Page) -> None:
    open_workflow(editor, NODES, LINKS)
    before = saved(editor)
    wrap(editor, "ImageInvert")
    [made] = definitions(saved(editor))
    assert [one["name"] for one in made["inputs"]] == ["image"]
    enter(editor)
    expect(node(editor, "ImageInvert")).to_be_visible()
    crumbs = editor.get_by_role("navigation", name="Subgraphs")
    crumbs.get_by_role("button", name="Subgraph").dblclick()
    field = editor.get_by_role("textbox", name="Name of the subgraph")
    field.fill("Turn round")
    field.press("Enter")
    expect(crumbs.get_by_role("button", name="Turn round")).to_be_visible()
    crumbs.get_by_role("button", name="made").click()
    expect(title(editor, "Turn round")).to_be_visible()
    run(editor)
    expect_picture(editor, "SaveImage")
    editor.keyboard.press("Control+z")
    expect(title(editor, "Turn round")).to_have_count(0)
    editor.keyboard.press("Control+z")
    expect(node(editor, "ImageInvert")).to_be_visible()
    assert saved(editor) == before


def test_two_nodes_share_a_subgraph_until_one_has_its_own(editor: Page) -> None:
    open_workflow(editor, NODES, LINKS)
    wrap(editor, "ImageInvert")
    editor.keyboard.press("Control+d")
    [shared] = definitions(saved(editor))
    command(editor, "Give the node a subgraph of its own")
    own, other = definitions(saved(editor))
    assert shared["id"] in (own["id"], other["id"])
    assert own["id"] != other["id"]
    assert [one["type"] for one in own["nodes"]] == [one["type"] for one in other["nodes"]] == ["ImageInvert"]
    editor.keyboard.press("Control+Shift+u")
    expect(node(editor, "ImageInvert")).to_be_visible()
    assert len(definitions(saved(editor))) == 1


def test_a_subgraph_that_was_kept_is_added_to_another_workflow(editor: Page) -> None:
    open_workflow(editor, NODES, LINKS)
    wrap(editor, "ImageInvert")
    command(editor, "Keep the subgraph in the library")
    expect(editor.get_by_role("status").filter(has_text="is in the node library now")).to_be_visible()
    open_workflow(editor, NODES[:1])
    expect(node(editor, "ImageInvert")).to_have_count(0)
    editor.get_by_role("button", name="Node library", exact=True).click()
    kept = editor.get_by_role("region", name="Subgraphs")
    kept.get_by_role("button", name="Subgraph", exact=True).click()
    expect(title(editor, "Subgraph")).to_be_visible()
    [made] = definitions(saved(editor))
    assert [one["type"] for one in made["nodes"]] == ["ImageInvert"]
    kept.get_by_role("button", name="Take Subgraph out of the library").click()
    editor.get_by_role("button", name="Take it out").click()
    expect(kept).to_have_count(0)


def test_a_subgraph_changed_in_another_tab_is_pasted_beside_the_old_one(editor: Page) -> None:
    open_workflow(editor, NODES, LINKS)
    wrap(editor, "ImageInvert")
    first = saved(editor)
    enter(editor)
    node(editor, "ImageInvert").locator(".card-head").click()
    editor.keyboard.press("Control+m")
    editor.keyboard.press("Escape")
    editor.get_by_role("navigation", name="Subgraphs").get_by_role("button", name="made").click()
    title(editor, "Subgraph").click()
    editor.keyboard.press("Control+c")
    open_workflow(editor, first["nodes"], first["links"], definitions=first["definitions"])
    expect(title(editor, "Subgraph")).to_have_count(1)
    settled(editor)
    editor.locator(".react-flow__pane").click(position={"x": 700, "y": 500})
    editor.keyboard.press("Control+v")
    expect(title(editor, "Subgraph")).to_have_count(2)
    old, new = definitions(saved(editor))
    assert sorted([old["nodes"][0]["mode"], new["nodes"][0]["mode"]]) == [0, 2]
