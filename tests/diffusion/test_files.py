"""What is not a safetensors file is told what it is, and nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from nodes import digests
from nodes.diffusion import files
from nodes.diffusion.files import WeightsError
from nodes.digests import digest
from nodes.types import NodeError

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}
GOOD = save(TENSORS, {"format": "pt"})


class Bomb:
    """Unpickling this leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


def header(content: object, data: bytes = b"") -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_header_says_what_is_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "good.safetensors").write_bytes(GOOD)

    found = files.read_header(tmp_path / "good.safetensors")

    assert found.shapes == {"a": (2, 3), "b": (4,)}
    assert found.dtypes == {"a": "F32", "b": "F16"}
    assert found.metadata == {"format": "pt"}


def test_tensors_come_under_the_names_asked_for(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "good.safetensors")

    found = dict(files.read_tensors(tmp_path / "good.safetensors", {"a": "renamed"}))

    assert list(found) == ["renamed"]
    assert torch.equal(found["renamed"], TENSORS["a"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"abc", "cut short: 3 bytes"),
        (GOOD[:40], "cut short: its header"),
        (GOOD[:-1], "cut short: tensor"),
        (struct.pack("<Q", 2**63) + b"{}", "header would be 9223372036854775808 bytes"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        (b"\n  <html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"GGUF\x03\x00\x00\x00" + bytes(40), "is a GGUF file"),
        (header(b"no json"), "header is no JSON"),
        (header(b"[" * 100_000), "header is no JSON"),
        (header([1, 2]), "header is no JSON object"),
        (header({"x": 5}), "does not describe tensor 'x'"),
        (header({"x": {"dtype": "F32", "shape": "ab", "data_offsets": [0, 4]}}), "does not describe tensor 'x'"),
        (header({"x": entry(0, 4, [2])}, bytes(8)), "wrong length for its shape"),
        (header({"x": entry(-4, 0, [1])}, bytes(8)), "wrong length for its shape"),
        (header({"x": entry(0, 4, [-1])}, bytes(8)), "wrong length for its shape"),
        (header({"x": entry(0, 400, [100])}, bytes(8)), "cut short: tensor 'x' ends at byte 400 of 8"),
    ],
)
def test_other_content_gets_one_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)

    with pytest.raises(WeightsError, match=reason) as raised:
        list(files.read_tensors(path))

    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.safetensors"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_is_refused_and_never_run(tmp_path: Path, name: str, protocol: int) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "boom"), protocol))

    with pytest.raises(WeightsError, match=r"is a pickle.*Convert it to safetensors"):
        files.read_header(tmp_path / name)

    assert not (tmp_path / "boom").exists()


def test_a_torch_zip_is_refused_whatever_its_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.safetensors", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(tmp_path / "boom")))

    with pytest.raises(WeightsError, match="is a pickle"):
        files.read_header(tmp_path / "model.safetensors")

    assert not (tmp_path / "boom").exists()


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        files.read_header(tmp_path / "nothing.safetensors")
    with pytest.raises(WeightsError, match="is a folder"):
        files.read_header(tmp_path)
    with pytest.raises(NodeError, match="does not exist"):
        digest(tmp_path / "nothing.safetensors")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255), length=st.integers(0, len(GOOD)))
def test_damage_is_either_told_or_harmless(tmp_path: Path, place: int, byte: int, length: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place] = byte
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(bytes(damaged[: max(length, place + 1)]))

    try:
        read = dict(files.read_tensors(path))
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017 -- either outcome is right
    else:
        assert all(tensor.numel() <= 6 for tensor in read.values())


def test_a_digest_is_the_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    one.write_bytes(GOOD)
    two.write_bytes(GOOD)
    assert digest(one) == digest(two)

    two.write_bytes(GOOD[:-1] + b"\x01")
    os.utime(two, ns=(1, 2))

    assert digest(one) != digest(two)


@pytest.fixture
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, in which every file counts as large."""
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "LARGE_BYTES", 1)
    return tmp_path / "cache" / "digests.json"


def test_digests_of_large_files_are_remembered(tmp_path: Path, remembered: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    first = digests.digest_of(path, 5, 1)
    path.write_bytes(b"other")

    assert digests.digest_of(path, 5, 1) == first == hashlib.sha256(b"first").hexdigest()
    assert digests.digest_of(path, 5, 2) == hashlib.sha256(b"other").hexdigest()
    assert digests.digest_of(path, 5, 2) == hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff{", b'{"x": 5}', None])
def test_damaged_memory_costs_time_only(tmp_path: Path, remembered: Path, content: bytes | None) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"data")
    if content is None:
        (tmp_path / "cache").write_text("a file where the folder should be")
    else:
        remembered.parent.mkdir()
        remembered.write_bytes(content.replace(b"x", str(path).encode()))

    assert digests.digest_of(path, 4, 1) == hashlib.sha256(b"data").hexdigest()


def test_a_folders_digest_covers_its_weights_and_configurations(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}")
    (tmp_path / "unet" / "model.safetensors").write_bytes(GOOD)
    before = digest(tmp_path)
    (tmp_path / "README.md").write_text("not weights")
    assert digest(tmp_path) == before

    (tmp_path / "unet" / "config.json").write_text('{"a": 1}')

    assert digest(tmp_path) != before
