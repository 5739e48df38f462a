"""Cases of the normalisations and of what goes with them."""

import functools

import jax
import numpy as np
import truth_norm
from case import Case

from pyneurons_yat import ops

MASK = np.array([[True, False, True, True], [True, True, True, False], [True, False, True, True]])


def _layer_norm(x, scale, bias, epsilon, **options):
    return ops.layer_norm(x, scale, bias, epsilon=epsilon, **options)


def _rms_norm(x, scale, epsilon, **options):
    return ops.rms_norm(x, scale, epsilon=epsilon, **options)


def _group_norm(x, scale, bias, epsilon, groups=2, **options):
    return ops.group_norm(x, groups, scale, bias, epsilon=epsilon, **options)


def _batch_norm(x, scale, bias, epsilon, **options):
    return ops.batch_norm(x, scale, bias, epsilon=epsilon, **options)


def _given(x, mean, variance, scale, bias, epsilon):
    return ops.batch_norm(x, scale, bias, mean=mean, variance=variance, epsilon=epsilon)


def _moments(x):
    mean, variance = ops.moments(x)
    return (mean + 3 * variance).astype(x.dtype)


def _yat_gate(x, prototype, bias, alpha, epsilon, **options):
    return ops.yat_gate(x, prototype, bias, alpha, epsilon=epsilon, **options)


def _dropout(x):
    return ops.dropout(x, 0.4, key=jax.random.key(0))


def _dropout_truth(x):
    """The decisions of the key, which NumPy cannot know, times what the text says."""
    kept = np.asarray(jax.random.bernoulli(jax.random.key(0), 0.6, np.shape(x)))
    return np.where(kept, x / 0.6, 0)


_EDGES = (((0, 4), (4,), (4,), ()), ((2, 1), (1,), (1,), ()), ((3, 0), (0,), (0,), ()))


def cases():
    """All of them."""
    rows, whole = ((3, 4), (4,), (4,), ()), functools.partial(Case, variant=True)
    yield Case("layer_norm", _layer_norm, truth_norm.layer_norm, rows, _EDGES)
    yield Case("rms_norm", _rms_norm, truth_norm.rms_norm, ((3, 4), (4,), ()))
    yield Case("batch_norm", _batch_norm, truth_norm.batch_norm, rows, (_EDGES[2],))
    images = ((2, 3, 4), (4,), (), ())
    known = functools.partial(truth_norm.group_norm, groups=2)
    yield Case("group_norm", _group_norm, known, images, (((0, 3, 4), (4,), (4,), ()),))
    for name, op in (
        ("layer_norm", _layer_norm),
        ("batch_norm", _batch_norm),
        ("group_norm", _group_norm),
    ):
        options = {"groups": 2} if name == "group_norm" else {}
        masked = functools.partial(op, where=MASK, **options)
        known = functools.partial(getattr(truth_norm, name), where=MASK, **options)
        yield whole(f"{name}-masked", masked, known, rows)
    both = {"axis": (0, -1)}
    yield whole(
        "layer_norm-two-axes",
        functools.partial(_layer_norm, **both),
        functools.partial(truth_norm.layer_norm, **both),
        ((3, 4), (3, 4), (), ()),
    )
    shapes = ((3, 4), (4,), (4,), (4,), (4,), ())
    yield Case("batch_norm-given", _given, truth_norm.batch_norm_given, shapes)
    yield Case("moments", _moments, truth_norm.mean_plus_variance, ((3, 4),))
    gate, edges = ((2, 6), (2, 3), (2,), (), ()), (((0, 2), (2, 1), (2,), (2,), ()),)
    yield Case("yat_gate", _yat_gate, truth_norm.yat_gate, gate, edges)
    mask = {"where": np.arange(6) % 4 != 1}
    masked = functools.partial(_yat_gate, **mask), functools.partial(truth_norm.yat_gate, **mask)
    yield whole("yat_gate-masked", *masked, gate)
    yield Case("dropout", _dropout, _dropout_truth, ((3, 4),), (((0,),),))
