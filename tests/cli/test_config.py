"""Settings: which source wins, and what is said of a value that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.assets import web_folder, workflows_folder
from server.config import BadSetting, Settings, load


def test_defaults(tmp_path: Path) -> None:
    settings = load({}, {"HOME": str(tmp_path)})
    assert settings == load(None, {})
    assert settings.base == Path("~/sfumato").expanduser()
    assert settings.host == "127.0.0.1"
    assert settings.devices == ("auto",)


def test_flags_beat_environment_beats_file_beats_defaults(tmp_path: Path) -> None:
    (tmp_path / "sfumato.toml").write_text('port = 1\nhost = "a"\ndevice = "cuda:0, cuda:1"\ncustom_nodes = true\n')
    environment = {"SFUMATO_BASE": str(tmp_path), "SFUMATO_PORT": "2", "SFUMATO_HOST": "b", "SFUMATO_TOKEN": ""}
    settings = load({"port": 3, "host": None}, environment)
    assert (settings.port, settings.host, settings.devices) == (3, "b", ("cuda:0", "cuda:1"))
    assert settings.custom_nodes
    assert settings.base == tmp_path


def test_the_file_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("cache_disk_gib = 0.5\n")
    assert load({}, {"SFUMATO_CONFIG": str(tmp_path / "mine.toml")}).cache_disk_gib == 0.5
    with pytest.raises(BadSetting, match="not there"):
        load({}, {"SFUMATO_CONFIG": str(tmp_path / "gone.toml")})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "http", "SFUMATO_PORT is 'http'; it must be a port, 0 to 65535."),
        ("PORT", "70000", "SFUMATO_PORT is '70000'; it must be a port, 0 to 65535."),
        ("PRECISION", "fp8", "must be one of auto, fp32, fp16, bf16"),
        ("CUSTOM_NODES", "perhaps", "must be true or false"),
        ("CACHE_DISK_GIB", "-1", "must be a number, 0 or more"),
        ("CACHE_DISK_GIB", "nan", "must be a number, 0 or more"),
        ("CACHE_MEMORY_GIB", "lots", "must be a number, 0 or more"),
    ],
)
def test_a_bad_value_is_named_with_where_it_came_from(name: str, value: str, said: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load({}, {f"SFUMATO_{name}": value})
    assert said in str(caught.value)
    assert f"SFUMATO_{name}" in str(caught.value)


@pytest.mark.parametrize("content", ["port = ", "colour = 'red'", "port = 'x'", "base = 5", "[table]\nx = 1"])
def test_a_bad_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "sfumato.toml").write_text(content)
    with pytest.raises(BadSetting, match=r"sfumato\.toml"):
        load({"base": str(tmp_path)}, {})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def test_assets_of_a_checkout_are_beside_the_code() -> None:
    assert (workflows_folder() / "text_to_image.json").is_file()
    assert web_folder().name == "dist"
