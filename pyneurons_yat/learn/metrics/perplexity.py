"""Between how many classes a model wavers."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..losses import cross_entropy
from ..measures import adding_up, quotient


def perplexity(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    from_logits: bool = True,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
) -> jax.Array:
    """Perplexity: exp of the mean cross entropy, the number of classes that a model wavers between.

    It is 1 for a model that is right and sure, C for one that does not know.

    Letters: *B any batch axes, C classes.

    Args:
        predictions: Logits, (*B, C), as for `cross_entropy`.
        targets: Labels, integers (*B,), or distributions over the classes, (*B, C).
        from_logits: As for `cross_entropy`.
        weight: As for `cross_entropy`.
        ignore_index: As for `cross_entropy`.

    Returns:
        A scalar of at least 1, of at least float32.

    Gradient:
        Itself times that of `cross_entropy`.

    Raises:
        TypeError: As for `cross_entropy`.
        ValueError: As for `cross_entropy`.

    Example:
        >>> import jax.numpy as jnp, pyneurons_yat as pn
        >>> round(float(pn.perplexity(jnp.zeros((2, 3, 8)), jnp.zeros((2, 3), int))), 4)
        8.0
    """
    options = {"from_logits": from_logits, "weight": weight, "ignore_index": ignore_index}
    return _of_sums(_summed(predictions, targets, **options))


def _summed(predictions: Any, targets: Any, *, weight: Any = None, **options: Any) -> Any:
    """The sum of the cross entropies and that of their weights, which are of examples only."""
    of_class = {} if weight is None else {"class_weight": 1.0}
    return cross_entropy.sums.summed(predictions, targets, weight=weight, **of_class, **options)


def _of_sums(sums: Any, **_: Any) -> jax.Array:
    return jnp.exp(quotient(*sums))


adding_up(perplexity, _summed, _of_sums)
