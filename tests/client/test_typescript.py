"""The client in TypeScript, run by Node as its sources stand, against both kinds of servers."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.api.running import running
from tests.client.test_client import Old, Ours, old_server

SCRIPT = Path(__file__).with_name("talk.mjs")


def node() -> str:
    """Node beside this Python, which is new enough to run TypeScript; else the system's."""
    beside = Path(sys.executable).parent / ("node.exe" if sys.platform == "win32" else "node")
    found = str(beside) if beside.exists() else shutil.which("node")
    assert found, "Node is missing; `make test` installs it."
    return found


async def talk(url: str, **request: Any) -> dict[str, Any]:
    """What the client heard and said."""
    process = await asyncio.create_subprocess_exec(
        *(node(), "--no-warnings", str(SCRIPT), url, json.dumps(request)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(tmp_path_factory.mktemp("real"), token="open sesame") as server:
        yield server


@pytest.fixture(params=["ours", "plain"])
async def there(request: pytest.FixtureRequest) -> AsyncIterator[Ours | Old]:
    if request.param == "ours":
        server = request.getfixturevalue("real")
        yield Ours(f"{server.origin}/?token=open sesame", server)
        return
    async with old_server() as old:
        yield old


async def test_jobs_are_followed_and_files_fetched(there: Ours | Old) -> None:
    raw = io.BytesIO()
    Image.new("RGBA", (4, 4), "red").save(raw, "PNG")
    picture = base64.b64encode(raw.getvalue()).decode()
    said = await talk(there.url, prompts=[there.prompt(steps=3), there.prompt()], upload=picture, node=there.known)
    assert "error" not in said, said
    for heard, steps in zip(said["jobs"], (3, 2), strict=True):
        kinds = [event["type"] for event in heard["events"]]
        assert (kinds[0], kinds[-1]) == ("queued", "done")
        assert {"started", "cached", "executing", "executed"} <= set(kinds)
        assert [e["value"] for e in heard["events"] if e["type"] == "progress"][-1] == steps
        assert any(e["mime"] == "image/png" and e["bytes"] > 8 for e in heard["events"] if e["type"] == "preview")
        assert len(heard["files"]) == 1
    first, again, masked, named = said["uploaded"]
    assert first == again == {"filename": "cat.png", "subfolder": "ts", "type": "input"}
    assert (masked["filename"], named) == ("masked.png", "ts/cat.png")
    assert said["nodes"] == [there.known]


async def test_refusals_and_failures_are_told(there: Ours | Old) -> None:
    said = await talk(there.url, prompts=[there.refused()])
    assert said["error"]["name"] == "Refused"
    assert there.refused_because in said["error"]["message"]
    assert said["error"]["problems"][0]["input"] == "steps"
    said = await talk(there.url, prompts=[there.failing()])
    assert said["error"]["name"] == "JobFailed"
    assert said["error"]["message"].endswith("was told to fail.")
    assert said["jobs"][0]["events"][-1]["type"] == "failed"


async def test_a_job_is_cancelled(there: Ours | Old) -> None:
    said = await talk(there.url, prompts=[there.held()], cancelAt="work")
    assert said["jobs"][0]["events"][-1]["type"] == "cancelled"
    assert said["error"]["name"] == "JobFailed"


async def test_what_happens_while_the_connection_is_broken_is_told(there: Ours | Old) -> None:
    if isinstance(there, Ours):
        said = await talk(there.url, prompts=[there.prompt(steps=20, seconds=2, value=78)], disturbAt="work")
    else:
        then = ["/test/drop", "/test/release"]
        said = await talk(there.url, prompts=[there.held()], disturbAt="work", afterwards=then)
    assert "error" not in said, said
    assert said["jobs"][0]["events"][-1]["type"] == "done"
    assert len(said["jobs"][0]["files"]) == 1


async def test_a_closed_door_is_said() -> None:
    said = await talk("http://127.0.0.1:9", prompts=[{}], patience=0)
    assert said["error"]["name"] == "Unreachable"
    assert "Nothing answers at http://127.0.0.1:9" in said["error"]["message"]


async def test_a_missing_token_is_said(real: Any) -> None:
    said = await talk(real.origin, prompts=[{}])
    assert "wants its token" in said["error"]["message"]
