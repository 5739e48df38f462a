"""Metrics are those of scikit-learn, of all examples at once and over batches."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

sklearn = pytest.importorskip("sklearn.metrics")

RNG = np.random.default_rng(5)
SCORES = np.round(RNG.normal(size=(40, 4)), 1)  # with ties
LABELS = RNG.integers(0, 4, size=40)
WEIGHT = RNG.uniform(0.1, 3.0, size=40)
LOGITS, ANSWERS = SCORES[:, 0], RNG.integers(0, 2, size=40)
SAID, YES = SCORES.argmax(-1), (LOGITS > 0).astype(int)
FEW = np.where(SCORES.argmax(-1) == 3, 0, SCORES.argmax(-1))  # class 3 is never said nor true
AVERAGES = ["macro", "micro", "weighted", None]
COUNTED = {
    pn.precision: sklearn.precision_score,
    pn.recall: sklearn.recall_score,
    pn.f1: sklearn.f1_score,
}


def jitted(function, *args, **options):
    return jax.jit(partial(function, **options))(*args)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("function", COUNTED, ids=lambda f: f.__name__)
def test_precision_recall_and_f1(function, weight):
    def ours():
        answers = function(LOGITS, ANSWERS, weight=weight)
        options = [{"average": average, "weight": weight} for average in AVERAGES]
        classes = [function(SCORES, LABELS, **each) for each in options]
        some = [function(np.eye(4)[FEW], LABELS % 3, **each) for each in options[:3]]
        return answers, classes, some

    answers, classes, some = jax.jit(ours)()
    theirs = partial(COUNTED[function], sample_weight=weight, zero_division=0)
    np.testing.assert_allclose(answers, theirs(ANSWERS, YES), rtol=1e-12)
    for average, value in zip(AVERAGES, classes, strict=True):
        np.testing.assert_allclose(value, theirs(LABELS, SAID, average=average), rtol=1e-12)
    for average, value in zip(AVERAGES, some, strict=False):
        np.testing.assert_allclose(value, theirs(LABELS % 3, FEW, average=average), rtol=1e-12)


def test_confusion_matrices():
    for weight in (None, WEIGHT):
        found = jitted(pn.confusion_matrix, SCORES, LABELS, weight=weight)
        expected = sklearn.confusion_matrix(LABELS, SAID, sample_weight=weight)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        found = jitted(pn.binary_confusion_matrix, LOGITS, ANSWERS, weight=weight)
        expected = sklearn.confusion_matrix(ANSWERS, YES, sample_weight=weight)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert jitted(pn.confusion_matrix, SCORES, LABELS).dtype == int
    some = LABELS != 2
    ignored = jitted(pn.confusion_matrix, SCORES, LABELS, ignore_index=2)
    labels = range(4)
    expected = sklearn.confusion_matrix(LABELS[some], SAID[some], labels=labels)
    np.testing.assert_array_equal(ignored, expected)
    one_hot = jitted(pn.confusion_matrix, SCORES, np.eye(4)[LABELS])
    np.testing.assert_array_equal(one_hot, sklearn.confusion_matrix(LABELS, SAID))
    wrong = jitted(pn.confusion_matrix, SCORES, jnp.where(some, LABELS, 9))
    np.testing.assert_array_equal(wrong, expected)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_area_under_the_curve_with_ties(weight):
    value = jitted(pn.roc_auc, LOGITS, ANSWERS, weight=weight)
    expected = sklearn.roc_auc_score(ANSWERS, LOGITS, sample_weight=weight)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    shares = np.asarray(jax.nn.softmax(np.round(SCORES), axis=-1))
    ways = "macro", "weighted", None
    areas = partial(pn.roc_auc, shares, LABELS, weight=weight)
    values = jax.jit(lambda: [areas(average=average) for average in ways])()
    for average, value in zip(ways, values, strict=True):
        expected = [
            sklearn.roc_auc_score(c == LABELS, shares[:, c], sample_weight=weight) for c in range(4)
        ]
        weights = np.bincount(LABELS, weights=weight)
        if average is not None:
            expected = np.average(expected, weights=weights if average == "weighted" else None)
            theirs = partial(sklearn.roc_auc_score, multi_class="ovr", average=average)
            if weight is None:
                np.testing.assert_allclose(expected, theirs(LABELS, shares), rtol=1e-9)
        np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_the_area_of_one_class_alone_and_of_a_score_that_is_nan_is_nan():
    area = jax.jit(pn.roc_auc)
    assert np.isnan(area(LOGITS, np.ones(40)))
    assert np.isnan(area(LOGITS, np.zeros(40)))
    assert np.isnan(area(np.where(np.arange(40) == 3, np.nan, LOGITS), ANSWERS))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_explained_variance(weight):
    targets = SCORES + RNG.normal(size=SCORES.shape)
    targets[:, 2], exact = 0.0, SCORES.copy()  # an output without variance
    exact[:, 2] = 0.0
    ways = "uniform_average", "variance_weighted", "raw_values"
    ours, theirs = partial(pn.r2, weight=weight), partial(sklearn.r2_score, sample_weight=weight)
    for predictions in (SCORES, exact):
        values = jax.jit(lambda p: {way: ours(p, targets, multioutput=way) for way in ways})
        for way, value in values(predictions).items():
            expected = theirs(targets, predictions, multioutput=way)
            np.testing.assert_allclose(value, expected, rtol=1e-9)
    value = jitted(pn.r2, LOGITS, targets[:, 0], weight=weight)
    expected = sklearn.r2_score(targets[:, 0], LOGITS, sample_weight=weight)
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    equal, r2 = np.full(7, 0.1), jax.jit(pn.r2)  # whose mean is rounded
    assert [float(r2(p, equal)) for p in (equal, 2 * equal)] == [1, 0]
    assert np.isnan(r2(np.ones(1), np.ones(1)))


def test_large_numbers_have_the_variance_that_they_have():
    targets = np.float32(1e5) + np.arange(8, dtype=np.float32)
    value = jitted(pn.r2, targets + np.float32(0.5), targets)
    np.testing.assert_allclose(value, 1 - 8 * 0.25 / 42, rtol=1e-5)


def test_top_k_accuracy():
    different = RNG.permuted(np.tile(np.arange(4.0), (40, 1)), axis=1)
    for k in (1, 2, 3):
        expected = sklearn.top_k_accuracy_score(LABELS, different, k=k, labels=range(4))
        value = jitted(pn.top_k_accuracy, different, LABELS, k=k)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert jitted(pn.top_k_accuracy, SCORES, LABELS, k=4) == 1
    tied = np.round(SCORES)
    value = jitted(pn.top_k_accuracy, tied, LABELS, k=1)
    np.testing.assert_allclose(value, (tied.argmax(-1) == LABELS).mean(), rtol=1e-12)


def test_perplexity_is_the_exponential_of_the_mean_entropy():
    logs = SCORES - np.log(np.exp(SCORES).sum(-1, keepdims=True))
    rows = -logs[np.arange(40), LABELS]
    np.testing.assert_allclose(jitted(pn.perplexity, SCORES, LABELS), np.exp(rows.mean()))
    value = jitted(pn.perplexity, SCORES, LABELS, weight=WEIGHT)
    np.testing.assert_allclose(value, np.exp(np.average(rows, weights=WEIGHT)))
    value = jitted(pn.perplexity, np.exp(logs), LABELS, ignore_index=1, from_logits=False)
    np.testing.assert_allclose(value, np.exp(rows[LABELS != 1].mean()))


# ------------------------------------------------------------------------------- over batches


def summed_error(predictions, targets, *, reduction):
    return pn.mae(predictions.sum(-1), targets, reduction=reduction)


@pytest.mark.slow
def test_over_batches_metrics_are_those_of_all_examples(monkeypatch):
    """Also where what they are made of does not find room in one table."""
    monkeypatch.setattr("pyneurons_yat.learn.epochs.ROOM", 1000)
    labels = np.where(np.arange(40) < 15, 3, LABELS)  # so that batches differ
    metrics = [
        partial(pn.f1, average="macro"),
        partial(pn.precision, average="weighted"),
        partial(pn.top_k_accuracy, k=2),
        partial(pn.cross_entropy, ignore_index=3),
        pn.perplexity,
        partial(pn.roc_auc, average="macro"),
        partial(summed_error, reduction="sum"),
    ]
    model, x = pn.Linear(jax.random.key(0), 4, 4), SCORES.astype(np.float32)

    whole = jax.jit(lambda p: [metric(p, labels) for metric in metrics])(model(x))
    names = ["f1", "precision", "top_k_accuracy", "cross_entropy", "perplexity", "roc_auc"]
    expected = dict(zip([*names, "summed_error"], whole, strict=True))
    options = {"loss": pn.cross_entropy, "metrics": metrics}
    batches = [(x[i : i + 9], labels[i : i + 9]) for i in range(0, 40, 9)]
    reports = [
        pn.evaluate(model, x, labels, batch_size=7, **options | {"metrics": metrics[:5]}),
        pn.evaluate(model, batches, **options),
    ]
    assert [len(report) for report in reports] == [6, 8]
    for report in reports:
        for name in list(report)[1:]:
            np.testing.assert_allclose(report[name], expected[name], rtol=1e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
def test_in_training_sums_are_those_of_the_epoch(accumulate):
    """A learning rate of 0 leaves the model as it is, so the epoch is one evaluation."""
    model = pn.Linear(jax.random.key(0), 4, 1)
    x, y = SCORES[:36].astype(np.float32), ANSWERS[:36, None]
    metrics = [pn.f1, partial(pn.recall, weight=jnp.float32(2.0)), pn.binary_accuracy]
    options = {"loss": pn.binary_cross_entropy, "metrics": metrics, "batch_size": 9}
    training = {"epochs": 2, "progress": False, "accumulate": accumulate, "validation": (x, y)}
    _, history = pn.fit(optax.sgd(0.0), model, x, y, **options, **training)
    said = np.asarray(model(x) > 0)
    expected = {
        "f1": sklearn.f1_score(y, said),
        "recall": sklearn.recall_score(y, said),
        "binary_accuracy": sklearn.accuracy_score(y, said),
    }
    for name, value in expected.items():
        found = [*history[name], *history[f"validation_{name}"]]
        np.testing.assert_allclose(found, [value] * 4, rtol=1e-6, err_msg=name)
    step = pn.train_step(pn.binary_cross_entropy, optax.sgd(0.0), metrics=metrics)
    _, numbers = step(pn.TrainState.create(model, optax.sgd(0.0)), (x, y))
    for name, value in expected.items():
        np.testing.assert_allclose(numbers[name], value, rtol=1e-6, err_msg=name)


def test_a_metric_of_every_class_is_refused_in_a_report():
    model = pn.Linear(jax.random.key(0), 4, 4)
    metrics = [partial(pn.f1, average=None)]
    with pytest.raises(ValueError, match="the metric f1 must be a scalar"):
        pn.evaluate(model, SCORES, LABELS, loss=pn.cross_entropy, metrics=metrics)


def test_what_metrics_refuse():
    for function in (pn.precision, pn.recall, pn.f1, pn.roc_auc):
        name = function.__name__
        with pytest.raises(ValueError, match=f"{name}: average must be 'binary' or"):
            function(SCORES, LABELS, average="mean")
        with pytest.raises(ValueError, match=f"{name}: ignore_index .* average='binary', got 1;"):
            function(LOGITS, ANSWERS, ignore_index=1)
        with pytest.raises(ValueError, match=f"{name}: .* same shape, got .*; .* such as 'macro'"):
            function(SCORES, LABELS)
        with pytest.raises(ValueError, match=f"{name}: targets must be labels from 0 to 3, got 9"):
            function(SCORES, np.full(40, 9), average="macro")
        with pytest.raises(ValueError, match=f"{name}: weight must have the shape"):
            function(LOGITS, ANSWERS, weight=np.ones(3))
    with pytest.raises(ValueError, match="same shape, got .*; for .* use confusion_matrix"):
        pn.binary_confusion_matrix(SCORES, LABELS)
    with pytest.raises(ValueError, match="same shape, got .*; reshape one"):
        pn.f1(SCORES, SCORES[:3])
    with pytest.raises(ValueError, match="r2: multioutput must be 'uniform_average' or"):
        pn.r2(SCORES, SCORES, multioutput="mean")
    with pytest.raises(ValueError, match="top_k_accuracy: k must be at most 4, the classes, got 5"):
        pn.top_k_accuracy(SCORES, LABELS)
    with pytest.raises(ValueError, match="at least two .* or binary_confusion_matrix, of targets"):
        pn.confusion_matrix(LOGITS[:, None], ANSWERS)
