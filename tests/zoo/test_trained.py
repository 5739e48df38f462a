"""Trained weights: what the cards say holds, damage is refused, and nothing is fetched."""

import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.data import Split
from pyneurons_yat.zoo import model_cards, pretrained, trained

pytest.importorskip("safetensors", reason="needs the extra `io`")

ROOT = Path(__file__).parents[2]
CARDS = model_cards()
HALVES = (0, 1_000), (1_000, 2_000)


def figure(name: str, which: str = "accuracy") -> float:
    """What the index says of the model in the package."""
    return CARDS[name]["figures"][which]["value"]


@pytest.mark.parametrize("name", CARDS)
def test_a_card_says_what_the_file_holds(name):
    model, card = pretrained(name), CARDS[name]
    assert isinstance(model, pn.Model)
    assert pn.count(model) == card["parameters"]
    told = "inputs", "outputs", "data", "data_license", "license", "command"
    assert all(card[each].strip() for each in told)
    assert card["steps"] > 0
    assert card["figures"]
    assert card["command"].startswith(f"python tools/train_zoo.py {name}")
    assert (ROOT / "tools" / "recipes" / f"{name.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("name", CARDS)
def test_each_has_a_page_that_says_what_it_is_for(name):
    page = (ROOT / "docs" / "zoo" / f"{name}.md").read_text()
    words = "data", "training", "figure", "intended use", "limits", "license"
    assert [word for word in words if word not in page.lower()] == []
    assert f"\n{CARDS[name]['command']}\n" in page


def test_index_and_files_are_the_same_models():
    files = {path.stem for path in trained.FOLDER.glob("*.safetensors")}
    assert files == {*CARDS}
    assert [*CARDS] == sorted(CARDS)


def test_an_unknown_name_lists_the_known():
    names = " or ".join(map(repr, CARDS))
    with pytest.raises(ValueError, match=f"^pretrained: name must be {names}, got 'resnet-50'$"):
        pretrained("resnet-50")
    with pytest.raises(ValueError, match="name must be .*, got None"):
        pretrained(None)


def test_damage_is_refused(tmp_path, monkeypatch):
    name = "digits-mlp"
    weights = bytearray((trained.FOLDER / f"{name}.safetensors").read_bytes())
    (tmp_path / "index.json").write_text(json.dumps({name: CARDS[name]}))
    monkeypatch.setattr(trained, "FOLDER", tmp_path)
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(weights)
    assert pn.count(pretrained(name)) == CARDS[name]["parameters"]
    weights[-1] ^= 1  # one bit of the last weight
    path.write_bytes(weights)
    found = hashlib.sha256(weights).hexdigest()
    with pytest.raises(ValueError, match=f"must have the sha256 .*, got {found}; install"):
        pretrained(name)


def test_a_bare_process_loads_them_all():
    """Without scikit-learn, matplotlib or a socket."""
    code = """if True:
        import socket, sys
        sys.modules.update(dict.fromkeys(["sklearn", "matplotlib", "tqdm"]))
        import pyneurons_yat as pn
        def refuse(*args, **options):
            raise OSError("a socket was opened")
        socket.socket = socket.create_connection = socket.getaddrinfo = refuse
        print([pn.count(pn.zoo.pretrained(name)) for name in pn.zoo.model_cards()])
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == str([card["parameters"] for card in CARDS.values()])


def test_without_safetensors_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    wanted = "pretrained: safetensors must be installed, got none; pip install 'pyneurons_yat[io]'"
    with pytest.raises(ImportError, match=f"^{re.escape(wanted)}$"):
        pretrained("digits-mlp")


def test_a_file_cannot_name_it():
    """`load` finds functions that compute alone."""
    assert pn.io.known.named("pyneurons_yat.zoo.pretrained") is None
    assert pn.io.known.named("pyneurons_yat.zoo.trained.pretrained") is None
    assert pn.io.known.named("pyneurons_yat.zoo.model_cards") is None


# ------------------------------------------------------------------------------------ figures


@jax.jit
def run(model, x):
    return model(x)


def logits_of(parts: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """A hidden layer of Yat neurons and a linear layer, in float64, by the formula."""
    kernel, alpha = parts["hidden"].kernel, parts["hidden"].alpha
    kernel, alpha = np.asarray(kernel, np.float64), np.asarray(alpha, np.float64)
    epsilon = dict(parts["hidden"].static).get("epsilon", 1e-5)
    distance = ((x[:, None, :] - kernel.T[None]) ** 2).sum(-1)
    hidden = alpha * (x @ kernel) ** 2 / (distance + epsilon)
    return hidden @ np.asarray(parts["logits"].kernel) + np.asarray(parts["logits"].bias)


def test_digits_mlp_holds_its_figure():
    pytest.importorskip("sklearn", reason="needs the extra `sklearn`")
    from pyneurons_yat.data import digits

    _, test = digits()
    model = pretrained("digits-mlp")
    logits = np.asarray(run(model, test.x))
    np.testing.assert_allclose(logits, logits_of(model, test.x), rtol=1e-3, atol=1e-3)
    assert round(np.mean(logits.argmax(1) == test.y), 4) == figure("digits-mlp") >= 0.96


def test_the_scale_of_digits_mlp_is_that_of_the_loader():
    sklearn = pytest.importorskip("sklearn.datasets", reason="needs the extra `sklearn`")
    from pyneurons_yat.data import digits

    card = CARDS["digits-mlp"]
    rows = (sklearn.load_digits().data - card["mean"]) / card["deviation"]
    train, test = digits()
    assert np.allclose(np.sort(rows.sum(1)), np.sort(np.r_[train.x, test.x].sum(1)), atol=1e-3)


@pytest.fixture(scope="module")
def recipes():
    """The module of a recipe, by its name."""
    pytest.importorskip("sklearn", reason="needs the extra `sklearn`")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        yield lambda name: importlib.import_module(f"recipes.{name}")


def accuracy(name: str, test: Split) -> float:
    logits = np.asarray(run(pretrained(name), test.x))
    return round(float(np.mean(logits.argmax(1) == test.y)), 4)


def test_mnist_cnn_holds_its_figure(data, recipes):
    _, test = recipes("mnist_cnn").mnist(data("mnist10k.npz").parent)
    assert len(test.x) == 2_000
    found = [accuracy("mnist-cnn", Split(test.x[i:j], test.y[i:j])) for i, j in HALVES]
    assert round(np.mean(found), 4) == figure("mnist-cnn") >= 0.985


def test_drawn_digits_holds_its_figures(data, recipes):
    recipe = recipes("drawn_digits")
    _, test = recipes("mnist_cnn").mnist(data("mnist10k.npz").parent)
    pixels = np.stack([recipe.normalized(image) for image in test.x[:500, ..., 0]])
    card = CARDS["drawn-digits"]
    x = ((pixels.reshape(-1, 64) - card["mean"]) / card["deviation"]).astype(np.float32)
    # Of the first 500 alone, as each takes 2 ms: within 3 deviations of the figure of all 2,000.
    expected = figure("drawn-digits", "accuracy on MNIST")
    spread = 3 * (expected * (1 - expected) / 500) ** 0.5
    assert abs(accuracy("drawn-digits", Split(x, test.y[:500])) - expected) < spread
    assert expected >= 0.97


def test_drawn_digits_knows_those_of_scikit_learn():
    pytest.importorskip("sklearn", reason="needs the extra `sklearn`")
    from pyneurons_yat.data import digits

    assert accuracy("drawn-digits", digits()[1]) == figure("drawn-digits") >= 0.98


def test_vae_holds_its_figures(data, recipes):
    recipe = recipes("vae")
    _, test = recipes("mnist_cnn").mnist(data("mnist10k.npz").parent)
    x = test.x / np.float32(CARDS["vae"]["deviation"])
    assert CARDS["vae"]["deviation"] == recipe.DEVIATION
    images = np.concatenate([run(pretrained("vae"), x[i:j]) for i, j in HALVES])
    error = np.mean((images.astype(np.float64) - x) ** 2)
    assert abs(error - figure("vae", "mean squared error")) < 2e-4
    # The mean of all images, which knows none, is more than twice as far off.
    assert error < np.mean((x - x.mean(0)) ** 2) / 2


# ------------------------------------------------------------- figures on data that is not shipped


def test_cora_holds_its_figure(data):
    from pyneurons_yat.data import citations

    papers = citations(data("cora.npz"))
    with jax.enable_x64(False):
        logits = np.asarray(run(pretrained("cora"), papers.graph))
    found = np.mean(logits[papers.test].argmax(1) == papers.labels[papers.test])
    assert abs(found - figure("cora")) <= 0.002
    assert figure("cora") > 0.815  # the published graph convolutional network


def test_cora_gives_the_logits_of_the_formula():
    """Three papers of a few words: ten steps of mixing, Yat neurons, a linear layer."""
    x = np.zeros((3, 1433), np.float32)
    x[[0, 1, 2], [7, 70, 700]] = 1
    model = pretrained("cora")
    graph = pn.make_graph(x, [0, 1, 1, 2], [1, 0, 2, 1])
    found = np.asarray(run(model, graph))
    adjacency = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], float)
    root = np.sqrt(adjacency.sum(1))
    mixed = x.astype(float)
    for _ in range(10):
        mixed = 0.9 * (adjacency / root[:, None] / root[None]) @ mixed + 0.1 * x
    hidden, logits = model["hidden"], model["logits"]
    kernel, bias, alpha = (np.asarray(a, float) for a in (hidden.kernel, hidden.bias, hidden.alpha))
    distance = ((mixed[:, None] - kernel.T[None]) ** 2).sum(-1)
    y = alpha * (mixed @ kernel + bias) ** 2 / (distance + 1e-3)
    wanted = y @ np.asarray(logits.kernel) + np.asarray(logits.bias)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)


@pytest.mark.slow
def test_the_script_makes_the_same_bytes_again_and_a_card(tmp_path, recipes, monkeypatch, capsys):
    """A recipe of one epoch, written twice; what is written is what `pretrained` reads."""
    monkeypatch.setattr(recipes("digits_mlp"), "EPOCHS", 1)
    script = importlib.import_module("train_zoo")
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    monkeypatch.setattr(script, "INDEX", tmp_path / "index.json")
    monkeypatch.setattr(trained, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["train_zoo.py", "digits-mlp", "--seeds", "2"])
    monkeypatch.delenv("PYNEURONS_YAT_DATA", raising=False)
    written = []
    with jax.enable_x64(False):
        for _ in range(2):
            script.main()
            written.append((tmp_path / "digits-mlp.safetensors").read_bytes())
    assert written[0] == written[1]
    card = model_cards()["digits-mlp"]
    assert card["command"] == "python tools/train_zoo.py digits-mlp --seeds 2"
    assert card["figures"]["accuracy"]["seeds"] == 2
    assert str(card["figures"]["accuracy"]["value"]) in capsys.readouterr().out
    assert pn.count(pretrained("digits-mlp")) == card["parameters"] == 9610


@pytest.mark.slow
def test_char_gpt_holds_its_figure(data):
    from pyneurons_yat.data import characters, windows

    name = "char-gpt"
    ids, vocabulary = characters(data("tinyshakespeare.txt").read_text())
    assert vocabulary.symbols == CARDS[name]["symbols"]
    x, y = (part[:100] for part in windows(ids[len(ids) * 9 // 10 :], 64))
    with jax.enable_x64(False):
        logits = np.asarray(run(wide(pretrained(name)), x), float)
    chosen = np.take_along_axis(logits, y[..., None], -1)[..., 0]
    found = np.mean(np.log(np.exp(logits).sum(-1)) - chosen)
    assert abs(found - figure(name, "loss of the first 100 windows")) < 1e-3
    assert figure(name, "loss") < 1.88


def wide(model: pn.Model) -> pn.Model:
    """The model in float32."""
    return pn.cast(np.float32)(model)


def test_char_gpt_writes_what_it_wrote():
    """The likeliest next character after a text and six logits, as when the weights were made."""
    from pyneurons_yat.data import Vocabulary

    vocabulary = Vocabulary(CARDS["char-gpt"]["symbols"])
    with jax.enable_x64(False):
        logits = np.asarray(run(wide(pretrained("char-gpt")), vocabulary.encode("First Citize")))
    assert logits.shape == (12, 65)
    assert vocabulary.decode(logits[-1:].argmax(-1)) == "n"
    written = [1.121, 3.860, 2.287, -9.050, -7.114, 0.201]
    np.testing.assert_allclose(logits[-1, :6], written, atol=0.01)
