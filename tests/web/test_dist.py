"""The built editor in web/dist is the one that web/src makes; no Node is needed to tell."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
SOURCES = ["index.html", "package-lock.json", "package.json", "public", "src", "tsconfig.json", "vite.config.ts"]


def files_under(path: Path) -> list[Path]:
    return [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]


def hash_sources(root: Path) -> str:
    """The same hash as web/scripts/srchash.mjs writes when it builds."""
    named = {one.relative_to(root).as_posix(): one for name in SOURCES for one in files_under(root / name)}
    digest = hashlib.sha256()
    for name in sorted(named):
        digest.update(f"{name}\0".encode())
        digest.update(named[name].read_bytes().replace(b"\r\n", b"\n"))
        digest.update(b"\0")
    return digest.hexdigest()


def test_the_build_is_of_these_sources() -> None:
    written = (WEB / "dist" / ".srchash").read_text().strip()
    assert written == hash_sources(WEB), "web/dist is stale: run `npm ci && npm run build` in web/ and commit web/dist"


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = (WEB / "dist" / "index.html").read_text()
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    assert all(not link.startswith(("http:", "https:", "//")) for link in links)
    assert "<script>" not in page


@pytest.mark.parametrize("pattern", ["*.js", "*.css"])
def test_every_file_that_the_page_names_is_there(pattern: str) -> None:
    page = (WEB / "dist" / "index.html").read_text()
    wanted = re.findall(r'(?:src|href)="\.?/?(assets/[^"]+)"', page)
    assert any(Path(one).match(pattern) for one in wanted)
    assert all((WEB / "dist" / one).is_file() for one in wanted)


def test_the_page_begins_with_little_javascript() -> None:
    page = (WEB / "dist" / "index.html").read_text()
    wanted = set(re.findall(r'(?:src|href)="\./(assets/[^"]+\.js)"', page))
    sizes = {one: len(gzip.compress((WEB / "dist" / one).read_bytes())) for one in wanted}
    assert sum(sizes.values()) < 260_000, sizes
