"""training: a transformation of a function, in which the models that it calls are in training.

Under an outer transformation the function is traced, and what its models hold and draw from made
part of its inputs and outputs, so that from outside it is pure; see `run` for the inside.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun
from jax.ref import AbstractRef

from .checks import check_kind
from .internals import discharged, outside_of_traces
from .model import Model
from .run import Run, disarmed, is_array
from .signatures import takes_key

Function = Callable[..., Any]


def training(f: Function) -> Callable[..., tuple[Any, Any]]:
    """Transforms a function: while it runs, the models that it calls are in training.

    Dropout drops, batch norm uses the batch's statistics and moves its own. A function that calls a
    model is written once and serves training and inference: `f(model, x)` and
    `training(f)(model, x)`.

        training(f)(model, *args, key=None, **options) -> (what f returns, the model afterwards)

    In training every call of the model, or of a model in it, is of this kind:

    - A layer whose `apply` names a keyword `key` receives a fresh one at each call. A part called
      twice draws twice; in a `jax.lax.scan` it draws anew at each step.
    - A layer with `observe` is called by it, and its leaves move: a part called twice moves twice.
    - A frozen part, and one under `inference`, computes what it computes in inference.

    Args:
        f: A function whose first argument is a model, or any tree that holds models; a model will
            do as well. If it names a keyword `key`, it receives a key of its own.

    Returns:
        A function. Its first argument and `*args` and `**options` go to f. `key` is the PRNG key of
        all that is drawn, `None` if nothing is. It returns what f returns, and the tree of its
        first argument with what has moved; the other leaves are the same objects.

    Gradient:
        Autodiff, in reverse and forward mode, through both results. What moves inside of a
        `jax.grad` that f itself takes moves without a gradient.

    Raises:
        TypeError: If a part wants a key and there is none, naming the part; if what moved has
            another structure or dtype than before.
        ValueError: If a part that moves is called inside a `jax.vmap` of f over part of the data,
            or over models: call `training` inside the `vmap`.

    Note:
        Within a `jax.vmap` of f over examples all of them are dropped alike, since they share the
        key; give `jax.vmap(training(f))` one key each instead. Compile it by
        `jax.jit(training(f))`: a `jax.jit` inside of f that takes the model as an argument
        compiles each time.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.sequential(pn.BatchNorm(1, momentum=0.5), pn.Dropout(0.5))
        >>> def contrast(model, x):
        ...     return jnp.mean((model(x) - model(x + 1)) ** 2)
        >>> x = jnp.array([[1.0], [3.0]])
        >>> value, moved = jax.jit(pn.training(contrast))(model, x, key=jax.random.key(0))
        >>> moved[0].mean.tolist()  # 0, then halfway to 2, then halfway to 3
        [2.0]
    """
    if not callable(f):
        raise TypeError(f"training: f must be a function, got a {type(f).__name__}")

    def trained(model: Any, *args: Any, key: Any = None, **options: Any) -> tuple[Any, Any]:
        run = Run(model, key)
        if takes_key(f) and not isinstance(f, Model):
            options["key"] = run.own_key()

        def called(refs: list[Any]) -> Any:
            run.refs = dict(zip(run.state, refs, strict=True))
            return disarmed(f(run.armed, *args, **options))

        if not run.state:
            return called([]), run.tree
        values = list(run.state.values())
        if outside_of_traces():
            refs = list(map(jax.new_ref, values))
            y, after = called(refs), [ref[...] for ref in refs]
        else:
            y, after = _purely(called, values)
        return y, run.moved(after)

    return trained


def observe(
    model: Model, *inputs: Any, key: jax.Array | None = None, **options: Any
) -> tuple[Any, Model]:
    """Calls a model as in training: `training` of the call itself.

    Args:
        model: A model.
        *inputs: Its inputs.
        key: A PRNG key for whatever is drawn; every drawing part gets a key of its own.
        **options: Options of the call, which override the static configuration.

    Returns:
        The output, and the model as it is after the call.

    Gradient:
        That of the training-time computation; the returned model is differentiable too.

    Raises:
        TypeError: If `model` is not a model, or a part wants a key and there is none.

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
    check_kind("observe", "model", model, Model)
    return training(Model.__call__)(model, *inputs, key=key, **options)


def _purely(called: Function, values: list[Any]) -> tuple[Any, list[Any]]:
    """What a function of refs returns, and their values after it, by tracing it."""
    aside: list[Any] = []

    def arrays_of(refs: list[Any]) -> list[Any]:
        leaves, structure = jax.tree.flatten(called(refs))
        dynamic = [is_array(leaf) for leaf in leaves]
        aside[:] = structure, dynamic, [leaf for leaf in leaves if not is_array(leaf)]
        return [leaf for leaf in leaves if is_array(leaf)]

    examples = [AbstractRef(jax.typeof(value)) for value in values]
    closed = discharged(jax.make_jaxpr(arrays_of)(examples))
    out = jaxpr_as_fun(closed)(*values)
    structure, dynamic, static = aside
    arrays, others = iter(out), iter(static)
    y = jax.tree.unflatten(structure, [next(arrays if one else others) for one in dynamic])
    return y, list(arrays)
