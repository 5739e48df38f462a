"""The code of every page of the documentation runs, from the top to the bottom."""

import re
import warnings
from pathlib import Path
from typing import Any

import jax
import pytest

DOCS = Path(__file__).parents[2] / "docs"
CODE = re.compile(r"^(`{3,})(\{code-cell\} ?\w*|python)\n(.*?)^\1$", re.M | re.S)
GENERATED = {"api", "notebooks"}


def pages() -> list[Path]:
    """The pages that hold code."""
    found = [p for p in sorted(DOCS.rglob("*.md")) if p.relative_to(DOCS).parts[0] not in GENERATED]
    return [page for page in found if CODE.search(page.read_text())]


def cells(text: str) -> list[tuple[int, str]]:
    """The line on which each block of code begins, and its code, without the options of a cell."""
    found = []
    for match in CODE.finditer(text):
        code = re.sub(r"\A(:[\w-]+:[^\n]*\n)+|\A---\n.*?^---\n", "", match[3], flags=re.M | re.S)
        skipped = match[3].count("\n") - code.count("\n")
        found.append((text[: match.start(3)].count("\n") + skipped, code))
    return found


def header(text: str) -> dict[str, str]:
    """What the front matter of a page says."""
    front = re.match(r"---\n(.*?)\n---\n", text, re.S)
    return dict(re.findall(r"^(\w+): *(.+)$", front[1], re.M)) if front else {}


def test_blocks_are_found_with_their_lines():
    text = (
        "---\npeers: [a, b]\n---\n\n```python\na = 1\n```\n\n"
        "```{code-cell} python\n:tags: [x]\nb = 2\n```\n"
    )
    assert cells(text) == [(5, "a = 1\n"), (10, "b = 2\n")]
    assert header(text) == {"peers": "[a, b]"}


def marked(page: Path) -> Any:
    """A page whose front matter says that it is slow has the marker of a slow test."""
    name = str(page.relative_to(DOCS).with_suffix(""))
    slow = header(page.read_text()).get("slow") == "true"
    return pytest.param(page, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("page", [marked(page) for page in pages()])
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="needs the extra `demo`")
    text = page.read_text()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    for peer in re.findall(r"[\w.]+", header(text).get("peers", "")):
        pytest.importorskip(peer, reason=f"the page shows {peer} too")
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {"__name__": "__main__"}
    with jax.enable_x64(False), jax.numpy_rank_promotion("allow"), warnings.catch_warnings():
        for line, code in cells(text):
            exec(compile("\n" * line + code, str(page), "exec"), space)
    import matplotlib.pyplot as plt

    plt.close("all")


def test_a_page_whose_code_is_executed_says_so():
    for page in pages():
        text = page.read_text()
        executed = "```{code-cell}" in text
        assert executed == (header(text).get("file_format") == "mystnb"), page


def test_pages_have_no_path_of_a_machine():
    for page in DOCS.rglob("*.md"):
        assert not re.search(r"(?<![\w.])/(home|Users|root|tmp|mnt|opt|work)/", page.read_text()), (
            page
        )
