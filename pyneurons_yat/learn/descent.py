"""The optimizer's part of a step, for every optimizer of optax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..core.leaves import strong as firm


class WithSlow(NamedTuple):
    """The state of `optax.lookahead`, which pairs what trains with slow parameters.

    Attributes:
        state: The optimizer's own state.
        slow: The slow parameters; the model holds the fast ones.
    """

    state: Any
    slow: Any


def start(optimizer: Any, params: Any) -> Any:
    """The optimizer's state for what trains."""
    import optax

    state = optimizer.init(params)
    nodes = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, optax.LookaheadState))
    paired = any(isinstance(node, optax.LookaheadState) for node in nodes)
    return strong(WithSlow(state, params) if paired else state)


def descend(
    optimizer: Any,
    state: Any,
    params: Any,
    gradient: Any,
    value: Any,
    value_of: Callable[[Any], jax.Array],
) -> tuple[Any, Any]:
    """What trains and the optimizer's state, after the optimizer's update."""
    import optax

    def again(params: Any, grad_fn: Any = None) -> jax.Array:
        return value_of(params)  # a line search of optax hands on the extra arguments it knows not

    extra = {
        "value": value,
        "grad": gradient,
        "value_fn": again,
        "grad_fn": lambda params, _: conjugate(jax.grad(value_of)(params)),
    }
    if not isinstance(state, WithSlow):
        updates, state = _update(optimizer, gradient, state, params, extra)
        return optax.apply_updates(params, updates), state
    pair = optax.LookaheadParams(params, state.slow)
    updates, inner = _update(optimizer, gradient, state.state, pair, extra)
    moved: Any = optax.apply_updates(pair, updates)
    return moved.fast, WithSlow(inner, moved.slow)


def _update(
    optimizer: Any, gradient: Any, state: Any, params: Any, extra: dict[str, Any]
) -> tuple[Any, Any]:
    """Hands over the extra arguments, less those that the optimizer, or one in a chain, refuses."""
    import optax

    update = optax.with_extra_args_support(optimizer).update
    try:
        return update(gradient, state, params, **extra)
    except TypeError as error:
        wanted = {
            n: v for n, v in extra.items() if f"unexpected keyword argument '{n}'" not in str(error)
        }
        if len(wanted) == len(extra):
            raise
    return _update(optimizer, gradient, state, params, wanted)


def conjugate(gradient: Any) -> Any:
    """The direction of steepest ascent: for complex leaves `jax.grad` gives its conjugate."""
    return jax.tree.map(lambda g: jnp.conj(g) if jnp.iscomplexobj(g) else g, gradient)


def strong(tree: Any) -> Any:
    """The tree with arrays whose dtype is their own: a weak one may change in the first step."""
    return firm(jax.tree.map(_array, tree))


def _array(leaf: Any) -> jax.Array:
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)
