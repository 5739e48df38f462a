"""What losses and metrics refuse: shapes that do not fit, what is no real number, wrong options."""

import numpy as np
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
P, T = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
LABELS = np.array([0, 2, 1, 1, 2])
ALL = ["mae", "mse", "cross_entropy", "binary_cross_entropy", "accuracy", "binary_accuracy"]


@pytest.mark.parametrize(
    ("shape", "other"), [((3,), (3, 1)), ((3, 1), (3,)), ((3,), ()), ((2, 3), (3,)), ((1,), (3,))]
)
def test_nothing_is_broadcast(shape, other):
    for function in (pn.mae, pn.mse, pn.binary_cross_entropy):
        with pytest.raises(ValueError, match=r"same shape, got.*; reshape"):
            function(np.ones(shape), np.ones(other))


@pytest.mark.parametrize(
    ("shape", "other"), [((3, 2), (3, 1)), ((3, 2), (2,)), ((3, 2), ()), ((), ()), ((3,), (3, 2))]
)
def test_classes_are_not_broadcast(shape, other):
    for function in (pn.cross_entropy, pn.accuracy):
        with pytest.raises(ValueError, match=r"predictions must be \(\*B, C\) and targets"):
            function(np.ones(shape), np.ones(other, int))


def test_labels_must_be_integers():
    for function in (pn.cross_entropy, pn.accuracy):
        with pytest.raises(TypeError, match="integer labels, got float64"):
            function(P, LABELS.astype(float))


@pytest.mark.parametrize("name", ALL)
def test_only_real_numbers(name):
    function = getattr(pn, name)
    with pytest.raises(TypeError, match=f"{name}: predictions .* got dtype complex128"):
        function(P + 0j, T)
    with pytest.raises(TypeError, match=f"{name}: targets .* got dtype bool"):
        function(P, T > 0)
    with pytest.raises(TypeError, match=f"{name}: weight .* got dtype bool"):
        function(P, T, weight=LABELS > 0)
    with pytest.raises(TypeError, match=f"{name}: predictions must be an array .* got dict"):
        function({"a": P}, T)
    with pytest.raises(TypeError, match=f"{name}: targets must be an array .* got NoneType"):
        function(P, None)


@pytest.mark.parametrize("name", ALL)
def test_wrong_weights_and_reductions(name):
    function = getattr(pn, name)
    for shape in [(3,), (5, 1), (1,), (5, 3, 1)]:
        with pytest.raises(ValueError, match=f"{name}: weight must have the shape"):
            function(P, T, weight=np.ones(shape))
    with pytest.raises(ValueError, match=f"{name}: reduction must be one of mean, sum, none"):
        function(P, T, reduction="average")
