"""What losses and metrics refuse: shapes that do not fit, what is no real number, wrong options."""

import functools

import jax
import numpy as np
import pytest

import pyneurons_yat as pn

RNG = np.random.default_rng(0)
P, T = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
LABELS, SIGNS = np.array([0, 2, 1, 1, 2]), np.sign(T)
ENTRIES = ["mae", "mse", "huber", "binary_cross_entropy", "focal", "hinge", "binary_accuracy"]
VECTORS = ["kl_divergence", "cosine_similarity", "cosine_distance"]
CLASSES = ["cross_entropy", "negative_log_likelihood", "multiclass_hinge", "accuracy"]
ALL = [*ENTRIES, *VECTORS, *CLASSES]


@pytest.mark.parametrize(
    ("shape", "other"), [((3,), (3, 1)), ((3, 1), (3,)), ((3,), ()), ((2, 3), (3,)), ((1,), (3,))]
)
def test_nothing_is_broadcast(shape, other):
    for name in (*ENTRIES, *VECTORS):
        with pytest.raises(ValueError, match=rf"{name}: .* same shape, got.*; reshape"):
            getattr(pn, name)(np.ones(shape), np.ones(other))


@pytest.mark.parametrize(
    ("shape", "other"), [((3, 2), (3, 1)), ((3, 2), (2,)), ((3, 2), ()), ((), ()), ((3,), (3, 2))]
)
def test_classes_are_not_broadcast(shape, other):
    for name in CLASSES:
        wanted = rf"{name}: predictions must be \(\*B, C\) and targets"
        with pytest.raises(ValueError, match=wanted):
            getattr(pn, name)(np.ones(shape), np.ones(other, int))


def test_labels_must_be_integers():
    for name in CLASSES:
        with pytest.raises(TypeError, match=f"{name}: .* integer labels, got float64"):
            getattr(pn, name)(P, LABELS.astype(float))


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


def test_a_label_to_be_ignored_is_no_label_that_is_wrong():
    labels = np.where(LABELS == 1, -100, LABELS)
    for name in CLASSES:
        function = getattr(pn, name)
        assert np.isfinite(function(P, labels, ignore_index=-100))
        with pytest.raises(ValueError, match="must be labels from 0 to 2, got -100; a weight of 0"):
            function(P, labels)
        with pytest.raises(ValueError, match="ignore_index must be left out beside distributions"):
            function(P, np.abs(T), ignore_index=1)
        with pytest.raises(ValueError, match=r"class_weight must have .* \(3,\), or be one"):
            function(P, LABELS, class_weight=np.ones(5))


def test_vectors_must_be_there():
    for name in VECTORS:
        for shape in ((), (3, 0)):
            with pytest.raises(ValueError, match=rf"{name}: .* must be vectors \(\*B, D\)"):
                getattr(pn, name)(np.ones(shape), np.ones(shape))
    with pytest.raises(ValueError, match="anchor, positive and negative must have the same shape"):
        pn.triplet(P, T, T[:3])
    with pytest.raises(ValueError, match=r"targets must have one number per pair, shape \(5,\)"):
        pn.cosine_embedding(P, T, T)
    with pytest.raises(ValueError, match="triplet: reduction must be one of mean, sum, none"):
        pn.triplet(P, T, T, reduction="average")
    with pytest.raises(ValueError, match="triplet: weight must have the shape"):
        pn.triplet(P, T, T, weight=np.ones((5, 3)))


def test_pos_weight_must_fit_the_last_axis():
    for weight in (np.ones(5), np.ones((5, 1, 3))):
        with pytest.raises(ValueError, match="binary_cross_entropy: pos_weight must have shape"):
            pn.binary_cross_entropy(P, SIGNS, pos_weight=weight)
    with pytest.raises(ValueError, match=r"focal: alpha must have shape \(\), got"):
        pn.focal(P, SIGNS, alpha=np.ones(3) / 2)


def test_sequences_must_fit():
    frames, said = np.ones((2, 4, 3)), np.array([[1, 2], [2, 1]])
    for shape, other in (((4, 3), (2, 2)), ((2, 4, 3), (2,)), ((3, 4, 3), (2, 2))):
        with pytest.raises(ValueError, match=r"ctc: predictions must be \(\*B, T, C\) and targets"):
            pn.ctc(np.ones(shape), np.ones(other, int))
    for shape in ((2, 0, 3), (2, 4, 1)):
        with pytest.raises(ValueError, match="ctc: predictions must have at least one frame and"):
            pn.ctc(np.ones(shape), said)
    for wrong in (3, -1, 0):
        with pytest.raises(ValueError, match=rf"0 to 2 and not the blank 0, got {wrong}; a weight"):
            pn.ctc(frames, np.array([[1, wrong], [2, 1]]))
    inside = jax.jit(functools.partial(pn.ctc, reduction="none"))(
        frames, np.array([[1, 0], [2, 1]])
    )
    assert np.isnan(inside).tolist() == [True, False]
    with pytest.raises(TypeError, match="ctc: targets must be integer labels, got float64"):
        pn.ctc(frames, said.astype(float))
    for name in ("input_lengths", "target_lengths"):
        with pytest.raises(ValueError, match=f"ctc: {name} must be from 0 to"):
            pn.ctc(frames, said, **{name: np.array([1, 5])})
        with pytest.raises(ValueError, match=rf"ctc: {name} must have shape \(2,\), got shape"):
            pn.ctc(frames, said, **{name: np.ones(3, int)})
        with pytest.raises(TypeError, match=f"ctc: {name} must be integers, got dtype float64"):
            pn.ctc(frames, said, **{name: np.ones(2)})
