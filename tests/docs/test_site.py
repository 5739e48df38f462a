"""The documentation builds without a warning, and none of its links leads nowhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """The links of a page and the places in it that a link may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what the tag names and what it leads to."""
        found = {name: value or "" for name, value in attrs}
        self.places.update(found[name] for name in ("id", "name") if name in found)
        self.links += [found[name] for name in ("href", "src") if name in found]


def leads_nowhere(site: Path) -> list[str]:
    """Each link inside a site whose file or place is not there."""
    pages = {path: Page(path.read_text()) for path in site.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:|//", link):
                continue
            address, place = urlsplit(link).path, urlsplit(link).fragment
            target = (path.parent / unquote(address)).resolve() if address else path
            target = target / "index.html" if target.is_dir() else target
            lost = target in pages and place and unquote(place) not in pages[target].places
            if not target.exists() or lost:
                broken.append(f"{path.relative_to(site)}: {link}")
    return sorted(broken)


def test_the_link_check_sees(tmp_path):
    (tmp_path / "a.html").write_text('<p id="x"><a href="b.html#y">1</a><a href="#x">2</a>')
    (tmp_path / "b.html").write_text('<a href="a.html#z">1</a><img src="c.png"><a href="a.html#x">')
    assert leads_nowhere(tmp_path) == ["a.html: b.html#y", "b.html: a.html#z", "b.html: c.png"]


def build(out: Path, *options: str) -> None:
    """Builds the site; a warning is an error."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", *options]
    ran = subprocess.run(
        [*command, "-d", str(out / "trees"), str(ROOT / "docs"), str(out / "site")],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert leads_nowhere(out / "site") == []


def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("sphinx", "furo", "myst_nb", "sphinx_copybutton"):
        pytest.importorskip(package, reason="needs the extra `docs`")
    build(tmp_path, "-D", "nb_execution_mode=off")


@pytest.mark.slow
def test_the_site_builds_with_its_code_executed(tmp_path):
    for package in ("sphinx", "furo", "myst_nb", "sphinx_copybutton", "diffrax", "blackjax"):
        pytest.importorskip(package, reason="needs the extra `docs`")
    build(tmp_path)
