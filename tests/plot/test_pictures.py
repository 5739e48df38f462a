"""Pictures show what they were given, read in grey, and refuse what they cannot draw."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat import plot
from pyneurons_yat.learn.history import COLORS, MARKERS

matplotlib = pytest.importorskip("matplotlib", reason="needs the extra `demo`")
Figure = pytest.importorskip("matplotlib.figure").Figure

RNG = np.random.default_rng(0)
RUN = pn.History(
    {"loss": [1.0, 0.5, 0.2], "validation_loss": [1.1, 0.7, 0.6], "seconds": [1.0] * 3}
)
OTHER = pn.History({"loss": [0.9, 0.4, 0.3]})
KERNEL = RNG.normal(size=(6, 5))
COUNTS = np.array([[8, 2, 0], [0, 3, 1], [0, 0, 0]])
GRAM = np.exp(-np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0))))
CLASSES = np.array([2, 0, 1, 0, 2])
SAMPLES = {"ours": np.array([0.5, 0.6, 0.7, 0.9]), "theirs": np.ones(4)}
POINTS = np.array([[-1.0, -1.0], [1.0, 2.0], [0.5, -0.5]])


def axes(*shape):
    return Figure().subplots(*shape)


def colorbar_label(ax):
    return ax.figure.axes[-1].get_ylabel()


# ------------------------------------------------------------------------------- what is drawn


def test_history_draws_each_run_in_a_style_of_its_own():
    ax = plot.history({"a": RUN, "b": OTHER}, log=True, ax=(given := axes()))
    assert ax is given
    drawn = {line.get_label(): line for line in ax.lines}
    assert [*drawn] == ["a, training", "a, validation", "b, training"]
    for label, values in (
        ("a, validation", RUN["validation_loss"]),
        ("b, training", OTHER["loss"]),
    ):
        np.testing.assert_array_equal(drawn[label].get_xydata(), np.c_[[1, 2, 3], values])
    assert [line.get_linestyle() for line in ax.lines] == ["--", "-", "--"]
    assert [line.get_marker() for line in ax.lines] == ["o", "o", "s"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "log")
    assert len(plot.history(OTHER, ax=axes()).lines) == 1


def test_prototypes_are_the_columns_in_their_order():
    ax = plot.prototypes(jnp.asarray(KERNEL), (2, 3), columns=3, ax=axes())
    picture = ax.images[0].get_array().filled(np.nan)
    assert picture.shape == (2 * 4, 3 * 5)
    for index in range(6):
        row, column = divmod(index, 3)
        tile = picture[4 * row + 1 : 4 * row + 3, 5 * column + 1 : 5 * column + 4]
        wanted = KERNEL[:, index].reshape(2, 3) if index < 5 else np.full((2, 3), np.nan)
        np.testing.assert_allclose(tile, wanted)
    low, high = ax.images[0].get_clim()
    assert -low == high == np.abs(KERNEL).max()
    assert colorbar_label(ax) == "weight"


def test_prototypes_that_vote_most_stand_first_in_the_row_of_their_class():
    votes = np.array([[0.0, 9.0], [3.0, 1.0], [1.0, 2.0], [2.0, 0.0], [0.0, 5.0]])
    ax = plot.prototypes(KERNEL, (2, 3), votes=votes, labels=["no", "yes"], columns=2, ax=axes())
    picture = ax.images[0].get_array().filled(np.nan)
    for row, chosen in enumerate([[1, 3], [0, 4]]):
        for column, index in enumerate(chosen):
            tile = picture[4 * row + 1 : 4 * row + 3, 5 * column + 1 : 5 * column + 4]
            np.testing.assert_allclose(tile, KERNEL[:, index].reshape(2, 3))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["no", "yes"]
    np.testing.assert_array_equal(ax.get_yticks(), [1.5, 5.5])  # the middle rows of each strip


@pytest.mark.parametrize(
    "f",
    [
        lambda p: (p[:, 0] > p[:, 1]).astype(int),
        lambda p: p[:, 0] > p[:, 1],
        lambda p: jnp.stack([p[:, 1], p[:, 0]], 1),
        lambda p: p[:, 0] - p[:, 1],
        lambda p: p[:, :1] - p[:, 1:],
    ],
    ids=["classes", "booleans", "scores", "logits", "one logit"],
)
def test_decision_regions_are_the_classes_of_the_grid(f):
    ax = plot.decision_regions(f, limits=((-1, 1), (-2, 3)), resolution=5, ax=axes())
    across, up = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-2, 3, 5))
    np.testing.assert_array_equal(ax.collections[0].get_array(), across > up)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 1), (-2, 3))


def test_decision_regions_have_the_data_on_top():
    ax = plot.decision_regions(
        lambda p: np.zeros(len(p), int), POINTS, CLASSES[:3], labels="abc", resolution=3, ax=axes()
    )
    drawn = {line.get_label(): line for line in ax.lines}
    for one, word in enumerate("abc"):
        np.testing.assert_array_equal(drawn[word].get_xydata(), POINTS[CLASSES[:3] == one])
    assert len({line.get_marker() for line in ax.lines}) == 3
    np.testing.assert_allclose(ax.get_xlim(), (-1.2, 1.2))  # a tenth of 2 on each side
    np.testing.assert_allclose(ax.get_ylim(), (-1.3, 2.3))
    plain = plot.decision_regions(lambda p: p[:, 0], POINTS, resolution=3, ax=axes())
    np.testing.assert_array_equal(plain.lines[0].get_xydata(), POINTS)


@pytest.mark.parametrize("log", [False, True])
def test_the_response_field_is_the_function_on_the_grid(log):
    w = np.array([1.0, -0.5])
    ax = plot.response_field(
        lambda p: pn.yat(p, w[:, None], epsilon=0.5), w, log=log, resolution=9, ax=axes()
    )
    across, up = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9))
    products = across * w[0] + up * w[1]
    wanted = products**2 / ((across - w[0]) ** 2 + (up - w[1]) ** 2 + 0.5)
    mesh, contours = ax.collections[:2]
    np.testing.assert_allclose(mesh.get_array(), wanted, rtol=1e-4, atol=1e-5)
    assert len(contours.levels) > 3
    star = next(line for line in ax.lines if line.get_label() == "w")
    np.testing.assert_array_equal(star.get_xydata(), w[None])
    if log:
        assert mesh.get_clim() == pytest.approx((wanted.max() / 1e4, wanted.max()), rel=1e-4)
    assert colorbar_label(ax) == "response"


def test_a_constant_response_is_drawn_too():
    ax = plot.response_field(lambda p: p[:, 0] * 0, limits=((0, 1), (0, 1)), ax=axes())
    assert not ax.collections[0].get_array().any()
    assert len(ax.collections) == 1  # no contour


def test_attention_maps_are_the_weights_of_each_head():
    weights = RNG.dirichlet(np.ones(3), size=(2, 4))
    given = axes(1, 2)
    drawn = plot.attention_maps(weights, keys=["a", "b", "c"], ax=given)
    assert [*drawn] == [*given]
    for ax, head in zip(drawn, weights, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), head)
        assert ax.images[0].get_clim() == (0, weights.max())
        assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "c"]
        assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "1", "2", "3"]
    alone = plot.attention_maps(weights[0, :3], queries="xyz", ax=(given := axes()))
    assert alone is given
    assert [text.get_text() for text in alone.get_xticklabels()] == ["x", "y", "z"]


def test_confusion_has_counts_and_shares_of_rows():
    ax = plot.confusion(COUNTS, labels=["a", "b", "c"], ax=axes())
    shares = np.array([[80, 20, 0], [0, 75, 25], [0, 0, 0]])
    np.testing.assert_allclose(ax.images[0].get_array(), shares)
    written = [text.get_text().split("\n") for text in ax.texts]
    assert [int(words[0]) for words in written] == COUNTS.ravel().tolist()
    assert [int([*words, "0%"][1][:-1]) for words in written] == shares.ravel().tolist()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "class")
    weighted = plot.confusion(COUNTS / 3, ax=axes())
    assert weighted.texts[0].get_text() == "2.67\n80%"


def test_gram_is_ordered_by_class():
    ax = plot.gram(GRAM, CLASSES, labels=["a", "b", "c"], log=True, ax=axes())
    order = [1, 3, 2, 0, 4]
    np.testing.assert_array_equal(ax.images[0].get_array(), GRAM[np.ix_(order, order)])
    np.testing.assert_array_equal(ax.get_xticks(), [0.5, 2, 3.5])
    assert [line.get_xdata()[0] for line in ax.lines[1::2]] == [1.5, 2.5]
    plain = plot.gram(GRAM, ax=axes())
    np.testing.assert_array_equal(plain.images[0].get_array(), GRAM)
    missing = plot.gram(GRAM, CLASSES * 2, ax=axes())  # no example of classes 1 and 3
    assert [text.get_text() for text in missing.get_xticklabels()] == ["0", "2", "4"]


def test_bars_have_medians_and_quartiles():
    ax = plot.bars(SAMPLES, label="ratio to theirs", highlight=["ours"], ax=axes())
    bars = ax.containers[1]
    assert [bar.get_width() for bar in bars] == pytest.approx([0.65, 1.0])
    (segments,) = (line.get_segments() for line in bars.errorbar.lines[2])
    np.testing.assert_allclose(segments[0][:, 0], [0.575, 0.75])  # NumPy's quartiles, by hand
    assert [bar.get_hatch() for bar in bars] == ["//", None]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ours", "theirs"]
    assert (ax.get_xscale(), ax.get_xlabel()) == ("linear", "ratio to theirs")
    far = {"a": np.array([9.0])}
    assert plot.bars(far, ax=axes()).get_xscale() == "log"
    assert plot.bars({"a": 1 / far["a"]}, ax=axes()).get_xscale() == "log"
    assert plot.bars(far, log=False, ax=axes()).get_xscale() == "linear"


DRAWN = {
    "history": lambda ax: plot.history({"a": RUN, "b": OTHER}, ax=ax),
    "prototypes": lambda ax: plot.prototypes(KERNEL, (2, 3), ax=ax),
    "decision_regions": lambda ax: plot.decision_regions(
        lambda p: p[:, 0], POINTS, CLASSES[:3], resolution=3, ax=ax
    ),
    "response_field": lambda ax: plot.response_field(
        lambda p: p[:, 0], np.ones(2), resolution=3, ax=ax
    ),
    "attention_maps": lambda ax: plot.attention_maps(GRAM, ax=ax),
    "confusion": lambda ax: plot.confusion(COUNTS, ax=ax),
    "gram": lambda ax: plot.gram(GRAM, CLASSES, ax=ax),
    "bars": lambda ax: plot.bars(SAMPLES, ax=ax),
}


def test_every_picture_is_in_the_list():
    assert sorted(DRAWN) == plot.__all__


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_it_makes_axes_of_its_own_labels_them_and_leaves_the_settings(draw):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before, current = matplotlib.rcParams.copy(), pyplot.get_fignums()
    given = axes()
    assert draw(given) is given
    assert pyplot.get_fignums() == current  # a figure of yours does not become pyplot's
    ax = draw(None)
    assert ax.get_xlabel()
    ax.figure.canvas.draw()
    pyplot.close(ax.figure)
    assert matplotlib.rcParams == before


# --------------------------------------------------------------------------------- readability


def luminance(colors):
    """The relative luminance of sRGB colors, as WCAG defines it."""
    rgb = np.asarray(colors, float)[..., :3]
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


@pytest.mark.parametrize(
    "name", ["prototypes", "response_field", "attention_maps", "confusion", "gram"]
)
def test_shades_of_a_map_grow_in_grey(name):
    ax = DRAWN[name](axes())
    map_ = [*ax.images, *ax.collections][0].get_cmap()
    assert (np.diff(luminance(map_(np.linspace(0, 1, 64)))) > 0).all()


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_shades_of_classes_grow_in_grey(classes):
    ax = plot.decision_regions(
        lambda p: np.arange(len(p)) % classes, POINTS, CLASSES[:3] % classes,
        labels=range(classes), limits=((0, 1), (0, 1)), resolution=4, ax=axes(),
    )  # fmt: skip
    regions = luminance(ax.collections[0].get_cmap()(np.arange(classes)))
    data = luminance([line.get_color() for line in ax.lines])
    for shades in (regions, data):
        assert (np.diff(shades) > 0).all()
    assert (np.abs(regions - data)[:-1] > 0.05).all()  # a point is seen on its own region


def test_text_in_confusion_contrasts_with_its_cell():
    ax = plot.confusion(np.array([[50, 50], [45, 55]]), ax=axes())
    cells = luminance(ax.images[0].cmap(ax.images[0].norm(ax.images[0].get_array())))
    texts = [luminance(matplotlib.colors.to_rgb(text.get_color())) for text in ax.texts]
    bright, dark = np.maximum(texts, cells.ravel()), np.minimum(texts, cells.ravel())
    assert ((bright + 0.05) / (dark + 0.05) > 4.5).all()  # WCAG AA


def test_neighbouring_colors_of_runs_differ_in_grey():
    shades = luminance([matplotlib.colors.to_rgb(color) for color in COLORS])
    assert (np.abs(np.diff(shades)) > 0.1).all()
    assert len(set(COLORS)) == 6
    assert len(set(MARKERS)) == 7  # so 42 runs differ in one or the other


# -------------------------------------------------------------------------------------- errors

WRONG = [
    (lambda: plot.history([RUN]), TypeError, "history: runs must be a mapping, got a list; fit"),
    (lambda: plot.history({}), ValueError, "history: runs must hold at least one run, got none"),
    (lambda: plot.history({"a": 1}), TypeError, "history: run 'a' must be a History, got a int"),
    (lambda: plot.history(RUN, "lost"), ValueError, "history: name must be a quantity of run ''"),
    (lambda: plot.history(RUN, log=1), TypeError, "history: log must be True or False, got 1"),
    (lambda: plot.history(RUN, ax=1), TypeError, "history: ax must be Matplotlib axes or None"),
    (lambda: plot.prototypes(KERNEL, (2, 2)), ValueError, r"kernel must have shape (4, 5)"),
    (lambda: plot.prototypes(KERNEL[0], (2, 3)), ValueError, "kernel must have shape (I, O)"),
    (lambda: plot.prototypes(KERNEL, 6), ValueError, "kernel must have shape (36, 5)"),
    (lambda: plot.prototypes(KERNEL, (2, 3), columns=0), ValueError, "columns must be at least 1"),
    (lambda: plot.prototypes(KERNEL, (2, 3), votes=KERNEL), ValueError, "votes must have shape"),
    (lambda: plot.prototypes(KERNEL, (2, 3), labels="ab"), ValueError, "labels must be None"),
    (lambda: plot.decision_regions(1), TypeError, "f must be a function of points (N, 2), got 1"),
    (lambda: plot.decision_regions(len), ValueError, "limits must be given where x is not"),
    (lambda: plot.decision_regions(len, KERNEL), ValueError, "x must have shape (6, 2)"),
    (lambda: plot.decision_regions(len, POINTS, POINTS), TypeError, "y must be integers"),
    (lambda: plot.decision_regions(len, None, CLASSES), ValueError, "x must be given where y is"),
    (lambda: plot.decision_regions(len, POINTS, CLASSES), ValueError, "y must have shape (3,)"),
    (lambda: plot.decision_regions(len, POINTS, -CLASSES[:3]), ValueError, "y must be at least 0"),
    (lambda: plot.decision_regions(lambda p: p[:2], POINTS), ValueError, "f must return shape"),
    (lambda: plot.decision_regions(lambda p: p, POINTS, CLASSES[:3], labels="ab"), ValueError,
     "decision_regions: classes must be from 0 to 1, got 2"),
    (lambda: plot.decision_regions(len, POINTS, resolution=1), ValueError, "resolution must be"),
    (lambda: plot.decision_regions(len, limits=((1, 0), (0, 1))), ValueError, "limits must be (("),
    (lambda: plot.response_field(None), TypeError, "f must be a function of points"),
    (lambda: plot.response_field(len), ValueError, "limits must be given where w is not"),
    (lambda: plot.response_field(len, np.ones(3)), ValueError, "w must have shape (2,)"),
    (lambda: plot.response_field(lambda p: p, np.ones(2)), ValueError, "f must return shape"),
    (lambda: plot.response_field(lambda p: -p[:, 0] ** 2, np.ones(2), log=True), ValueError,
     "f must be above 0 somewhere with log"),
    (lambda: plot.response_field(len, np.ones(2), levels=0), ValueError, "levels must be at least"),
    (lambda: plot.attention_maps(KERNEL[0]), ValueError, "weights must have shape (N, T, S)"),
    (lambda: plot.attention_maps(KERNEL), ValueError, "attention_maps: weights must be at least 0"),
    (lambda: plot.attention_maps(GRAM, queries="ab"), ValueError, "queries must have shape (5,)"),
    (lambda: plot.attention_maps(GRAM, queries=3), TypeError, "queries must be a sequence of"),
    (lambda: plot.attention_maps(GRAM, ax=axes(2)), ValueError, "ax must be 1 axes, got 2"),
    (lambda: plot.confusion(KERNEL), ValueError, "counts must have shape (6, 6), got shape (6, 5)"),
    (lambda: plot.confusion(-COUNTS), ValueError, "counts must be at least 0, got -8.0"),
    (
        lambda: plot.confusion([[1]]),
        TypeError,
        "counts must be an array or a number, got list; convert it with jax.numpy.asarray",
    ),
    (
        lambda: plot.prototypes(pn.Linear(jax.random.key(0), 4, 2), (2, 2)),
        TypeError,
        "kernel must be an array or a number, got Model; pass an array, such as one of its",
    ),
    (lambda: plot.gram(KERNEL), ValueError, "matrix must have shape (6, 6), got shape (6, 5)"),
    (lambda: plot.gram(GRAM * np.nan), ValueError, "gram: matrix must be finite, got nan"),
    (lambda: plot.gram(GRAM, CLASSES[:2]), ValueError, "y must have shape (5,)"),
    (lambda: plot.gram(GRAM, CLASSES, labels="ab"), ValueError, "y must be from 0 to 1, got 2"),
    (lambda: plot.gram(GRAM, labels="ab"), ValueError, "labels must be None without y, got 2"),
    (lambda: plot.gram(-GRAM, log=True), ValueError, "matrix must be at least 0, and somewhere"),
    (lambda: plot.bars([1]), TypeError, "bars: ratios must be a mapping, got a list"),
    (lambda: plot.bars({}), ValueError, "bars: ratios must hold at least one contender, got none"),
    (lambda: plot.bars({"a": np.zeros(2)}), ValueError, "ratios['a'] must be above 0, got 0.0"),
    (lambda: plot.bars({"a": np.ones(0)}), ValueError, "ratios['a'] must have shape (N,), got"),
    (lambda: plot.bars(SAMPLES, highlight=["x"]), ValueError, "highlight must name what is in"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), WRONG, ids=[m for *_, m in WRONG])
def test_what_cannot_be_drawn_is_refused(call, kind, message):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    with pytest.raises(kind, match=re.escape(message)):
        call()
    assert pyplot.get_fignums() == before  # and no empty figure is left behind


def test_arrays_of_jax_in_any_dtype_are_drawn():
    ax = plot.gram(jnp.asarray(GRAM, jnp.bfloat16), jnp.asarray(CLASSES), ax=axes())
    assert ax.images[0].get_array().shape == (5, 5)
    model = pn.YatDense(jax.random.key(0), 2, 3)
    assert plot.decision_regions(jax.jit(model), POINTS, resolution=3, ax=axes()).collections
