"""What is committed of the experiments: whole, and the same in the JSON, the table and the page."""

import json
import re
from pathlib import Path

import pytest

from pyneurons_yat.experiments import Row, report
from pyneurons_yat.experiments.command import EXPERIMENTS

DOCS = Path(__file__).parents[2] / "docs" / "experiments"
FILES = sorted((DOCS / "results").glob("*.json"))


@pytest.fixture(params=FILES, ids=[path.stem for path in FILES])
def result(request):
    """The path of a committed result and what it holds."""
    return request.param, json.loads(request.param.read_text(encoding="utf-8"))


def rows_of(found):
    known = [{**row, "values": [float("nan") if v is None else v for v in row["values"]]}
             for row in found["rows"]]  # fmt: skip
    return [Row(**row) for row in known]


def test_a_result_says_how_it_was_made(result):
    path, found = result
    assert found["name"] == path.stem
    assert any(found["name"].startswith(name) for name in EXPERIMENTS)
    assert re.match(r"python -m pyneurons_yat\.experiments [a-z-]+( |$)", found["command"])
    assert "/" not in found["command"]
    assert found["settings"]["seeds"] >= 1
    assert found["seconds"] > 0
    assert {"processor", "cores", "python", "packages", "device"} <= found["machine"].keys()
    assert {"pyneurons_yat", "jax", "optax"} <= found["machine"]["packages"].keys()


def test_a_result_has_a_number_per_seed(result):
    _, found = result
    rows = rows_of(found)
    counts = [len(row.values) for row in rows]
    assert found["settings"]["seeds"] in counts
    assert all(row.source for row in rows if row.published is not None)


def test_the_table_of_the_page_is_that_of_the_numbers(result):
    path, found = result
    table = path.with_suffix(".md").read_text(encoding="utf-8")
    for row in rows_of(found):
        assert f"| {' | '.join(report.cells(row))} |" in table
    assert found["command"] in table


def test_the_page_includes_table_and_picture(result):
    path, _ = result
    pages = [folder / f"{path.stem}.md" for folder in (DOCS, DOCS.parent)]
    page = next(page for page in pages if page.is_file()).read_text(encoding="utf-8")
    assert f"results/{path.stem}.md" in page
    if path.with_suffix(".svg").is_file():
        assert f"results/{path.stem}.svg" in page
