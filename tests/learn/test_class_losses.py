"""Losses and accuracies of classes: their weights, and the one class that is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
P, T = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
LABELS = np.array([0, 2, 1, 1, 2])
SHARES = np.abs(T) / np.abs(T).sum(-1, keepdims=True)


def log_softmax(p):
    return p - np.log(np.exp(p).sum(-1, keepdims=True))


@pytest.mark.parametrize("classes", [0, 1])
def test_one_class_is_no_choice_and_the_binary_function_is_named(classes):
    """Else the accuracy is always 1, and the loss and its gradient 0 whatever is predicted."""
    for name in ("cross_entropy", "accuracy"):
        scores = np.ones((4, classes))
        wanted = (
            rf"{name}: predictions must have at least two .* got \(4, {classes}\); .* binary_{name}"
        )
        for targets in (np.ones(4, int), np.ones((4, classes), int)):
            with pytest.raises(ValueError, match=wanted):
                getattr(pn, name)(scores, targets)


def test_binary_accuracy_is_the_share_of_right_answers():
    predictions = RNG.normal(size=(20, 1))
    targets = RNG.integers(0, 2, size=(20, 1))
    right = ((predictions > 0) == targets)[:, 0]
    assert 0 < right.mean() < 1
    for given in (targets, targets.astype(float), np.where(targets == 1, 0.7, 0.2)):
        value = pn.binary_accuracy(predictions, given)
        assert value == right.mean()
        assert value.dtype == jnp.float64
    each = pn.binary_accuracy(predictions, targets, reduction="none")
    assert each[:, 0].tolist() == right.tolist()
    weight = np.arange(20.0)
    np.testing.assert_allclose(
        pn.binary_accuracy(predictions, targets, weight=weight), np.average(right, weights=weight)
    )
    assert (jax.grad(pn.binary_accuracy)(predictions, targets.astype(float)) == 0).all()


# ------------------------------------------------------------------------------------- classes


@pytest.mark.slow
def test_class_weights_are_those_of_torch_also_where_there_are_as_many_examples_as_classes():
    torch = pytest.importorskip("torch")
    weights = np.array([0.5, 2.0, 1.25])
    for rows in (slice(0, 5), slice(0, 3), slice(1, 2)):
        p = torch.tensor(P[rows], requires_grad=True)
        expected = torch.nn.functional.cross_entropy(
            p, torch.tensor(LABELS[rows]), weight=torch.tensor(weights)
        )
        expected.backward()
        value, gradient = jax.value_and_grad(pn.cross_entropy)(
            P[rows], LABELS[rows], class_weight=weights
        )
        np.testing.assert_allclose(value, expected.detach(), rtol=1e-14)
        np.testing.assert_allclose(gradient, p.grad, rtol=1e-12, atol=1e-16)
        one_hot = pn.cross_entropy(P[rows], np.eye(3)[LABELS[rows]], class_weight=weights)
        np.testing.assert_allclose(one_hot, value, rtol=1e-14)


def test_class_weights_and_weights_of_examples_multiply():
    weights, weight = np.array([0.5, 2.0, 0.0]), np.array([1.0, 2, 3, 4, 5])
    both = weights[LABELS] * weight
    rows = {
        pn.cross_entropy: -log_softmax(P)[np.arange(5), LABELS],
        pn.accuracy: (P.argmax(-1) == LABELS).astype(float),
    }
    for function, row in rows.items():
        value = function(P, LABELS, weight=weight, class_weight=weights)
        np.testing.assert_allclose(value, np.average(row, weights=both), rtol=1e-14)
        each = function(P, LABELS, weight=weight, class_weight=weights, reduction="none")
        np.testing.assert_allclose(each, both * row, rtol=1e-14)


def test_class_weights_of_distributions_weigh_what_each_class_costs():
    weights = np.array([0.5, 2.0, 1.25])
    row = -(weights * SHARES * log_softmax(P)).sum(-1)
    value = pn.cross_entropy(P, SHARES, class_weight=weights)
    np.testing.assert_allclose(value, row.sum() / (SHARES @ weights).sum(), rtol=1e-14)


def test_balanced_accuracy_is_the_mean_of_the_recalls():
    labels = np.array([0, 0, 0, 1, 2])
    scores = np.eye(3)[[0, 0, 1, 1, 0]]
    value = pn.accuracy(scores, labels, class_weight=1 / np.bincount(labels))
    np.testing.assert_allclose(value, (2 / 3 + 1 + 0) / 3, rtol=1e-14)


def test_weights_that_could_be_of_classes_or_of_examples_are_refused():
    weight = np.array([1.0, 2.0, 0.5])
    for function in (pn.cross_entropy, pn.accuracy):
        with pytest.raises(ValueError, match="weight must be one per example.* class_weight=1.0"):
            function(P[:3], LABELS[:3], weight=weight)
    row = -log_softmax(P[:3])[np.arange(3), LABELS[:3]]
    value = pn.cross_entropy(P[:3], LABELS[:3], weight=weight, class_weight=1.0)
    np.testing.assert_allclose(value, np.average(row, weights=weight), rtol=1e-14)
    with pytest.raises(ValueError, match=r"class_weight must have one weight per class, \(3,\)"):
        pn.cross_entropy(P, LABELS, class_weight=np.ones(5))


@pytest.mark.parametrize("loss", [pn.cross_entropy, pn.accuracy])
def test_labels_that_a_compiled_function_closes_over_are_checked_and_used(loss):
    scores = jnp.asarray([[2.0, 0.0, 1.0], [0.0, 0.0, 3.0]])
    labels = jnp.asarray([0, 1])
    logs = np.asarray(scores) - np.log(np.exp(np.asarray(scores)).sum(axis=1, keepdims=True))
    wanted = -(logs[0, 0] + logs[1, 1]) / 2 if loss is pn.cross_entropy else 0.5
    np.testing.assert_allclose(jax.jit(lambda z: loss(z, labels))(scores), wanted)
    ones, wrong = jnp.ones(2), labels + 2
    np.testing.assert_allclose(jax.jit(lambda z: loss(z, labels, weight=ones))(scores), wanted)
    with pytest.raises(ValueError, match="from 0 to 2, got 3"):
        jax.jit(lambda z: loss(z, wrong))(scores)
