"""Losses of sequences whose labels have no known places."""

from typing import Unpack

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ...ops.checks import check_flag, check_index, check_sizes, check_whole
from ..measures import Errors, Reduction, are_known, computable, labels, real, reducing, weighed

LOWEST = -1e30
"""What stands for the logarithm of 0: far below that of any path, in float32 too."""


@reducing
def ctc(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    input_lengths: ArrayLike | None = None,
    target_lengths: ArrayLike | None = None,
    blank: int = 0,
    zero_infinity: bool = False,
    weight: ArrayLike | None = None,
    **shared: Unpack[Reduction],
) -> Errors:
    """Connectionist temporal classification: labels in order, at frames that nobody knows.

    A frame says a class or nothing, the blank. A path is what all frames of a sequence say, and it
    means the labels that are left when repetitions are one and blanks are none:

        mean -log sum_(paths that mean the targets) prod_t softmax(predictions_t)[path_t]

    It is `CTCLoss` of torch, but for the axes, batch first, and for two things. Predictions are
    logits; log probabilities are logits too. The mean is that over the sequences; torch divides the
    loss of each by its number of labels first: `jnp.mean(ctc(..., reduction="none") / lengths)`.

    Letters: *B any batch axes, T frames, C classes with the blank, N labels.

    Args:
        predictions: Logits, (*B, T, C), of at least one frame.
        targets: Labels, integers (*B, N) in [0, C), none of them the blank. What stands beyond
            the length of a sequence does not count.
        input_lengths: Number of frames of each sequence, (*B,), from 0 to T; all by default.
        target_lengths: Number of labels of each sequence, (*B,), from 0 to N; all by default.
        blank: The class that says nothing.
        zero_infinity: Whether a sequence too short for its labels costs 0 in place of infinity.
        weight: One per sequence, (*B,) or a leading part of it; as for `mae`.
        reduction: As for `mae`; `"none"` gives (*B,).

    Returns:
        A scalar, or (*B,). Infinity for a sequence of fewer frames than labels and repetitions
        need. NaN inside `jax.jit` for a label that counts and is none.

    Gradient:
        softmax(predictions) minus the probability that a frame says a class, given the targets.
        0 for a sequence whose loss is infinite, and for frames beyond its length.

    Raises:
        TypeError: If predictions are not real, labels or lengths no integers, or zero_infinity no
            flag.
        ValueError: As for `mae`, or if shapes do not fit. If a label or length is out of range, or
            a label is the blank, where that is known.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> logits = jnp.zeros((1, 3, 2))  # of 8 paths 6 mean one label: all but 000 and 101
        >>> round(float(pn.ctc(logits, jnp.array([[1]]))), 4), round(float(jnp.log(8 / 6)), 4)
        (0.2877, 0.2877)

    Source:
        Graves et al., "Connectionist temporal classification", 2006.
    """
    check_flag("ctc", zero_infinity=zero_infinity)
    predictions, targets = real("ctc", "predictions", predictions), real("ctc", "targets", targets)
    (*batch, frames, classes), count = _checked_shapes(predictions, targets)
    check_sizes("ctc", least=0, blank=blank)
    check_index("ctc", "blank", blank, 0, classes - 1)
    lengths = _lengths("input_lengths", input_lengths, batch, frames)
    counts = _lengths("target_lengths", target_lengths, batch, count)
    filler = 0 if blank else 1  # beyond the end of a sequence
    spoken = jnp.where(_before(counts, count), targets, filler)
    spoken = labels("ctc", spoken, classes, weight, blank=blank)
    (scores,), dtype = computable(predictions)

    def error(*arrays: jax.Array) -> jax.Array:
        losses = _losses(*arrays, blank=blank)
        return jnp.where(jnp.isinf(losses), 0, losses) if zero_infinity else losses

    arrays = scores, spoken, lengths, counts
    return weighed("ctc", error, arrays, dtype, weight=weight)


def _checked_shapes(predictions: jax.Array, targets: jax.Array) -> tuple[tuple[int, ...], int]:
    """The shape of the predictions, and the number of labels."""
    shape, other = predictions.shape, targets.shape
    if len(shape) < 2 or len(other) != len(shape) - 1 or other[:-1] != shape[:-2]:
        raise ValueError(
            f"ctc: predictions must be (*B, T, C) and targets (*B, N), got {shape} and {other}"
        )
    if shape[-2] < 1 or shape[-1] < 2:
        raise ValueError(
            "ctc: predictions must have at least one frame and two classes, with the blank, got "
            f"{shape}"
        )
    return shape, other[-1]


def _lengths(name: str, lengths: ArrayLike | None, batch: list[int], most: int) -> jax.Array:
    """Lengths of sequences, within range."""
    if lengths is None:
        return jnp.full(batch, most)
    check_whole("ctc", name, lengths, tuple(batch))
    check_index("ctc", name, lengths, 0, most)
    return jnp.clip(jnp.asarray(lengths), 0, most).astype(int)


def _before(lengths: jax.Array, size: int) -> jax.Array:
    """Which of so many places lie before the end of each sequence."""
    places = jax.lax.broadcasted_iota(lengths.dtype, (*lengths.shape, size), lengths.ndim)
    return places < lengths[..., None]


def _losses(
    scores: jax.Array, spoken: jax.Array, lengths: jax.Array, counts: jax.Array, *, blank: int
) -> jax.Array:
    """Minus the log probability of every sequence of labels."""
    import optax

    *batch, frames, classes = scores.shape
    spoken = jnp.pad(spoken, [(0, 0)] * len(batch) + [(0, 1)])  # there may be no label
    within = _before(counts, spoken.shape[-1])
    repeated = (spoken[..., 1:] == spoken[..., :-1]) & within[..., 1:]
    short = lengths < counts + jnp.sum(repeated, axis=-1)
    wrong = jnp.any(within & (~are_known(spoken, classes) | (spoken == blank)), axis=-1)
    scores = jnp.where((short | wrong)[..., None, None], 0, jnp.maximum(scores, LOWEST))
    over = (~_before(lengths, frames)).astype(scores.dtype)
    beyond = (~within).astype(scores.dtype)
    flat = (x.reshape(-1, *x.shape[len(batch) :]) for x in (scores, over, spoken, beyond))
    with jax.default_matmul_precision("highest"):  # it picks the classes by a product with 0 and 1
        losses = optax.ctc_loss(*flat, blank_id=blank, log_epsilon=LOWEST).reshape(batch)
    return jnp.where(wrong, jnp.nan, jnp.where(short, jnp.inf, losses))
