"""What a user sees while writing: signatures, completion, and what a type checker finds."""

import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyneurons_yat as pn

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

USER_CODE = """\
import jax
import jax.numpy as jnp
import optax
import pyneurons_yat as pn

key = jax.random.key(0)
x, y = jnp.ones((8, 3)), jnp.ones((8, 2))
dense = pn.YatDense(key, 3, 2, use_bais=False)  # mistake: no such option
linear = pn.Linear(3, 2)  # mistake: no key
conv = pn.YatConv(key, 3, 4)  # mistake: no window
norm = pn.LayerNorm(key, 8)  # mistake: takes no key
embed = pn.Embed(key, 10, "16")  # mistake: a size that is a word
good = pn.YatDense(key, 3, 2, epsilon=1e-3)
good(x, epsilom=1e-4)  # mistake: no such option of the call
good(x, distance=2)  # mistake: a choice that is a number
drop = pn.Dropout(rate=0.5, axis=1)  # mistake: no such option
fitted, history = pn.fit(optax.adam(0.1), good, x, y, epoch=3)  # mistake: no such option
answer = good(x).shappe  # mistake: an array has no such attribute
pn.softermax(x, power=2)  # mistake: no such option
fine = pn.fit(optax.adam(0.1), good, x, y, epochs=3, progress=False)
"""


def test_a_layer_tells_its_arguments_options_and_defaults():
    told = inspect.signature(pn.YatDense).parameters
    assert list(told)[:3] == ["key", "inputs", "outputs"]
    defaults = {
        "use_bias": True, "use_alpha": True, "learnable_epsilon": False, "epsilon": 1e-5,
        "kernel_init": None, "distance": "expanded", "precision": None, "out_sharding": None,
    }  # fmt: skip
    assert {name: told[name].default for name in defaults} == defaults
    assert {*told} == {
        "key", "inputs", "outputs", *defaults, "bias_init", "alpha_init", "dtype",
    }  # fmt: skip
    for layer in (getattr(pn, name) for name in pn.__all__):
        if isinstance(layer, pn.Layer):
            kinds = [p.kind for p in inspect.signature(layer).parameters.values()]
            assert inspect.Parameter.VAR_KEYWORD not in kinds


def test_what_type_checkers_read_is_what_the_signatures_say():
    import stubs

    told = "it is not what the layers take any more: run python tools/stubs.py"
    assert stubs.STUB.read_text() == stubs.stub(), told


def test_ipython_completes_the_options_of_a_layer():
    pytest.importorskip("IPython")
    from IPython.core.completer import IPCompleter, provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.user_ns["pn"] = pn
    completer = shell.Completer
    assert isinstance(completer, IPCompleter)
    for text, wanted in (("pn.YatDense(use_", "use_bias="), ("pn.YatConv(kernel_", "kernel_size=")):
        with provisionalcompleter():
            found = [c.text for c in completer.completions(text, len(text))]
        assert wanted in found


def test_pyright_finds_mistakes_in_the_code_of_a_user(tmp_path):
    if shutil.which("pyright") is None:
        pytest.skip("pyright is not installed")
    code = tmp_path / "user.py"
    code.write_text(USER_CODE)
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"typeCheckingMode": "basic", "extraPaths": [str(ROOT)]})
    )
    ran = subprocess.run(
        ["pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    errors = [e for e in json.loads(ran.stdout)["generalDiagnostics"] if e["severity"] == "error"]
    found = {e["range"]["start"]["line"] for e in errors}
    planted = {i for i, line in enumerate(USER_CODE.splitlines()) if "# mistake" in line}
    assert found <= planted, errors
    assert len(found) >= 7, f"found {len(found)} of {len(planted)}"
