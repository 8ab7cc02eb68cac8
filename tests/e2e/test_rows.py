"""A list of rows in one widget: LoRAs that are switched, chosen, weighed, added, moved and removed."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e import axe
from tests.e2e.hands import node, open_workflow, saved

LORAS = "Power Lora Loader (rgthree)"
FRAME = ([{}, {"type": "PowerLoraLoaderHeaderWidget"}], [{}, ""])


def _row(lora: str, **more: Any) -> dict[str, Any]:
    return {"on": True, "lora": lora, "strength": 1, "strengthTwo": None, **more}


def _open(editor: Page, *rows: dict[str, Any]) -> None:
    values = [*FRAME[0], *rows, *FRAME[1]]
    open_workflow(
        editor,
        [{"id": 1, "type": LORAS, "pos": [0, 0], "size": [320, 160], "widgets_values": values}],
        extra={"sfumato": {"form": [{"node": "1", "widget": "loras"}]}},
    )


def _values(editor: Page) -> list[Any]:
    return saved(editor)["nodes"][0]["widgets_values"]


def test_loras_are_switched_weighed_added_moved_and_removed_in_the_node(editor: Page) -> None:
    _open(editor, _row("sfumato-heart.safetensors"), _row("None"))
    card = node(editor, LORAS)
    card.get_by_role("switch", name="on 2").click()
    expect(card.get_by_role("switch", name="on 2")).not_to_be_checked()
    card.get_by_role("spinbutton", name="strength 1", exact=True).focus()
    for key in ("Enter", "Control+a", "0", ".", "5", "Enter"):
        editor.keyboard.press(key)
    expect(card.get_by_role("spinbutton", name="strength 1", exact=True)).to_have_attribute("aria-valuenow", "0.5")
    card.get_by_role("button", name="Add LoRA").click()
    editor.get_by_role("textbox", name="Filter").fill("blueprint")
    editor.keyboard.press("Enter")
    expect(card.get_by_role("button", name="lora 3")).to_contain_text("sfumato-blueprint.safetensors")
    card.get_by_role("button", name="Row 3 of 3").click()
    editor.get_by_role("menuitem", name="Set text encoder strength").click()
    expect(card.get_by_role("spinbutton", name="text encoder strength 3")).to_be_visible()
    card.get_by_role("button", name="Row 3 of 3").focus()
    editor.keyboard.press("Alt+ArrowUp")
    expect(card.get_by_role("button", name="Row 2 of 3")).to_be_focused()
    editor.keyboard.press("Alt+ArrowDown")
    expect(card.get_by_role("button", name="Row 3 of 3")).to_be_focused()
    card.get_by_role("button", name="Row 2 of 3").press("Enter")
    editor.get_by_role("menuitem", name="Remove").press("Enter")
    expect(card.get_by_role("button", name="Row 2 of 2")).to_be_focused()
    kept = [_row("sfumato-heart.safetensors", strength=0.5), _row("sfumato-blueprint.safetensors", strengthTwo=1)]
    assert _values(editor) == [*FRAME[0], *kept, *FRAME[1]]
    axe.begin(editor)
    assert axe.serious(editor) == []


def test_loras_are_changed_in_the_form_of_a_phone(editor: Page) -> None:
    _open(editor, _row("sfumato-heart.safetensors"))
    expect(node(editor, LORAS)).to_be_visible()
    editor.set_viewport_size({"width": 390, "height": 844})
    rows = editor.get_by_role("group", name="Loras")
    rows.get_by_role("switch", name="on 1").click()
    rows.get_by_role("button", name="Add LoRA").click()
    editor.get_by_role("option", name="sfumato-blueprint.safetensors").click()
    expect(rows.get_by_role("button", name="lora 2")).to_contain_text("sfumato-blueprint.safetensors")
    axe.begin(editor)
    assert axe.serious(editor) == []
    editor.set_viewport_size({"width": 1440, "height": 900})
    kept = [_row("sfumato-heart.safetensors", on=False), _row("sfumato-blueprint.safetensors")]
    assert _values(editor) == [*FRAME[0], *kept, *FRAME[1]]
