"""What holds for every loss: what is left out, empty batches, dtypes, vmap, signatures."""

import inspect
import pickle
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from pyneurons_yat.learn import losses

RNG = np.random.default_rng(1)
P, T, U = (RNG.normal(size=(4, 3)) for _ in range(3))
LABELS = np.array([0, 2, 1, 1])
ANSWERS = (T > 0).astype(float)
SHARES = np.abs(T) / np.abs(T).sum(-1, keepdims=True)
FRAMES, SAID = RNG.normal(size=(4, 5, 3)), np.array([[1, 2], [1, 1], [2, 1], [1, 0]])


class Case(NamedTuple):
    """A loss on four examples; it is differentiated in the first of the arrays."""

    loss: Any
    arrays: tuple[np.ndarray, ...]
    options: Any = MappingProxyType({})


TWO = {"target_lengths": np.array([2, 2, 2, 1])}
CASES = {
    "mae": Case(pn.mae, (P, T)),
    "mse": Case(pn.mse, (P, T)),
    "huber": Case(pn.huber, (P, T), {"delta": 0.5}),
    "binary_cross_entropy": Case(pn.binary_cross_entropy, (P, ANSWERS), {"pos_weight": 2.0}),
    "chances": Case(pn.binary_cross_entropy, (SHARES, ANSWERS), {"from_logits": False}),
    "focal": Case(pn.focal, (P, ANSWERS), {"alpha": 0.25}),
    "hinge": Case(pn.hinge, (P, np.sign(T))),
    "cross_entropy": Case(pn.cross_entropy, (P, LABELS), {"label_smoothing": 0.1}),
    "distributions": Case(pn.cross_entropy, (P, SHARES), {"class_weight": np.arange(1.0, 4.0)}),
    "likelihood": Case(pn.negative_log_likelihood, (P, LABELS)),
    "multiclass_hinge": Case(pn.multiclass_hinge, (P, LABELS)),
    "kl_divergence": Case(pn.kl_divergence, (P, SHARES)),
    "cosine_similarity": Case(pn.cosine_similarity, (P, T)),
    "cosine_distance": Case(pn.cosine_distance, (P, T)),
    "cosine_embedding": Case(pn.cosine_embedding, (P, T, np.array([1.0, -1, 1, -1]))),
    "triplet": Case(pn.triplet, (P, T, U), {"margin": 3.0}),
    "ctc": Case(pn.ctc, (FRAMES, SAID), TWO),
}
CLASSES = ["cross_entropy", "likelihood", "multiclass_hinge"]


def test_every_loss_is_in_the_table():
    tried = {case.loss for case in CASES.values()}
    public = {getattr(losses, name) for name in losses.__all__ if hasattr(pn, name)}
    assert public <= tried


def graded(case, first, *, reduction="mean", **options):
    """The value and the gradient of its sum, of other numbers in place of the first array."""

    def call(first):
        value = case.loss(first, *case.arrays[1:], reduction=reduction, **case.options, **options)
        return value.sum(), value

    (_, value), gradient = jax.value_and_grad(call, has_aux=True)(first)
    return value, gradient


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_out_counts_nothing_whatever_it_is(name):
    case, kept = CASES[name], np.array([1.0, 0.0, 2.0, 0.0])
    broken = case.arrays[0].copy()
    broken[1], broken[3, ..., 0] = np.nan, np.inf

    @jax.jit
    def all_ways():
        left_out = {r: graded(case, broken, reduction=r, weight=kept) for r in ("mean", "none")}
        return left_out, graded(case, case.arrays[0], reduction="none"), ignored()

    def ignored():
        nothing = [graded(case, broken, weight=np.zeros(4))]
        if name not in CLASSES:
            return nothing
        labels = np.full(4, -100)
        alone = case._replace(arrays=(broken, labels))
        ignoring = partial(graded, alone, broken, ignore_index=-100)
        return [*nothing, *(ignoring(weight=weight) for weight in (None, kept))]

    left_out, (each, _), nothing = all_ways()
    weights = kept.reshape(4, *[1] * (each.ndim - 1))
    expected = weights * np.asarray(each)
    value, gradient = left_out["none"]
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert np.isfinite(gradient).all()
    assert not np.any(np.asarray(gradient)[[1, 3]])
    counts = kept.sum() * np.asarray(each)[0].size
    if name == "distributions":
        counts = (kept * (SHARES @ case.options["class_weight"])).sum()
    np.testing.assert_allclose(left_out["mean"][0], expected.sum() / counts, rtol=1e-12)
    assert np.isfinite(left_out["mean"][1]).all()
    for value, gradient in nothing:
        assert value == 0
        assert not np.any(gradient)


@pytest.mark.parametrize("name", CASES)
def test_dtypes_empty_batches_and_vmap(name):
    case = CASES[name]
    if name in ("ctc", "cosine_embedding", "triplet"):
        floats = tuple(i for i, a in enumerate(case.arrays) if a.dtype.kind == "f" and a.ndim > 1)
    else:
        floats = tuple(i for i, a in enumerate(case.arrays) if a.dtype.kind == "f")
    options = {k: v for k, v in case.options.items() if k != "target_lengths"}
    loss = partial(case.loss, **options)

    @jax.jit
    def all_ways():
        by_dtype = {}
        for dtype in (jnp.float16, jnp.bfloat16, jnp.float32):
            arrays = [a.astype(dtype) if i in floats else a for i, a in enumerate(case.arrays)]
            by_dtype[np.dtype(dtype).name] = jax.value_and_grad(loss)(*arrays)
        empty = jax.value_and_grad(loss)(*(array[:0] for array in case.arrays))
        each = jax.vmap(loss)(*map(jnp.asarray, case.arrays))
        return by_dtype, empty, each, loss(*case.arrays, reduction="none"), loss(*case.arrays)

    by_dtype, (nothing, slope), mapped, each, mean = all_ways()
    for dtype, (value, gradient) in by_dtype.items():
        assert value.dtype.name == gradient.dtype.name == dtype
        coarse = {"float16": 4e-3, "bfloat16": 4e-2, "float32": 1e-5}[dtype]
        np.testing.assert_allclose(np.float64(value), mean, rtol=coarse, atol=coarse)
    assert nothing == 0
    assert slope.shape == (0, *case.arrays[0].shape[1:])
    assert mean.dtype == jnp.float64
    if name != "distributions":  # whose weights are those of a batch
        each = np.asarray(each).reshape(4, -1).mean(-1)
        np.testing.assert_allclose(mapped, each, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_signatures_tell_all_options_and_none_is_swallowed(name):
    case = CASES[name]
    parameters = inspect.signature(case.loss).parameters
    assert list(parameters)[-2:] == ["weight", "reduction"]
    assert inspect.Parameter.VAR_KEYWORD not in [p.kind for p in parameters.values()]
    assert set(case.options) <= set(parameters)
    assert pickle.loads(pickle.dumps(case.loss)) is case.loss
    given = dict(zip(parameters, case.arrays, strict=False))
    assert jax.eval_shape(lambda: case.loss(**given, **case.options)).shape == ()
    wanted = rf"{case.loss.__name__}: unexpected keyword detla; it takes .*, reduction"
    with pytest.raises(TypeError, match=wanted):
        case.loss(*case.arrays, detla=1)
    with pytest.raises(TypeError, match=rf"{case.loss.__name__}\(\) missing 1 required"):
        case.loss(*case.arrays[:-1])


def test_integers_give_the_default_float():
    whole = np.array([[1, -2, 3], [0, 5, -1]], np.int8)
    far = np.array([[-100, 100]], np.int8)

    @jax.jit
    def values():
        tried = pn.huber, pn.focal, pn.cosine_similarity, pn.kl_divergence
        return pn.huber(far, -far), [loss(whole, np.ones((2, 3), np.uint8)) for loss in tried]

    distance, others = values()
    assert distance == 199.5
    for value in others:
        assert value.dtype == jnp.float64
        assert np.isfinite(value)


# -------------------------------------------------------------------------- at the awkward points


def test_vectors_of_zeros_tiny_and_huge_ones():
    vectors = np.float32([[0, 0], [1e-30, 0], [1e30, 1e30], [3, 4]])
    target = np.tile(np.float32([[1e20, 0]]), (4, 1))
    loss = pn.cosine_similarity
    value = jax.jit(partial(loss, reduction="none"))(vectors, target)
    gradient = jax.jit(jax.grad(partial(loss, reduction="sum")))(vectors, target)
    np.testing.assert_allclose(value, [0, 1, 0.5**0.5, 0.6], rtol=1e-6)
    np.testing.assert_allclose(gradient[0], [1, 0], atol=1e-6)
    assert np.isfinite(gradient).all()


def test_triplets_of_equal_vectors_and_huge_ones():
    same, huge = np.ones((1, 2), np.float32), np.full((1, 2), 1e25, np.float32)
    graded = jax.value_and_grad(partial(pn.triplet, epsilon=0.0), (0, 1, 2))
    value, gradients = jax.jit(graded)(same, same, same)
    assert value == 1
    assert not any(np.any(gradient) for gradient in gradients)
    value, gradients = jax.jit(graded)(same, huge, same)
    np.testing.assert_allclose(value, 2**0.5 * 1e25, rtol=1e-5)
    np.testing.assert_allclose(gradients[1], [[0.5**0.5] * 2], rtol=1e-5)


def test_certain_chances_cost_at_most_a_hundred():
    p, t = np.float32([0, 1, 0, 1, 1e-40, 0.5]), np.float32([1, 0, 0, 1, 1, 1])
    loss = partial(pn.binary_cross_entropy, from_logits=False)
    value, gradient = jax.jit(lambda p: (loss(p, t, reduction="none"), jax.grad(loss)(p, t)))(p)
    np.testing.assert_allclose(np.delete(value, 4), [100, 100, 0, 0, np.log(2)], rtol=1e-6)
    assert 87 < value[4] <= 100
    np.testing.assert_allclose(gradient, [0, 0, 1 / 6, -1 / 6, 0, -2 / 6], rtol=1e-6)
    outside = jax.jit(partial(loss, reduction="none"))
    assert np.isnan(outside(np.array([-0.5, 1.5]), np.array([1.0, 0.0]))).all()
    of_classes = jax.jit(partial(pn.cross_entropy, from_logits=False))
    assert of_classes(np.array([[0.0, 1.0]]), np.array([0])) == 100


def test_divergence_where_shares_are_0():
    logs, shares = np.array([[-np.inf, 0.0]]), np.array([[0.0, 1.0]])
    value, slopes = jax.jit(jax.value_and_grad(pn.kl_divergence, (0, 1)))(logs, shares)
    assert value == 0
    np.testing.assert_allclose(slopes[0], [[0, -1]])
    of_logs = jax.jit(partial(pn.kl_divergence, log_targets=True))
    assert of_logs(logs, np.log(np.array([[0.5, 0.5]]))) == np.inf


def test_targets_that_are_no_signs_are_nan():
    hinge, pairs = (partial(f, reduction="none") for f in (pn.hinge, pn.cosine_embedding))
    ones, vectors, signs = np.ones(2), np.ones((2, 2)), np.array([0.0, 1.0])
    for each in jax.jit(lambda: (hinge(ones, signs), pairs(vectors, vectors, signs)))():
        assert np.isnan(each).tolist() == [True, False]
