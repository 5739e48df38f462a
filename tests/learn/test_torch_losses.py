"""Losses and their gradients are those of torch, for every option and reduction."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn

torch = pytest.importorskip("torch")
F = torch.nn.functional

RNG = np.random.default_rng(3)
P, T, U = (2 * RNG.normal(size=(5, 3)) for _ in range(3))
LABELS = np.array([0, 2, 1, 1, 2])
IGNORED = np.array([0, -100, 1, -100, 2])
SHARES = np.abs(T) / np.abs(T).sum(-1, keepdims=True)
CHANCES = RNG.uniform(0.02, 0.98, size=(5, 3))
ANSWERS = (T > 0).astype(float)
SIGNS = np.array([1.0, -1, -1, 1, -1])
CLASS = np.array([0.5, 2.0, 1.25])
EACH = RNG.uniform(0.5, 2.0, size=(5, 3))
LOGS = np.log(SHARES)
REDUCE = {"mean": np.mean, "sum": np.sum, "none": lambda values: values}


class Row(NamedTuple):
    """A loss and what torch computes; both of the same arrays, the first of which have gradients.

    Attributes:
        ours: `ours(*arrays, reduction=...)`.
        theirs: `theirs(*tensors, reduction=...)`.
        arrays: What both are called with.
        differentiable: How many of them have gradients.
    """

    ours: Callable[..., jax.Array]
    theirs: Callable[..., "torch.Tensor"]
    arrays: tuple[np.ndarray, ...]
    differentiable: int = 1


def of(function, *arrays, differentiable=1, theirs, **options):
    """A row of a loss with options, which theirs does not know."""
    return Row(partial(function, **options), theirs, arrays, differentiable)


def reduced(each):
    """Torch's loss of a formula of tensors."""
    return lambda *tensors, reduction: reduce(each(*tensors), reduction)


def reduce(values, reduction):
    return values if reduction == "none" else getattr(values, reduction)()


def weighted(theirs, counts):
    """Torch's loss with our mean beside weights, which is that of the sum over some count."""

    def call(*tensors, reduction):
        if reduction != "mean":
            return theirs(*tensors, reduction=reduction)
        return theirs(*tensors, reduction="sum") / counts

    return call


def last(theirs):
    """Torch's loss of whole vectors: it sums the entries of each."""

    def call(*tensors, reduction):
        return reduce(theirs(*tensors, reduction="none").sum(-1), reduction)

    return call


def tensor(array):
    return torch.tensor(np.asarray(array))


def smooth_l1(p, t, beta, reduction):
    return pn.huber(p, t, delta=beta, reduction=reduction) / beta


def first(function):
    """Torch's loss of classes, which lie along its second axis."""
    return lambda p, t, reduction: function(p.movedim(-1, 1), t, reduction=reduction)


REGRESSION = {
    "mae": of(pn.mae, P, T, theirs=F.l1_loss),
    "mse": of(pn.mse, P, T, theirs=F.mse_loss),
    "huber": of(pn.huber, P, T, theirs=F.huber_loss),
    "huber-0.3": of(pn.huber, P, T, delta=0.3, theirs=partial(F.huber_loss, delta=0.3)),
    "smooth_l1": of(smooth_l1, P, T, beta=0.5, theirs=partial(F.smooth_l1_loss, beta=0.5)),
    "mse-weight": of(
        pn.mse,
        P,
        T,
        weight=EACH,
        theirs=weighted(partial(F.mse_loss, weight=tensor(EACH)), EACH.sum()),
    ),
}

ENTROPY = F.cross_entropy
WEIGHTS = {"class_weight": CLASS}
THEIR_WEIGHTS = {"weight": tensor(CLASS)}
SPATIAL = RNG.normal(size=(2, 4, 3)), np.array([[0, 2, 1, 1], [2, -100, 1, 0]])
CLASSES = {
    "labels": of(pn.cross_entropy, P, LABELS, theirs=ENTROPY),
    "weights": of(pn.cross_entropy, P, LABELS, **WEIGHTS, theirs=partial(ENTROPY, **THEIR_WEIGHTS)),
    "ignored": of(pn.cross_entropy, P, IGNORED, ignore_index=-100, theirs=ENTROPY),
    "ignored-class": of(
        pn.cross_entropy, P, LABELS, ignore_index=2, theirs=partial(ENTROPY, ignore_index=2)
    ),
    "ignored-weights": of(
        pn.cross_entropy,
        P,
        IGNORED,
        ignore_index=-100,
        **WEIGHTS,
        theirs=partial(ENTROPY, **THEIR_WEIGHTS),
    ),
    "smooth": of(
        pn.cross_entropy,
        P,
        LABELS,
        label_smoothing=0.2,
        theirs=partial(ENTROPY, label_smoothing=0.2),
    ),
    "smooth-whole": of(
        pn.cross_entropy, P, LABELS, label_smoothing=1, theirs=partial(ENTROPY, label_smoothing=1.0)
    ),
    "smooth-weights-ignored": of(
        pn.cross_entropy,
        P,
        IGNORED,
        ignore_index=-100,
        label_smoothing=0.2,
        **WEIGHTS,
        theirs=partial(ENTROPY, label_smoothing=0.2, **THEIR_WEIGHTS),
    ),
    "shares": of(pn.cross_entropy, P, SHARES, theirs=ENTROPY),
    "shares-smooth": of(
        pn.cross_entropy,
        P,
        SHARES,
        label_smoothing=0.3,
        theirs=partial(ENTROPY, label_smoothing=0.3),
    ),
    "shares-weights": of(
        pn.cross_entropy,
        P,
        SHARES,
        label_smoothing=0.3,
        **WEIGHTS,
        theirs=weighted(
            partial(ENTROPY, label_smoothing=0.3, **THEIR_WEIGHTS), (SHARES @ CLASS).sum()
        ),
    ),
    "spatial": of(pn.cross_entropy, *SPATIAL, ignore_index=-100, theirs=first(ENTROPY)),
    "chances": of(
        pn.cross_entropy,
        SHARES,
        LABELS,
        from_logits=False,
        theirs=lambda p, t, reduction: F.nll_loss(torch.log(p), t, reduction=reduction),
    ),
    "likelihood": of(pn.negative_log_likelihood, LOGS, LABELS, theirs=F.nll_loss),
    "likelihood-weights": of(
        pn.negative_log_likelihood,
        LOGS,
        LABELS,
        **WEIGHTS,
        theirs=partial(F.nll_loss, **THEIR_WEIGHTS),
    ),
    "likelihood-ignored": of(
        pn.negative_log_likelihood,
        LOGS,
        IGNORED,
        ignore_index=-100,
        **WEIGHTS,
        theirs=partial(F.nll_loss, **THEIR_WEIGHTS),
    ),
}


def focal(p, t, alpha, gamma):
    entropy = F.binary_cross_entropy_with_logits(p, t, reduction="none")
    right = torch.sigmoid(p) * t + (1 - torch.sigmoid(p)) * (1 - t)
    share = 1 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    return share * entropy * (1 - right) ** gamma


def multiclass_hinge(p, t):
    own = p.gather(-1, t[:, None])[:, 0]
    others = p.masked_fill(F.one_hot(t, p.shape[-1]).bool(), -torch.inf).amax(-1)
    return torch.relu(1 + others - own)


LOGITS, OF_CHANCES = F.binary_cross_entropy_with_logits, F.binary_cross_entropy
CERTAIN = np.array([[0.0, 1.0, 0.0], [1.0, 0.5, 1.0]])
BINARY = {
    "logits": of(pn.binary_cross_entropy, P, CHANCES, theirs=LOGITS),
    "logits-pos": of(
        pn.binary_cross_entropy,
        P,
        CHANCES,
        pos_weight=CLASS,
        theirs=partial(LOGITS, pos_weight=tensor(CLASS)),
    ),
    "logits-pos-weight": of(
        pn.binary_cross_entropy,
        P,
        ANSWERS,
        pos_weight=3.0,
        weight=EACH,
        theirs=weighted(
            partial(LOGITS, weight=tensor(EACH), pos_weight=torch.tensor(3.0)), EACH.sum()
        ),
    ),
    "chances": of(pn.binary_cross_entropy, CHANCES, SHARES, from_logits=False, theirs=OF_CHANCES),
    "chances-weight": of(
        pn.binary_cross_entropy,
        CHANCES,
        ANSWERS,
        from_logits=False,
        weight=EACH,
        theirs=weighted(partial(OF_CHANCES, weight=tensor(EACH)), EACH.sum()),
    ),
    "focal": of(pn.focal, P, ANSWERS, theirs=reduced(partial(focal, alpha=None, gamma=2))),
    "focal-0.25": of(
        pn.focal,
        P,
        ANSWERS,
        alpha=0.25,
        gamma=1.5,
        theirs=reduced(partial(focal, alpha=0.25, gamma=1.5)),
    ),
    "hinge": of(pn.hinge, P, np.sign(T), theirs=reduced(lambda p, t: torch.relu(1 - p * t))),
    "multiclass_hinge": of(pn.multiclass_hinge, P, LABELS, theirs=reduced(multiclass_hinge)),
}


def triplet(**options):
    return of(
        pn.triplet,
        P,
        T,
        U,
        differentiable=3,
        theirs=partial(F.triplet_margin_loss, **options),
        **options,
    )


def pairs(**options):
    return of(
        pn.cosine_embedding,
        P,
        T,
        SIGNS,
        differentiable=2,
        theirs=partial(F.cosine_embedding_loss, **options),
        **options,
    )


VECTORS = {
    "kl": of(pn.kl_divergence, P, SHARES, theirs=last(F.kl_div)),
    "kl-logs": of(
        pn.kl_divergence, P, LOGS, log_targets=True, theirs=last(partial(F.kl_div, log_target=True))
    ),
    "similarity": of(
        pn.cosine_similarity, P, T, differentiable=2, theirs=reduced(F.cosine_similarity)
    ),
    "distance": of(
        pn.cosine_distance,
        P,
        T,
        differentiable=2,
        theirs=reduced(lambda p, t: 1 - F.cosine_similarity(p, t)),
    ),
    "pairs": pairs(),
    "pairs-margin": pairs(margin=0.3),
    "pairs-negative-margin": pairs(margin=-0.5),
    "triplet": triplet(),
    "triplet-1": triplet(p=1.0, margin=2.0),
    "triplet-3": triplet(p=3.0, margin=0.5),
    "triplet-swap": triplet(swap=True, margin=3.0),
}

FRAMES = RNG.normal(size=(4, 6, 3))  # examples, frames, classes
SAID = np.array([[1, 2, 1], [1, 1, 2], [2, 2, 2], [2, 1, 0]])  # the last one is short


def ctc(target_lengths, input_lengths, **options):
    """A row of CTC: torch wants frames first, and lengths."""

    def theirs(p, t, reduction):
        lengths = tensor(input_lengths), tensor(target_lengths)
        logs = torch.log_softmax(p, -1).transpose(0, 1)
        return F.ctc_loss(logs, t, *lengths, reduction=reduction, **options)

    def ours(p, t, reduction):
        lengths = {"input_lengths": input_lengths, "target_lengths": target_lengths}
        if reduction != "mean":
            return pn.ctc(p, t, reduction=reduction, **lengths, **options)
        each = pn.ctc(p, t, reduction="none", **lengths, **options)
        return jnp.mean(each / jnp.maximum(target_lengths, 1))

    return Row(ours, theirs, (FRAMES, SAID))


SEQUENCES = {
    "ctc": ctc(np.array([3, 3, 3, 2]), np.array([6, 6, 6, 6])),
    "ctc-lengths": ctc(np.array([2, 1, 0, 2]), np.array([3, 6, 4, 2])),
    "ctc-blank": Row(
        lambda p, t, reduction: pn.ctc(p, t % 2, blank=2, reduction=reduction, target_lengths=TWO),
        lambda p, t, reduction: reduce(
            F.ctc_loss(
                torch.log_softmax(p, -1).transpose(0, 1),
                t % 2,
                torch.full((4,), 6),
                tensor(TWO),
                blank=2,
                reduction="none",
            ),
            reduction,
        ),
        (FRAMES, SAID),
    ),
    "ctc-impossible": ctc(np.array([3, 3, 3, 2]), np.array([6, 3, 4, 1]), zero_infinity=True),
}
TWO = np.array([2, 2, 1, 0])
ROWS = {
    f"{family}-{name}": row
    for family, rows in {
        "regression": REGRESSION,
        "classes": CLASSES,
        "binary": BINARY,
        "vectors": VECTORS,
        "sequences": SEQUENCES,
    }.items()
    for name, row in rows.items()
}


def ours(row, reduction):
    """The value, and the gradients of its sum."""

    def call(*arrays):
        value = row.ours(*arrays, reduction=reduction)
        return value.sum(), value

    argnums = tuple(range(row.differentiable))
    (_, value), gradients = jax.value_and_grad(call, argnums, has_aux=True)(*row.arrays)
    return value, gradients


def theirs(row, reduction):
    tensors = [torch.tensor(array) for array in row.arrays]
    for one in tensors[: row.differentiable]:
        one.requires_grad_()
    value = row.theirs(*tensors, reduction=reduction)
    value.sum().backward()
    return value.detach(), [one.grad for one in tensors[: row.differentiable]]


@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients_are_those_of_torch(name):
    row = ROWS[name]
    found = jax.jit(lambda: {reduction: ours(row, reduction) for reduction in REDUCE})()
    for reduction, (value, gradients) in found.items():
        expected, slopes = theirs(row, reduction)
        np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-12, err_msg=reduction)
        for gradient, slope in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(gradient, slope, rtol=1e-8, atol=1e-10, err_msg=reduction)


LEFT_OUT = "chances", "blank", "impossible"  # no logits, or as the others but slow to compile


@pytest.mark.parametrize("name", [n for n in ROWS if not any(word in n for word in LEFT_OUT)])
def test_numbers_of_ten_thousand_in_float32_are_no_matter(name):
    row = ROWS[name]
    huge = [np.float32(1e4 * array) for array in row.arrays[: row.differentiable]]
    row = row._replace(arrays=(*huge, *row.arrays[row.differentiable :]))
    value, gradients = jax.jit(lambda: ours(row, "none"))()
    wide = row._replace(arrays=tuple(np.asarray(a, a.dtype.kind + "8") for a in row.arrays))
    expected, slopes = theirs(wide, "none")
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-2)
    for gradient, slope in zip(gradients, slopes, strict=True):
        close = 1e-4 * float(abs(slope).max())
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=close)
