"""What notebooks show of a model: parts that unfold, leaves by shape and dtype, never by values."""

import re
from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn


def network():
    one, two = jax.random.split(jax.random.key(0))
    parts = {
        "hid<den": pn.YatDense(one, 3, 4, epsilon=1e-2),
        "act": jax.nn.relu,
        "norm": pn.BatchNorm(4),
        "out": pn.freeze(pn.Linear(two, 4, 2), "kernel"),
    }
    return pn.sequential(parts)


class Reader(HTMLParser):
    """Checks that what opens is closed, and collects the text, indented by what unfolds."""

    def __init__(self, text):
        super().__init__()
        self.open, self.lines, self.tags = [], [], set()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add((tag, *attrs))
        if tag in ("div", "summary"):
            self.lines.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        depth = self.open.count("details") - ("summary" in self.open)
        self.lines[-1] = (self.lines[-1] or "  " * depth) + data


def test_html_is_a_tree_that_unfolds():
    reader = Reader(network()._repr_html_())
    assert [line for line in reader.lines if line] == [
        "Sequential 30 parameters, 8 batch_stats, 8 frozen",
        "  ['hid<den'] YatDense(epsilon=0.01) 20 parameters",
        "    .kernel float32[3,4]",
        "    .bias float32[4]",
        "    .alpha float32[4]",
        "  ['act'] relu no parameters",
        "  ['norm'] BatchNorm 8 parameters, 8 batch_stats",
        "    .scale float32[4]",
        "    .bias float32[4]",
        "    .mean float32[4] batch_stats",
        "    .variance float32[4] batch_stats",
        "  ['out'] Linear 2 parameters, 8 frozen",
        "    .kernel float32[4,2] frozen",
        "    .bias float32[2]",
    ]
    assert ("details", ("open", None)) in reader.tags
    assert {tag for tag, *_ in reader.tags} == {"div", "details", "summary", "b", "i"}


def test_html_is_small_and_holds_no_values():
    model = pn.repeat(pn.YatDense, 50)(jax.random.key(0), 64, 64)
    text = model._repr_html_()
    assert len(text) < 1000
    assert not re.search(r"\d\.\d", text.replace("1.5em", ""))
    shapes = jax.eval_shape(lambda: model)
    assert shapes._repr_html_() == text
    many = pn.sequential(*(jnp.tanh for _ in range(1000)))
    assert len(many._repr_html_()) < 60_000


@pytest.mark.parametrize(
    "model",
    [
        pn.bind(np.ones((2, 3)), lambda params, x: x),
        pn.bind(pn.Neuron(pn.Box(([[2.0]], [[1.0]]))), lambda params, x: x),
        pn.bind({"a": (1.5, [True]), "b": None}, lambda params, x: x),
        pn.partition(network(), "frozen", ...)[0],
    ],
)
def test_every_model_shows(model):
    assert model.layer.name in Reader(model._repr_html_()).lines[1]
    treescope = pytest.importorskip("treescope")
    assert treescope.render_to_text(model).startswith(model.layer.name)


def test_treescope_shows_the_tree_with_arrays_summarized():
    treescope = pytest.importorskip("treescope")
    text = treescope.render_to_text(network())
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "Sequential("
    assert lines[1] == "['hid<den']=YatDense(epsilon=0.01)("
    assert re.match(r"kernel=.*jax\.Array float32\(3, 4\) ≈", lines[2])
    assert "['act']=relu()," in lines
    assert not any("[[" in line for line in lines)


def test_treescope_leads_to_what_it_shows():
    """The paths that it offers read the parts of the model."""
    treescope = pytest.importorskip("treescope")
    model, seen = network(), {}

    def render(node, path):
        seen[path] = node
        return treescope.rendering_parts.text("")

    model.__treescope_repr__("model", lambda node, path: annotated(treescope, render(node, path)))
    model["norm"].__treescope_repr__(
        "model['norm']", lambda node, path: annotated(treescope, render(node, path))
    )
    assert [*seen][-1] == "model['norm'].variance"
    for path, node in seen.items():
        found = eval(path, {"model": model})
        assert found is node or found is jax.nn.relu or jax.tree.leaves(found) == []


def annotated(treescope, part):
    return treescope.rendering_parts.RenderableAndLineAnnotations(
        renderable=part, annotations=treescope.rendering_parts.empty_part()
    )
