"""optimizer_by_path: an optimizer for each group of leaves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core import Filter, label
from ..core.checks import check_kind
from .recipe import check_optimizer

if TYPE_CHECKING:  # importing optax takes longer than all of this package: only who trains pays
    import optax


def optimizer_by_path(
    optimizers: "Mapping[Filter, optax.GradientTransformation]",
) -> "optax.GradientTransformationExtraArgs":
    """An optimizer for each group of leaves, which paths or patterns tell apart.

    It is `optax.multi_transform` of `label`.

    Args:
        optimizers: From a filter, as for `partition` (a path, a pattern, a role, `...` for the
            rest), to the optimizer of what it takes. A leaf belongs to the first filter that takes
            it. `optax.set_to_zero()` leaves a group where it is; `freeze` saves its gradients too.

    Returns:
        An optax optimizer. Its first step, or `init`, raises ValueError for a model with a leaf
        that no filter takes, or in which a filter takes nothing that trains; the message lists what
        there is.

    Raises:
        TypeError: If optimizers is no mapping, or a value of it no optimizer.
        ValueError: If it is empty.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> parts = {"hidden": pn.YatDense(one, 2, 8), "out": pn.Linear(two, 8, 1)}
        >>> groups = {"hidden": optax.adam(1e-2), "*bias": optax.set_to_zero(), ...: optax.sgd(0.1)}
        >>> optimizer = pn.optimizer_by_path(groups)
        >>> x, y = jnp.ones((4, 2)), jnp.ones((4, 1))
        >>> model, _ = pn.fit(optimizer, pn.sequential(parts), x, y, progress=False)
        >>> model["out"].bias.tolist()
        [0.0]
    """
    import optax

    check_kind("optimizer_by_path", "optimizers", optimizers, Mapping)
    if not optimizers:
        raise ValueError("optimizer_by_path: optimizers must be at least one, got none")
    for optimizer in optimizers.values():
        check_optimizer("optimizer_by_path", optimizer)
    groups = {str(i): one for i, one in enumerate(optimizers)}
    each: dict[Any, Any] = dict(zip(groups, optimizers.values(), strict=True))
    return optax.multi_transform(each, label(groups))
