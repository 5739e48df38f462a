"""The network of the demo: the same numbers in JavaScript, by node, as in Python."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pyneurons_yat.zoo import pretrained

pytest.importorskip("safetensors", reason="needs the extra `io`")

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "docs" / "demo"
RUN = """
const [Yat, WEIGHTS] = [require("./network.js"), require("./weights.js")];
const { rows, drawings } = JSON.parse(require("fs").readFileSync(0));
const network = Yat.model(WEIGHTS);
const logits = rows.map((x) => Array.from(Yat.logits(network, Yat.responses(network, x))));
const pixels = drawings.map((ink) => Array.from(Yat.normalized(ink, Math.sqrt(ink.length))));
const inputs = pixels.map((p) => Array.from(Yat.inputs(network, p)));
const shares = logits.map((each) => Yat.softmax(each));
console.log(JSON.stringify({ logits, pixels, inputs, shares }));
"""


def test_the_committed_weights_are_what_the_script_makes():
    made = runpy.run_path(str(ROOT / "tools" / "build_demo.py"))["script"]()
    assert (DEMO / "weights.js").read_text() == made


def test_the_page_asks_nothing_of_a_network():
    """No address that a browser would fetch; links are followed by hand."""
    for path in DEMO.iterdir():
        found = re.findall(r"(?:src|href)=[\"']([^\"']+)|url\(([^)]+)", path.read_text())
        places = [one or two for one, two in found]
        outside = [p for p in places if not (DEMO / p).exists() and not p.startswith("data:")]
        assert set(outside) <= {"../index.html"}, path.name
        assert not re.search(r"\b(fetch|XMLHttpRequest|import|WebSocket)\b *\(", path.read_text())


def luminance(color: str) -> float:
    shares = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, two: str) -> float:
    low, high = sorted([luminance(one), luminance(two)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("block", [r":root", r':root\[data-theme="dark"\]'], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(block):
    """At least 4.5 to 1 for text and 3 to 1 for what shows the focus, as WCAG 2.2 has it."""
    style = re.search(rf"{block} {{(.*?)}}", (DEMO / "style.css").read_text(), re.DOTALL)
    colors = dict(re.findall(r"--([\w-]+): (#\w{6});", style[1]))
    for text, ground in [(t, g) for t in ("text", "soft", "accent") for g in ("page", "card")]:
        assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    assert contrast(colors["on-accent"], colors["accent"]) >= 4.5
    assert contrast(colors["ink"], colors["paper"]) >= 7
    assert contrast(colors["focus"], colors["card"]) >= 3


def by_node(rows, drawings) -> dict[str, np.ndarray]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    given = json.dumps({"rows": np.asarray(rows).tolist(), "drawings": drawings})
    ran = subprocess.run([node, "-e", RUN], cwd=DEMO, input=given, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return {name: np.array(value) for name, value in json.loads(ran.stdout).items()}


def drawings() -> list[np.ndarray]:
    """Slanted bars, a ring, a dot, a flat line, one at the rim, noise, nothing; of two sizes."""
    y, x = np.indices((28, 28))
    ring = np.clip(3 - abs(np.hypot(y - 14, 1.4 * (x - 12)) - 9), 0, 1)
    bars = [np.clip(2.5 - abs(x - 14 + slope * (y - 14)), 0, 1) for slope in (0, 0.4, -0.5, 1.5)]
    flat = (abs(y - 20) < 2) * 1.0
    dot, rim = np.zeros((28, 28)), np.zeros((28, 28))
    dot[5, 9] = rim[20:, 24:] = 1
    noise = np.random.default_rng(0).uniform(size=(20, 20)) ** 2
    large = np.kron(ring, np.ones((2, 2)))
    return [ring, *bars, flat, dot, rim, noise, large, np.zeros((28, 28))]


def test_node_computes_what_python_does(monkeypatch):
    pytest.importorskip("sklearn", reason="needs the extra `sklearn`")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from recipes.drawn_digits import normalized, scale

    rows = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32)
    found = by_node(rows, [ink.ravel().tolist() for ink in drawings()])
    model = pretrained("drawn-digits")
    logits = np.asarray(model(rows))
    np.testing.assert_allclose(found["logits"], logits, rtol=1e-4, atol=1e-4)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(found["shares"], powers / powers.sum(1, keepdims=True), atol=1e-4)
    pixels = np.array([normalized(ink).ravel() for ink in drawings()])
    np.testing.assert_allclose(found["pixels"], pixels, atol=1e-9)
    assert pixels.max() <= 16
    assert pixels[0].reshape(8, 8).any(1).all()  # the full height
    of_scale = scale()
    inputs = (pixels - of_scale["mean"]) / of_scale["deviation"]
    np.testing.assert_allclose(found["inputs"], inputs, atol=1e-9)
