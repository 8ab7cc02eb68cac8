"""Models that nodes fetch from the Hugging Face hub, where whoever runs the program has allowed it."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from nodes.define import Context, NodeError

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from nodes.folders import Folders

_ENDPOINT = "https://huggingface.co"
_TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 20
_CONFIG, _PREPROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
_SPARE_BYTES = 1 << 28


def endpoint() -> str:
    """The hub's address; HF_ENDPOINT names another one."""
    return os.environ.get("HF_ENDPOINT", _ENDPOINT).rstrip("/")


def place_of(folders: Folders, repo: str) -> Path:
    """The folder of an annotator from the hub: `owner/name` is models/annotators/name."""
    return folders.base / "models" / "annotators" / repo.rpartition("/")[2]


def refusal(repo: str, purpose: str) -> NodeError:
    """What to do where a network is missing and nothing may be downloaded."""
    folder = f"models/annotators/{repo.rpartition('/')[2]}"
    return NodeError(
        f"There is no network for {purpose}; put {_CONFIG} and {WEIGHTS} of {repo} (or of its like) from "
        f"{endpoint()}/{repo} into {folder}, or allow downloads with --allow-downloads."
    )


def fetch(folders: Folders, repo: str, ctx: Context) -> Path:
    """The folder in which a repository's network is, after downloading it.

    The weights come last and whole, so what was cut off is no network. Raises NodeError saying what went wrong.
    """
    place = place_of(folders, repo)
    place.mkdir(parents=True, exist_ok=True)
    for name, needed in ((_CONFIG, True), (_PREPROCESSOR, False), (WEIGHTS, True)):
        if not (place / name).is_file():
            _download(repo, name, place, ctx, needed=needed)
    return place


def _download(repo: str, name: str, place: Path, ctx: Context, *, needed: bool) -> None:
    try:
        with _opened(f"{endpoint()}/{quote(repo)}/resolve/main/{quote(name)}") as response:
            _keep(response, repo, place / name, ctx)
    except HTTPError as error:
        with error:
            if error.code != 404 or needed:
                raise NodeError(_told(repo, name, error.code)) from None
    except (URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise NodeError(f"{name} of {repo} could not be downloaded from {endpoint()}: {reason}.") from None


@contextmanager
def _opened(url: str) -> Iterator[HTTPResponse]:
    if not url.startswith(("https://", "http://")):
        raise NodeError(f"HF_ENDPOINT is {endpoint()!r}; it must be an https address.")
    request = urllib.request.Request(url, headers={"User-Agent": "sfumato"})  # noqa: S310 -- the scheme was looked at
    with cast("HTTPResponse", urllib.request.urlopen(request, timeout=_TIMEOUT_S)) as response:  # noqa: S310
        yield response


def _keep(response: HTTPResponse, repo: str, path: Path, ctx: Context) -> None:
    """Write what comes into a file, whole or not at all."""
    size = int(response.headers.get("Content-Length") or 0)
    free = shutil.disk_usage(path.parent).free
    if size + _SPARE_BYTES > free:
        raise NodeError(f"{path.name} of {repo} has {size >> 20} MiB, and there are {free >> 20} MiB left on the disk.")
    with NamedTemporaryFile(dir=path.parent, prefix=".sfumato-", suffix=".part", delete=False) as file:
        temporary = Path(file.name)
        try:
            done = 0
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                ctx.progress(done >> 10, max(size, done) >> 10)
            if size and done != size:
                raise NodeError(f"{path.name} of {repo} broke off after {done} of {size} bytes; run it again.")
            file.flush()
            os.fsync(file.fileno())
            file.close()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _told(repo: str, name: str, status: int) -> str:
    match status:
        case 401 | 403:
            return f"{repo} is only for those who have an account at {endpoint()}; download its files by hand."
        case 404:
            return f"{repo} has no {name} at {endpoint()}; download another one by hand."
        case _:
            return f"{name} of {repo} could not be downloaded: {endpoint()} answers {status}."
