"""The rules of the house: who may import whom, what a public name owes its reader."""

import ast
import importlib
import io
import os
import re
import statistics
import subprocess
import sys
import tokenize
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import pyneurons_yat as pn

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pyneurons_yat"
FOUNDATIONS = {"core", "ops"}
FACES = sorted(PACKAGE.glob("*/*/__init__.py"))
MIDDLE = FOUNDATIONS | {"layouts", "neurons", "learn", "io"}
ROOMS = MIDDLE | {"by_name", "data", "plot", "zoo"}
EXTRAS = {"matplotlib", "safetensors", "sklearn", "sympy", "tqdm"}


class Room(NamedTuple):
    """What the modules of one room may import beyond their own room and the standard library."""

    rooms: set[str]
    packages: set[str]
    inside_functions: frozenset[str] | set[str] = frozenset()


WALLS = {
    "core": Room(set(), {"jax", "multipledispatch", "numpy"}, {"treescope"}),
    "ops": Room(set(), {"jax", "numpy"}, {"sympy"}),
    "neurons": Room(FOUNDATIONS, {"jax", "numpy"}),
    "layouts": Room({"core"}, {"jax", "numpy"}),
    "learn": Room(FOUNDATIONS | {"layouts"}, {"jax", "numpy", "optax"}, {"matplotlib", "tqdm"}),
    "io": Room(FOUNDATIONS, {"jax", "numpy"}, {"jax2onnx", "onnxruntime", "safetensors", "torch"}),
    "by_name": Room(MIDDLE, {"jax", "optax"}),
    "zoo": Room(MIDDLE, {"jax", "numpy", "optax"}),
    "data": Room(MIDDLE, {"jax", "numpy"}, {"sklearn"}),
    "plot": Room(MIDDLE, {"jax", "numpy"}, {"matplotlib"}),
    "estimators": Room(MIDDLE | {"data"}, {"jax", "numpy", "optax", "scipy", "sklearn"}),
    "command_line": Room(ROOMS | {"__init__"}, {"jax", "numpy"}, EXTRAS),
    "experiments": Room(ROOMS | {"command_line"}, {"jax", "numpy", "optax"}, EXTRAS),
    "__main__": Room({"command_line"}, set()),
    "__init__": Room(ROOMS | {"equations", "estimators", "symbolic", "vjp"}, set()),
    "equations": Room({"ops"}, {"jax", "numpy"}),
    "symbolic": Room({"ops"}, {"numpy"}, {"sympy"}),
    "vjp": Room({"ops"}, set()),
}


# ---------------------------------------------------------------------------------- the walls


class Import(NamedTuple):
    """One imported module: its absolute name, its line, whether it waits for a function call."""

    name: str
    line: int
    lazy: bool


def absolute_names(node: ast.AST, package: list[str]) -> list[str]:
    """The absolute names that an import statement, or a call of import_module, asks for.

    A module that is imported as a whole ends in ".*", like one from which every name is.
    """
    if isinstance(node, ast.Import):
        return [f"{alias.name}.*" for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        stem = ".".join(base + ([node.module] if node.module else []))
        return [f"{stem}.{alias.name}" for alias in node.names]
    called = (
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        if isinstance(node, ast.Call)
        else ""
    )
    if called in ("import_module", "__import__"):
        literal = isinstance(node.args[0], ast.Constant) if node.args else False
        return [f"{node.args[0].value}.*" if literal else "<a module named at run time>"]
    return []


def imports(source: str, package: list[str]) -> list[Import]:
    """Every import in the source of a module of `package`, those inside functions too."""

    def visit(node: ast.AST, lazy: bool) -> Iterator[Import]:
        for name in absolute_names(node, package):
            yield Import(name, node.lineno, lazy)
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, lazy)

    return list(visit(ast.parse(source), False))


def shown(face: Path) -> list[str]:
    """The names in the `__all__` of a family's face, read without importing it."""
    for node in ast.parse(face.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return []


def passes_a_face(inner: list[str]) -> bool:
    """Whether a name, split at its dots, lies in a family's folder, where no face shows it."""
    face = PACKAGE.joinpath(*inner[:2], "__init__.py")
    if len(inner) < 3 or not face.is_file():
        return False
    return len(inner) > 3 or inner[2] not in ["*", *shown(face)]


def objection(room: str, found: Import) -> str | None:
    """Why a module of `room` may not have this import; None if it may."""
    wall = WALLS[room]
    top, *inner = found.name.split(".")
    if top == "pyneurons_yat":
        target = inner[0] if inner and inner[0] in WALLS else "__init__"
        if target != room and target not in wall.rooms:
            return f"{room} must not know {target}"
        past = target != room and passes_a_face(inner)
        return f"{room} must import {found.name} from the family's face" if past else None
    if "_src" in inner:
        return f"{found.name} is private"
    if top in sys.stdlib_module_names or top in wall.packages:
        return None
    if top not in wall.inside_functions:
        return f"{room} must not import {top}"
    return None if found.lazy else f"{room} may import {top} only inside a function"


def breaches(path: str, source: str) -> list[str]:
    """Each import of a file, named by its path inside the package, that passes through a wall."""
    parts = Path(path).with_suffix("").parts
    room = parts[0]
    if room not in WALLS:
        return [f"{path}: {room} is no room of the house"]
    found = imports(source, ["pyneurons_yat", *parts[:-1]])
    found = [i for i in found if (path, i.name) not in PROMISED_BY_NOBODY]
    return [f"{path}:{i.line}: {text}" for i in found if (text := objection(room, i))]


PROMISED_BY_NOBODY = {
    ("core/internals.py", "jax._src.core.trace_state_clean"),
    ("core/internals.py", "jax._src.state.discharge.discharge_state"),
}
"""What JAX keeps to itself and is used all the same, each in one file that says why."""


def package_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_no_import_passes_through_a_wall():
    found = [
        b for p in package_files() for b in breaches(str(p.relative_to(PACKAGE)), p.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("ops/yat.py", "from ..core.model import Model", "ops must not know core"),
        ("ops/yat.py", "from .. import core", "ops must not know core"),
        ("ops/yat.py", "import pyneurons_yat as pn", "ops must not know __init__"),
        ("ops/yat.py", "from pyneurons_yat import yat", "ops must not know __init__"),
        ("ops/yat.py", "def f():\n    from ..core import bind", "ops must not know core"),
        ("core/model.py", "import pyneurons_yat.neurons.linear", "core must not know neurons"),
        ("core/model.py", "def f():\n    def g():\n        import optax", "must not import optax"),
        ("core/model.py", "from jax._src import core", "jax._src.core is private"),
        ("learn/fit.py", "from ..io import save", "learn must not know io"),
        ("learn/fit.py", "from ..neurons import Linear", "learn must not know neurons"),
        ("learn/fit.py", "import tqdm", "learn may import tqdm only inside a function"),
        ("learn/fit.py", "class A:\n    import tqdm", "learn may import tqdm only inside"),
        ("io/save.py", "import_module('flax')", "io must not import flax"),
        ("io/save.py", "importlib.import_module(name)", "io must not import <a module named"),
        ("zoo/mlp.py", "from ..data import digits", "zoo must not know data"),
        ("zoo/mlp.py", "from ..__main__ import main", "zoo must not know __main__"),
        ("neurons/a.py", "from ..ops.dense.yat import yat", "from the family's face"),
        ("neurons/a.py", "from ..ops.attention import layout", "from the family's face"),
        ("neurons/a.py", "import pyneurons_yat.ops.softermax.softermax", "the family's face"),
        ("neurons/a.py", "from ..ops.attention.layout import *", "from the family's face"),
        ("neurons/a/b.py", "def f():\n    from ...ops.dense import yat, pairs", "family's face"),
        ("zoo/mlp.py", "import_module('pyneurons_yat.neurons.dense.linear')", "the family's face"),
        ("__init__.py", "from .ops.dense.yat import yat", "from the family's face"),
        ("utils/a.py", "", "utils is no room of the house"),
        ("misc.py", "", "misc is no room of the house"),
    ],
)
def test_the_wall_test_sees(path, source, message):
    (found,) = breaches(path, source)
    assert message in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/model.py", "import functools\nimport jax.numpy as jnp\nfrom .paths import at"),
        ("core/__init__.py", "from .model import Model\nfrom multipledispatch import dispatch"),
        ("neurons/dense/yat_dense.py", "from ...core import bind\nfrom ...ops.dense import yat"),
        ("neurons/dense/yat_dense.py", "from ...ops import yat\nfrom ...ops.checks import check"),
        ("neurons/graphs/a.py", "from ..dense.linear import apply\nfrom ..dense import linear"),
        ("neurons/a.py", "import pyneurons_yat.ops.dense\nfrom ..ops.dense import *"),
        ("ops/attention/scores.py", "from .layout import restore\nfrom ..dense.yat import yat"),
        ("learn/fit.py", "import optax\ndef bar():\n    from tqdm.auto import tqdm"),
        ("command_line/training.py", "import pyneurons_yat as pn\nfrom ..zoo import mlp"),
        ("__init__.py", "from . import core\nfrom .ops import yat"),
    ],
)
def test_the_wall_test_lets_pass(path, source):
    assert breaches(path, source) == []


@pytest.mark.parametrize("face", FACES, ids=[f"{p.parts[-3]}.{p.parts[-2]}" for p in FACES])
def test_a_face_shows_names_that_it_has_in_order(face):
    family = importlib.import_module(".".join(["pyneurons_yat", *face.parts[-3:-1]]))
    assert [name for name in family.__all__ if not hasattr(family, name)] == []
    assert list(family.__all__) == sorted(set(family.__all__)) == shown(face)


# ---------------------------------------------------------------------- names and docstrings


def public_values() -> dict[str, object]:
    return {name: getattr(pn, name, None) for name in pn.__all__}


def own_docstring(value: object) -> str:
    """The docstring of this very object, not the one it has from its class."""
    doc = getattr(value, "__doc__", None) or ""
    return "" if not isinstance(value, type) and doc == type(value).__doc__ else doc


def told_by_its_module(name: str, value: object) -> bool:
    """Whether a module that holds this constant speaks of it in its own docstring."""
    modules = [m for key, m in sys.modules.items() if key.startswith("pyneurons_yat.")]
    return any(getattr(m, name, None) is value and name in (m.__doc__ or "") for m in modules)


def test_public_names_exist_once_and_in_order():
    missing = [name for name in pn.__all__ if not hasattr(pn, name)]
    assert not missing, f"in __all__ but absent: {missing}"
    rooms = pn.learn.__all__, pn.ops.__all__  # each written once, in its own room
    own = set(pn.__all__).difference(*rooms)
    assert pn.__all__ == [*sorted(own), *(name for room in rooms for name in sorted(room))]


def test_nothing_else_is_public():
    others = {n: v for n, v in vars(pn).items() if not n.startswith("_") and n not in pn.__all__}
    ours = {n for n, v in others.items() if getattr(v, "__name__", "") == f"pyneurons_yat.{n}"}
    assert others.keys() <= ours, f"public, but not in __all__: {sorted(others.keys() - ours)}"


def test_the_readme_names_all_that_is_public():
    told = (ROOT / "README.md").read_text().split("## What there is")[1].split("\n## ")[0]
    named = {name.split(".")[0] for name in re.findall(r"`([\w.]+)`", told)}
    assert sorted(set(pn.__all__) - named) == []


def test_every_public_name_has_its_own_docstring():
    values = public_values().items()
    constants = {n for n, v in values if isinstance(v, int | float | str)}
    untold = [n for n in constants if not told_by_its_module(n, getattr(pn, n))]
    bare = [n for n, v in values if n not in constants and not own_docstring(v).strip()]
    assert not bare + untold, f"no docstring of their own: {bare}; not told of: {untold}"


def test_every_public_callable_shows_an_example():
    callables = {n: v for n, v in public_values().items() if callable(v)}
    silent = sorted(n for n, v in callables.items() if ">>> " not in own_docstring(v))
    assert not silent, f"no example in the docstring of: {silent}"


def test_every_public_function_tells_its_arguments_and_result():
    wanted = []
    for name, value in public_values().items():
        if isinstance(value, types.FunctionType):
            sections = ["Returns:"] + ["Args:"] * bool(value.__code__.co_varnames)
            wanted += [f"{name} {s}" for s in sections if s not in own_docstring(value)]
    assert not wanted, f"sections that are missing: {wanted}"


def undocumented(tree: ast.AST, where: str) -> list[str]:
    """Public definitions of a module, and methods of its public classes, without a docstring."""
    found = [] if ast.get_docstring(tree) else [where]
    opens = isinstance(tree, ast.Module) or (
        isinstance(tree, ast.ClassDef) and tree.name in pn.__all__
    )
    for node in tree.body if opens else []:
        public = isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        if public and "overload" not in [getattr(d, "id", "") for d in node.decorator_list]:
            found += undocumented(node, f"{where}: {node.name}")
    return found


def test_every_public_definition_has_a_docstring():
    trees = {str(p.relative_to(ROOT)): ast.parse(p.read_text()) for p in package_files()}
    found = [line for where, tree in trees.items() for line in undocumented(tree, where)]
    assert not found, "no docstring:\n" + "\n".join(found)


# ------------------------------------------------------------------------------------ import


def run_python(code: str, **environment: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    return ran.stdout if ran.returncode == 0 else ran.stderr


def test_importing_starts_no_backend():
    # No platform has this name, so whatever starts a backend fails.
    no_platform = {"JAX_PLATFORMS": "no_such_platform"}
    assert "no_such_platform" in run_python("import jax; jax.devices()", **no_platform)
    assert run_python("import pyneurons_yat; print('imported')", **no_platform) == "imported\n"


def test_importing_needs_no_extra():
    names = EXTRAS | {"IPython", "chex", "equinox", "flax", "pandas", "torch", "treescope"}
    names |= {"flatbuffers", "jax2onnx", "onnxruntime"}
    code = "import jax, optax, sys; before = set(sys.modules); import pyneurons_yat;"
    code += f"print(sorted({names} & (set(sys.modules) - before)))"
    assert run_python(code) == "[]\n"


# ------------------------------------------------------------------------------------- sizes


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code: not blank, no comment, no docstring."""
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {
        n
        for t in tokens
        if t.type not in blank
        for n in range(t.start[0], t.end[0] + 1)
        if t.string
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def function_lengths(source: str) -> dict[str, int]:
    lines = code_lines(source)
    return {
        f"{node.name} (line {node.lineno})": len(lines & {*range(node.lineno, node.end_lineno + 1)})
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_lengths_count_code_only():
    source = 'def f(\n    x,\n):\n    """A\n\n    b."""\n\n    # c\n    return """\n\n    """\n'
    assert function_lengths(source) == {"f (line 1)": 6}


def test_files_and_functions_are_short():
    files = [p for d in ("pyneurons_yat", "benchmarks", "tests") for p in (ROOT / d).rglob("*.py")]
    sources = {str(p.relative_to(ROOT)): p.read_text() for p in files}
    long_files = [name for name, text in sources.items() if len(text.splitlines()) > 400]
    lengths = {
        f"{p}: {f}": n for p, text in sources.items() for f, n in function_lengths(text).items()
    }
    assert not long_files, f"over 400 lines: {long_files}"
    assert not [f for f, n in lengths.items() if n > 40], "functions over 40 lines of code"
    ours = [n for f, n in lengths.items() if f.startswith("pyneurons_yat")]
    assert statistics.median(ours) < 10


def test_the_package_raises_errors_and_leaves_nothing_open():
    for path in package_files():
        source = path.read_text()
        asserts = [n.lineno for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Assert)]
        assert not asserts, f"{path}: assert on line {asserts}; raise ValueError or TypeError"
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", source), f"{path}: something is left to do"
