"""The editor for those who see it larger, in the system's colours, or hear it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.hands import node, open_template


def test_with_the_systems_colours_nodes_have_edges_and_sockets_colours(editor: Page) -> None:
    open_template(editor)
    card = node(editor, "KSampler").locator(".card")
    expect(card).to_have_css("outline-style", "none")
    editor.emulate_media(forced_colors="active")
    expect(card).to_have_css("outline-style", "solid")
    node(editor, "KSampler").locator(".card-head").click()
    expect(card).to_have_css("outline-width", "3px")
    dot = editor.get_by_label("Output LATENT,").first
    expect(dot).to_have_css("forced-color-adjust", "none")


def test_at_twice_the_size_nothing_is_out_of_reach(editor: Page) -> None:
    open_template(editor)
    editor.set_viewport_size({"width": 720, "height": 450})
    expect(editor.locator(".minimap")).to_be_hidden()
    settings = editor.get_by_role("button", name="Settings")
    settings.click()
    dialog = editor.get_by_role("dialog", name="Settings")
    done = dialog.get_by_role("button", name="Done")
    done.click()
    expect(dialog).to_be_hidden()
    wide = editor.evaluate("document.documentElement.scrollWidth")
    assert wide == 720


def test_links_are_named_by_what_they_join(editor: Page) -> None:
    open_template(editor)
    expect(editor.get_by_role("img", name="Load Checkpoint · MODEL → KSampler · model")).to_be_attached()
    expect(editor.get_by_role("img", name="Edge from", exact=False)).to_have_count(0)
