"""Every notebook runs from top to bottom, and is committed without outputs."""

import gc
import json
import os
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS_PER_CELL = 300


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_there_are_notebooks():
    assert NOTEBOOKS


def reader_environment():
    """The environment of somebody who opens the notebook: pictures inline, JAX's own defaults."""
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return kept | {"PYTHONPATH": str(ROOT), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the tools that run a kernel, not of the notebook
def test_it_runs_from_top_to_bottom(path, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="needs the extra `notebooks`")
    nbclient = pytest.importorskip("nbclient", reason="needs the extra `notebooks`")
    pytest.importorskip("ipykernel", reason="needs the extra `notebooks`")
    pytest.importorskip("matplotlib", reason="needs the extra `demo`")
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(notebook, timeout=SECONDS_PER_CELL, resources=place)
    client.create_kernel_manager()
    client.km.kernel_spec.argv[0] = sys.executable
    client.execute(env=reader_environment())
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    warned = [o.text for o in outputs if o.get("name") == "stderr" and "Warning" in o.text]
    assert not warned, warned
    assert list(tmp_path.iterdir()) == []
    del client
    gc.collect()


def test_it_is_committed_without_outputs(path):
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        assert not cell.get("outputs"), cell["id"]
        assert cell.get("execution_count") is None, cell["id"]
        assert cell["metadata"] == {}, cell["id"]
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_its_first_cell_installs_the_package_on_colab_and_nowhere_else(path):
    cells = json.loads(path.read_text())["cells"]
    first = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    condition, line = first.removeprefix("import sys\n\n").splitlines()
    assert condition == 'if "google.colab" in sys.modules:'
    assert re.fullmatch(r'    %pip install -q "pyneurons_yat\[[a-z,]+\].*"', line)


def test_it_has_no_path_of_a_machine(path):
    text = path.read_text()
    assert not re.search(r"/(home|Users|root|tmp|mnt|opt|var|work)/|[A-Z]:\\\\", text)


def lines(code):
    return [line for line in code.splitlines() if line.strip()]


def test_what_nmn_shows_is_no_longer_here():
    """Training and six models: each block of nmn's code is followed by the cell that does it."""
    cells = json.loads((ROOT / "notebooks" / "03_coming_from_nmn.ipynb").read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    found = [
        (re.search(r"```python\n(.*?)```", text, re.S), after) for text, after in pairwise(sources)
    ]
    pairs = [(block[1], after) for block, after in found if block]
    assert len(pairs) == 7
    for theirs, ours in pairs:
        assert len(lines(ours)) <= len(lines(theirs)), ours
