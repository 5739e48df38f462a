"""observe: the training-time call of a model, and how it is derived where a layer defines none."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax

from .model import Layer, Model, models, noting, signature, static_for
from .signatures import keywords_of, naming_options


def observe(
    model: Model, x: Any, key: jax.Array | None = None, **options: Any
) -> tuple[Any, Model]:
    """Calls a model as in training: dropout drops, batch norm uses and moves its statistics.

    A layer that defines no `observe` gets it derived: `apply`, handed the key if it takes one, and
    the parameters unchanged. `sequential`, `compose` and `reparam` pass the call on to what they
    hold.

    Args:
        model: A model.
        x: Its input.
        key: A PRNG key for whatever is drawn; every drawing part gets a key of its own.
        **options: Options of the call, which override the static configuration.

    Returns:
        The output, and the model as it is after the call.

    Gradient:
        That of the training-time computation; the returned model is differentiable too.

    Raises:
        TypeError: If `model` is not a model; or if a layer without `observe` holds a model whose
            layer defines one, or takes a key, since the derived call could not reach it.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> def noisy(x, *, key=None):
        ...     return x if key is None else x + jax.random.normal(key, x.shape)
        >>> model = pn.sequential(pn.Linear(jax.random.key(0), 3, 2), noisy)
        >>> x = jnp.ones((1, 3))
        >>> y, model = pn.observe(model, x, key=jax.random.key(1))
        >>> bool((y == model(x)).any())
        False
    """
    return observe_inputs(model, x, key=key, **options)


def observe_inputs(
    model: Model, *inputs: Any, key: Any = None, **options: Any
) -> tuple[Any, Model]:
    """`observe` of a model that takes any number of inputs by position."""
    if not isinstance(model, Model):
        raise TypeError(f"observe: model must be a Model, but a {type(model).__name__} came")
    layer = model.layer
    call = layer.observe or layer.apply
    settings = {**static_for(call, model), **options}
    place = noting(signature, model)
    with jax.named_scope(layer.name), place, naming_options(call, options):
        y, params = observe_layer(layer, model.params, *inputs, key=key, **settings)
    return y, Model(layer, params, model.static)


def observe_layer(
    layer: Layer, params: Any, *args: Any, key: Any = None, **options: Any
) -> tuple[Any, Any]:
    """The training-time call of a layer on bare parameters: `(y, parameters)`."""
    if layer.observe is not None:
        return _pair(layer, with_key(layer.observe, key)(params, *args, **options))
    held = [path or "itself" for path, model in models(params) if _out_of_reach(layer, model.layer)]
    if held:
        raise TypeError(
            f"{layer.name} holds a model that behaves differently in training "
            f"({', '.join(held)}) but defines no observe. Write one that calls it and returns "
            "the moved model:\n"
            "    def observe(params, x, *, key=None):\n"
            "        y, part = pn.observe(params.part, x, key=key)\n"
            "        return y, params._replace(part=part)\n"
            f"    {layer.name} = pn.bind({layer.name!r}, create, apply, observe)"
        )
    return with_key(layer.apply, key)(params, *args, **options), params


def _pair(layer: Layer, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"{layer.name}: observe must return (y, parameters), but a {type(result).__name__} came"
        )
    return result


def _out_of_reach(outer: Layer, inner: Layer) -> bool:
    """Whether `inner` trains in a way that calling the `apply` of `outer` cannot bring about."""
    return inner.defines_observe() or (takes_key(inner.apply) and not takes_key(outer.apply))


def takes_key(function: Callable[..., Any]) -> bool:
    """Whether a function names a keyword `key`."""
    return "key" in keywords_of(function)[0]


def with_key(function: Callable[..., Any], key: Any) -> Callable[..., Any]:
    """The function, handed the key if it names one."""
    return partial(function, key=key) if takes_key(function) else function


def split_key(key: Any, n: int) -> Iterator[Any]:
    """`n` keys from one, or `n` times `None` from `None`."""
    return iter([None] * n if key is None else jax.random.split(key, n))
