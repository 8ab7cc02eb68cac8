"""The log: one line an event, in one form, and nothing in it of what people ask for."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from server.workers.lines import OneLine, level_of
from tests.api.running import running

MARK = "violetmarker"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) [a-z.]+: \S")


def marked(**more: Any) -> dict[str, Any]:
    """A prompt with the word wherever a prompt holds text."""
    return {
        "1": {"class_type": "ToyNumber", "inputs": {"value": 1}, "_meta": {"title": MARK}},
        "2": {"class_type": "ToyCount", "inputs": {"value": ["1", 0], "name": MARK}},
        "3": {"class_type": "ToySave", "inputs": {"value": ["2", 0], "prefix": MARK}},
        **more,
    }


def ending(how: str) -> dict[str, Any]:
    return marked(**{MARK: {"class_type": "ToyDie", "inputs": {"value": ["1", 0], "how": how}}}) | {
        "3": {"class_type": "ToySave", "inputs": {"value": [MARK, 0], "prefix": MARK}}
    }


BAD: dict[str, Any] = {
    "unknown node": marked(x={"class_type": MARK, "inputs": {}}),
    "wrong value": marked(x={"class_type": "ToyNumber", "inputs": {"value": MARK}}),
    "wrong link": marked(x={"class_type": "ToyShow", "inputs": {"value": [MARK, 0]}}),
    "wrong choice": marked(x={"class_type": "ToyDie", "inputs": {"value": ["1", 0], "how": MARK}}),
    "no file": {"1": {"class_type": "ToyRead", "inputs": {"image": f"{MARK}.png"}}},
    "no folder": {"1": {"class_type": "ToyRead", "inputs": {"image": f"../{MARK}"}}},
    "no prompt": MARK,
    "an editor's file": {"nodes": [{"id": 1, "type": MARK, "widgets_values": [MARK]}], "links": MARK},
}


def test_no_prompt_is_in_the_log(tmp_path: Path) -> None:
    with running(tmp_path, deadlines={"cancel_s": 1.0}) as server:
        states = [server.ended(server.submit(marked(), extra_data={"extra_pnginfo": {"workflow": MARK}}))["state"]]
        states += [server.ended(server.submit(ending(how)))["state"] for how in ("error", "exit")]
        for prompt in BAD.values():
            reply = server.ask("POST", "/prompt", {"prompt": prompt, "client_id": MARK})
            assert reply.status in (200, 400), (prompt, reply.body)
            if reply.status == 200:  # its other outputs run
                assert server.ended(reply.json["prompt_id"])["state"] == "done"
            server.post("/api/validate", {"prompt": prompt})
        assert server.ask("POST", "/prompt", f'{{"prompt": {MARK}'.encode()).status == 400
        assert server.get(f"/api/jobs?text={MARK}")["jobs"]
    assert states == ["done", "failed", "quarantined"]
    log = list(server.log)
    assert sum(" after " in line and "job " in line for line in log) >= 3
    assert [line for line in log if MARK in line] == []
    assert [line for line in log if not LINE.match(line)] == []


def test_an_event_of_many_lines_is_one() -> None:
    record = logging.LogRecord("a", logging.ERROR, "", 1, "first\nsecond %s", ("third\r\nfourth",), None)
    assert OneLine("%(levelname)s %(message)s").format(record) == r"ERROR first\nsecond third\nfourth"


@pytest.mark.parametrize(
    ("line", "level"),
    [("ERROR worker: no", logging.ERROR), ("WARNING x: y", logging.WARNING), ("plain text", logging.INFO), ("", 20)],
)
def test_a_worker_says_how_grave_it_is(line: str, level: int) -> None:
    assert level_of(line) == level
