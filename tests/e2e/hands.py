"""What a person does at the editor, in the words of the tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import FilePayload, Locator, Page, expect

RUN_MS = 200_000
"""How long a run may take. Less than a test may: who waits in vain shall be able to say for what."""

STARTS_WITHIN_MS = 120_000

Json = dict[str, Any]


def open_editor(page: Page, url: str) -> None:
    """The editor, ready to be used, however slow the machine is."""
    page.set_default_timeout(STARTS_WITHIN_MS)
    page.goto(url)
    expect(page.get_by_role("application")).to_be_visible(timeout=STARTS_WITHIN_MS)


def ask(url: str, path: str, body: Any = None) -> Any:
    """What the server itself answers."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url + path, data, {"Content-Type": "application/json"}), timeout=60) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def node(editor: Page, name: str) -> Locator:
    """The node of a class."""
    return editor.locator(".react-flow__node").filter(has=editor.locator(f'.card[data-node="{name}"]'))


def socket(editor: Page, name: str, label: str, side: str) -> Locator:
    return node(editor, name).get_by_label(f"{side} {label},", exact=False)


def middle(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(editor: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    editor.mouse.move(*start)
    editor.mouse.down()
    editor.mouse.move(start[0] + 3, start[1] + 3)  # the first move only begins the drag
    editor.mouse.move(*end, steps=6)
    editor.mouse.move(*end)
    editor.mouse.up()


def settled(editor: Page) -> None:
    """Returns when what was opened is in view, and what is measured now stays true."""
    editor.evaluate(
        """() => new Promise((done) => {
            let frames = 4;
            const next = () => (frames-- ? requestAnimationFrame(next) : done());
            next();
        })"""
    )


def add_node(editor: Page, name: str, at: tuple[float, float]) -> None:
    editor.mouse.dblclick(*at)
    search = editor.get_by_role("combobox", name="Search for a node")
    search.fill(name)
    expect(editor.get_by_role("option", selected=True)).to_have_id(f"found-{name}")
    search.press("Enter")
    expect(search).to_be_hidden()


def open_template(editor: Page) -> None:
    editor.get_by_role("button", name="Text to image").first.click()
    expect(node(editor, "KSampler")).to_be_visible()


def set_number(editor: Page, name: str, value: int) -> None:
    """Types a number into the sampler."""
    node(editor, "KSampler").get_by_role("spinbutton", name=name).focus()
    editor.keyboard.press("Enter")
    editor.keyboard.type(str(value))
    editor.keyboard.press("Enter")


def run(editor: Page) -> None:
    editor.get_by_role("button", name="Run", exact=True).click()


def watch_for_preview(editor: Page) -> None:
    """To be called before a run: its preview may be gone before one asks for it."""
    editor.evaluate(
        """() => {
            window.previewed = false;
            const look = () => { window.previewed ||= document.querySelector("canvas.live") !== null; };
            new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
        }"""
    )


def expect_preview(editor: Page) -> None:
    """Returns when a preview has been seen since one watches for it."""
    becomes(editor, "() => window.previewed")


def expect_picture(editor: Page, name: str) -> Locator:
    """Waits for a picture that really loaded in the node."""
    picture = node(editor, name).locator(".media img").first
    expect(picture).to_be_visible(timeout=RUN_MS)
    expect(picture).to_have_js_property("complete", value=True)
    expect(picture).not_to_have_js_property("naturalWidth", 0)
    return picture


def open_text(editor: Page, name: str, text: str) -> None:
    """Drops the text of a workflow on the canvas. Returns when it is in view."""
    tabs = editor.get_by_role("navigation", name="Open workflows").locator(
        ".tab-name", has_text=name.removesuffix(".json")
    )
    before = tabs.count()
    open_file(editor, {"name": name, "mimeType": "application/json", "buffer": text.encode()})
    # What reads files is loaded with the first one: until it is open, the canvas is still the old one.
    expect(tabs).to_have_count(before + 1)


def open_file(editor: Page, file: FilePayload, at: tuple[float, float] = (700, 400)) -> None:
    """Drops a file on the canvas."""
    data = editor.evaluate_handle(
        """([name, type, bytes]) => {
            const transfer = new DataTransfer();
            const file = new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type });
            transfer.items.add(file);
            return transfer;
        }""",
        [file["name"], file["mimeType"], base64.b64encode(file["buffer"]).decode()],
    )
    editor.locator(".canvas").dispatch_event("drop", {"dataTransfer": data, "clientX": at[0], "clientY": at[1]})


def open_workflow(editor: Page, nodes: Sequence[Json], links: Sequence[Sequence[Any]] = (), **more: Any) -> None:
    file = {
        "id": "made-by-a-test",
        "version": 0.4,
        "nodes": list(nodes),
        "links": [list(link) for link in links],
        **more,
    }
    open_text(editor, "made.json", json.dumps(file))


def saved(editor: Page) -> Json:
    """The workflow in view as the editor would write it to a file."""
    with editor.expect_download() as download:
        editor.keyboard.press("Control+k")
        editor.get_by_role("textbox", name="Command").fill("Download the workflow")
        editor.keyboard.press("Enter")
    return json.loads(download.value.path().read_text())


def becomes(page: Page, asked: str, arg: object = None) -> None:
    """Asks the page until the function that it is given answers with a promise of true."""
    page.evaluate(
        f"""async arg => {{
            const asked = {asked};
            while (!(await asked(arg))) await new Promise(requestAnimationFrame);
        }}""",
        arg,
    )


# Never open what is not there yet: that would make it, without what the editor puts into it.
KEEPS = """async text => {
    const all = await indexedDB.databases();
    if (!all.some(({ name }) => name === "sfumato")) return false;
    return new Promise(resolve => {
        const open = indexedDB.open("sfumato");
        open.onsuccess = () => {
            const asked = open.result.transaction("tabs").objectStore("tabs").getAll();
            open.result.close();
            asked.onsuccess = () => resolve(JSON.stringify(asked.result).includes(text));
        };
    });
}"""


def kept(page: Page, text: str) -> None:
    """Returns when the browser keeps a workflow with this in it, for after a reload."""
    becomes(page, KEEPS, text)
