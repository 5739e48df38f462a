"""What the tools say: ruff, pyright, the wheel that ships, and paths of one machine."""

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pyneurons_yat as pn

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "pyneurons_yat" / "zoo" / "weights"
MB = 1_000_000


def run_tool(*command: str) -> None:
    if importlib.util.find_spec(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed: pip install -e '.[test]'")
    ran = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    if ran.returncode != 0:
        pytest.fail(ran.stdout + ran.stderr, pytrace=False)


def test_ruff_finds_nothing():
    run_tool("ruff", "check", "--no-cache", ".")


def test_ruff_would_format_nothing():
    run_tool("ruff", "format", "--no-cache", "--check", ".")


def test_pyright_finds_nothing():
    run_tool("pyright", "--pythonpath", sys.executable)


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    run_tool("build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT))
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    info = f"pyneurons_yat-{pn.__version__}.dist-info/"
    modules = {str(p.relative_to(ROOT)) for p in (ROOT / "pyneurons_yat").rglob("*.py")}
    weights = {str(p.relative_to(ROOT)) for p in WEIGHTS.iterdir()}
    assert names == {
        *modules,
        *weights,
        "pyneurons_yat/neurons/__init__.pyi",
        "pyneurons_yat/py.typed",
        *(info + file for file in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")),
    }
    assert sum(p.stat().st_size for p in WEIGHTS.iterdir()) <= 10 * MB
    assert wheel.stat().st_size < 12 * MB


def test_no_file_names_a_place_on_one_machine():
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    ran = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode != 0:
        pytest.skip("this is not a git checkout")
    place = re.compile(r"(?<![\w.])/(?:home|opt|root|tmp|work)/")
    files = [ROOT / name for name in ran.stdout.split("\0") if name and (ROOT / name).is_file()]
    texts = {p: p.read_bytes().decode("utf-8", "ignore") for p in files}
    assert not [str(p.relative_to(ROOT)) for p, text in texts.items() if place.search(text)]
