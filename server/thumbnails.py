"""Draw the thumbnails of the templates: `python -m server.thumbnails FOLDER [NAME...]`, with the bundled model."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nodes.folders import STARTER, Folders, write_whole
from nodes.registry import Registry
from server.config import Settings
from server.engine.engine import Engine
from server.formats import open_workflow, read_prompt
from server.headless import Report, load_registry, make_engine, run_graph

_SIDE = 256


def main(arguments: Sequence[str]) -> int:
    """Write FOLDER/NAME.webp for each template that the bundled model can draw; 1 when one of them fails."""
    folder, names = Path(arguments[0]), set(arguments[1:])
    with tempfile.TemporaryDirectory() as base:
        settings = Settings(base=Path(base))
        folders = Folders.at(Path(base))
        registry = load_registry(folders, custom_nodes=False)
        engine = make_engine(settings, folders, registry)
        failed = 0
        for path in sorted(folder.glob("*.json")):
            if (not names or path.stem in names) and _is_ours(path, registry):
                drawn = draw(path, engine, registry, folders)
                failed += drawn is None
                if drawn is not None:
                    write_whole(path.with_suffix(".webp"), drawn)
    return 1 if failed else 0


def draw(path: Path, engine: Engine, registry: Registry, folders: Folders) -> bytes | None:
    """The last picture that a template makes, as a small WebP; None when it makes none."""
    graph = read_prompt(open_workflow(path.read_bytes(), registry, path.name, folders=folders).prompt)
    checked = engine.validate(graph)
    if not checked.sound:
        sys.stderr.write("\n".join(checked.sentences()) + "\n")
        return None
    report = Report({placed.id: placed.name for placed in graph})
    ran = run_graph(
        engine,
        folders,
        checked.graph,
        checked.good_outputs,
        values={},
        document=None,
        report=report,
        cancelled=lambda: False,
    )
    report.close()
    if ran.outcome.error is not None:
        sys.stderr.write(f"{path.name}: {ran.outcome.error.sentence}\n")
    return _thumbnail(ran.files) if ran.files else None


def _is_ours(path: Path, registry: Registry) -> bool:
    """Whether the bundled model is the only one that a template names."""
    opened = open_workflow(path.read_bytes(), registry, path.name)
    return set(_models(opened.prompt.values())) == {STARTER} and not opened.report.unknown


def _models(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for node in nodes:
        yield from (v for k, v in node["inputs"].items() if k.endswith(("ckpt_name", "unet_name", "lora_name")))


def _thumbnail(files: Sequence[Path]) -> bytes:
    """The last file's picture; of several of one batch, a sheet of the first four."""
    from PIL import Image  # noqa: PLC0415 -- only here

    stem = files[-1].name.rsplit("_", 2)[0]
    batch = [file for file in files if file.name.rsplit("_", 2)[0] == stem][:4]
    pictures = [Image.open(file).convert("RGB") for file in (batch if len(batch) == 4 else files[-1:])]
    width, height = pictures[0].size
    across = 2 if len(pictures) == 4 else 1
    sheet = Image.new("RGB", (width * across, height * (len(pictures) // across)))
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % across * width, place // across * height))
    sheet.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    sheet.save(out, "WEBP", quality=85, method=6)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
