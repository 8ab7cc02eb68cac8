"""What a run depended on beside its workflow: recorded in what it writes, and asked again by `sfumato verify`.

Facts name files as workflows do, never where they are.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import nodes
from nodes.define import NodeDef, NodeError
from nodes.digests import digest
from nodes.folders import Folders
from nodes.registry import Registry
from nodes.widgets import Files
from server.engine.graph import Graph
from server.engine.kinds import Things, unwrapped

KEY = "sfumato"
"""Under which a picture carries the facts."""

_LIBRARY = "nodes.diffusion"
_PACK = "sfumato_custom_nodes"
_EMBEDDING = re.compile(r"embedding:([^\s,)]+)")


def facts_of(graph: Graph, targets: Iterable[str], registry: Registry, folders: Folders, things: Things) -> Facts:
    """The facts of a run of these outputs: engine, device and precision, the code of its nodes, the files it names."""
    placed = [graph[each] for each in graph.nodes if each in graph.upstream(targets)]
    known = {each.type: found for each in placed if (found := registry.get(each.type)) is not None}
    values = [
        (found.input(name), value)
        for each in placed
        if (found := known.get(each.type))
        for name, value in each.inputs.items()
    ]
    files: dict[str, str] = {}
    for each, value in values:
        plain = unwrapped(value)
        if each is None or not isinstance(plain, str):
            continue
        if isinstance(each.widget, Files):
            files.update(_file(folders, each.widget.folder, plain))
        for name in _EMBEDDING.findall(plain):
            files.update(_embedding(folders, name))
    return {
        "engine": engine_version(),
        **_computing(things),
        "nodes": dict(sorted(_sources(known.values()))),
        "files": dict(sorted(files.items())),
    }


Facts = dict[str, Any]


def engine_version() -> str:
    """The version of Sfumato that is installed."""
    import importlib.metadata  # noqa: PLC0415 -- brings the whole of `email`, and only results are marked with this

    try:
        return importlib.metadata.version("sfumato")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def changes(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """The facts that are not what they were, by name: what was recorded, and what holds now."""
    was, holds = dict(_flat(recorded)), dict(_flat(now))
    names = [*was, *(name for name in holds if name not in was)]
    return {name: (was.get(name), holds.get(name)) for name in names if was.get(name) != holds.get(name)}


def _flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            inner = cast("Mapping[str, Any]", value)
            yield from ((f"{name} {key}", _said(each)) for key, each in inner.items())
        else:
            yield name, _said(value)


def _said(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:200] + "..."


def file_digest(folders: Folders, kind: str, name: str) -> str | None:
    """The SHA-256 of a model or input by its name; None when there is no such file."""
    try:
        return folders.digest(kind, name)
    except (NodeError, OSError):
        return None


def _file(folders: Folders, kind: str, name: str) -> dict[str, str]:
    found = file_digest(folders, kind, name)
    return {} if found is None else {f"{kind}/{name}": found}


def _embedding(folders: Folders, name: str) -> dict[str, str]:
    known = next((each for each in folders.names("embeddings") if name in (each, each.rpartition(".")[0])), None)
    return {} if known is None else _file(folders, "embeddings", known)


def _computing(things: Things) -> dict[str, Any]:
    """What torch computes with. Without torch in this process there is nothing to say."""
    if "torch._C" not in sys.modules:
        return {}
    import torch  # noqa: PLC0415 -- it is there already

    from nodes.diffusion.weights import Weights  # noqa: PLC0415 -- needs torch

    weights = things.get(Weights)
    found: dict[str, Any] = {"torch": str(torch.__version__)}
    if not isinstance(weights, Weights):
        return found
    kind = weights.device.type
    name = f"{kind} {torch.cuda.get_device_name(weights.device)}" if kind == "cuda" else kind
    parts = ("unet", "text", "vae")
    dtypes = {part: str(getattr(weights.precisions, part)).removeprefix("torch.") for part in parts}
    return {**found, "device": name, "precision": dtypes}


def _sources(definitions: Iterable[NodeDef]) -> Iterator[tuple[str, str]]:
    """Modules of nodes, and the library behind them, with what identifies their code."""
    for module in {each.module for each in definitions}:
        if module.startswith("nodes."):
            yield module, _digest_of([_root() / f"{module.removeprefix('nodes.')}.py"])
        else:
            pack = module.split(".")[1] if "." in module else module
            yield f"custom_nodes.{pack}", _digest_of(_pack_files(pack))
    yield _LIBRARY, _digest_of(sorted((_root() / "diffusion").rglob("*.py")))


def _root() -> Path:
    return Path(nodes.__path__[0])


def _pack_files(pack: str) -> list[Path]:
    loaded = sys.modules.get(f"{_PACK}.{pack}")
    file = Path(getattr(loaded, "__file__", None) or "")
    return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]


def _digest_of(files: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        if file.is_file():
            whole.update(f"{file.name}\0{digest(file)}\n".encode())
    return whole.hexdigest()[:16]
