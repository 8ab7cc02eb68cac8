"""One way from a name to a path, and whole files or none."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodes.define import Context, NodeError, Saved
from nodes.folders import Folders, MissingFile, UnsafePath, read_extra_model_paths, write_whole

HOSTILE = [
    "..",
    "../canary",
    "..\\canary",
    "a/../../canary",
    "a\\..\\..\\canary",
    "/etc/passwd",
    "\\\\server\\share\\x",
    "//server/share/x",
    "C:canary",
    "C:\\canary",
    "c:/canary",
    "a.png:stream",
    "a.png::$DATA",
    "nul",
    "CON.txt",
    "sub/AUX",
    "com1.png",
    "a\x00.png",
    "a\n.png",
    "a.png ",
    "a.png.",
    "a//b",
    "./a",
    "a/",
    "",
    "x" * 300,
    "é" * 200,
    "y" * 5000,
    "\ud800",
]
KINDS = ["checkpoints", "loras", "input", "output", "temp", "embeddings", "custom_nodes"]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "canary").write_text("secret")
    base = tmp_path / "base"
    for kind in ("models/checkpoints/a", "models/loras", "input/a", "output/a", "temp"):
        (base / kind).mkdir(parents=True)
    return Folders.at(base)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTILE, ids=[f"{i}" for i in range(len(HOSTILE))])
def test_no_name_leaves_its_folder(folders: Folders, kind: str, name: str) -> None:
    with pytest.raises(NodeError):
        folders.path(kind, name)
    assert not folders.has(kind, name)


@pytest.mark.parametrize("name", HOSTILE, ids=[f"{i}" for i in range(len(HOSTILE))])
def test_nothing_is_written_outside(folders: Folders, name: str, tmp_path: Path) -> None:
    before = {p for p in tmp_path.rglob("*") if not p.is_relative_to(tmp_path / "base" / "output")}
    with pytest.raises(UnsafePath):
        folders.save(name, ".png", b"x")
    assert {p for p in tmp_path.rglob("*") if not p.is_relative_to(tmp_path / "base" / "output")} == before


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_may_not_lead_out(folders: Folders, tmp_path: Path) -> None:
    (folders.base / "input" / "link.png").symlink_to(tmp_path / "canary")
    (folders.base / "output" / "out").symlink_to(tmp_path)
    with pytest.raises(UnsafePath, match="link"):
        folders.file("link.png")
    with pytest.raises(UnsafePath, match="link"):
        folders.save("out/x", ".png", b"x")


def test_annotations_choose_the_place(folders: Folders) -> None:
    (folders.base / "output" / "a" / "b.png").write_bytes(b"x")
    assert folders.file("a/b.png [output]") == folders.base / "output" / "a" / "b.png"
    with pytest.raises(MissingFile, match="not in the input folder"):
        folders.file("a/b.png")
    with pytest.raises(UnsafePath):
        folders.file("../canary [output]")


def test_a_missing_model_names_near_ones(folders: Folders) -> None:
    (folders.base / "models/checkpoints/a/dream_v2.safetensors").write_bytes(b"")
    with pytest.raises(MissingFile, match=r"Near matches: a/dream_v2\.safetensors"):
        folders.path("checkpoints", "a/dream_v1.safetensors")


def test_counters_go_on_from_the_highest(folders: Folders) -> None:
    (folders.base / "output" / "x_00041_.png").write_bytes(b"")
    assert folders.save("x", ".png", b"1") == Saved("x_00042_.png")
    assert folders.save("x", ".webp", b"2") == Saved("x_00043_.webp")
    assert folders.save("a/%width%x%height%", ".png", b"", size=(3, 4)) == Saved("3x4_00001_.png", "a")


def test_two_writers_never_share_a_name(folders: Folders) -> None:
    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(lambda i: folders.save("x", ".png", str(i).encode()), range(64)))
    assert len({s.filename for s in saved}) == 64
    contents = {(folders.base / "output" / s.filename).read_bytes() for s in saved}
    assert contents == {str(i).encode() for i in range(64)}
    assert not list((folders.base / "output").glob(".sfumato-*"))


class Claims(Context):
    """A job's claims, as an engine keeps them."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}

    @property
    def node_id(self) -> str:
        return "1"

    @property
    def wants_previews(self) -> bool:
        return False

    def progress(self, step: int, steps: int, preview: object = None) -> None: ...

    def check(self) -> None: ...

    def claimed(self, index: int) -> str | None:
        return self.names.get(index)

    def claim(self, index: int, name: str) -> None:
        self.names[index] = name


def test_a_job_that_runs_again_finds_its_file(folders: Folders) -> None:
    ctx = Claims()
    first = folders.save("x", ".png", b"same", ctx=ctx)
    again = folders.save("x", ".png", b"same", ctx=ctx)
    assert again == first
    assert len(list((folders.base / "output").glob("x_*"))) == 1
    assert folders.save("x", ".png", b"other", ctx=ctx) != first


def test_a_failed_write_leaves_nothing(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NodeError, match=r"^Nothing can be saved in output/kept: No space left on device\. "):
        folders.save("kept/x", ".png", b"data")
    with pytest.raises(OSError, match="No space left"):
        write_whole(folders.base / "user" / "settings.json", b"{}")
    assert list((folders.base / "output" / "kept").iterdir()) == []
    assert list((folders.base / "user").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(folders: Folders) -> None:
    (folders.base / "output").mkdir(exist_ok=True)
    (folders.base / "output" / "taken").write_bytes(b"a file")
    with pytest.raises(NodeError, match=r"^Nothing can be saved in output/taken: "):
        folders.save("taken/x", ".png", b"data")


def test_extra_model_paths_are_read(tmp_path: Path) -> None:
    config = tmp_path / "extra_model_paths.yaml"
    config.write_text(
        "a:\n  base_path: other\n  checkpoints: ckpts\n  loras: |\n    one\n    two\n"
        "b:\n  is_default: true\n  base_path: first\n  clip: te\n  loras: zero\n"
    )
    assert read_extra_model_paths(config) == {
        "checkpoints": [tmp_path / "other" / "ckpts"],
        "loras": [tmp_path / "first" / "zero", tmp_path / "other" / "one", tmp_path / "other" / "two"],
        "text_encoders": [tmp_path / "first" / "te"],
    }
    (tmp_path / "other" / "ckpts").mkdir(parents=True)
    (tmp_path / "other" / "ckpts" / "m.safetensors").write_bytes(b"")
    folders = Folders.at(tmp_path)
    assert "m.safetensors" in folders.names("checkpoints")
    assert folders.path("checkpoints", "m.safetensors") == tmp_path / "other" / "ckpts" / "m.safetensors"


@pytest.mark.parametrize("text", ["[1, 2]", "a: 3", "a: [", "\x00"])
def test_a_bad_extra_model_paths_is_said_plainly(tmp_path: Path, text: str) -> None:
    (tmp_path / "extra_model_paths.yaml").write_text(text)
    with pytest.raises(NodeError, match=r"extra_model_paths\.yaml"):
        Folders.at(tmp_path)
