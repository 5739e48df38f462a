"""What a recurrent cell is: a layer of two arguments that says with which carry it begins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Signature, signature
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ...core import Layer, Model, bind
from ...core.calls import Inference
from ...core.docstrings import documented
from ...core.layer import Around
from ...core.reparam import Reparametrized
from ...core.run import Trained, disarmed
from ...core.signatures import Wrapping, divided, options_in, taken_by, with_options
from ...ops import recurrence
from ...ops.recurrence import total

Function = Callable[..., Any]


class Projected(NamedTuple):
    """What a cell knows of all its steps before the first; see `recurrence` for the fields."""

    kernel: Any
    offsets: Any
    inputs: Any = ()
    shared: Any = ()


@dataclass(frozen=True)
class Stepwise(Wrapping):
    """The `apply` of a cell that is called step by step."""

    function: Function
    carry: Function

    def __call__(self, params: Any, carry: Any, x: Any, **options: Any) -> tuple[Any, Any]:
        return self.function(params, carry, x, **options)

    def signature(self) -> Signature:
        return taken_by(self.function).signature


class Steps(NamedTuple):
    """How all steps are run at once; see `recurrence`."""

    where: jax.Array | None
    reverse: bool
    unroll: int


@dataclass(frozen=True)
class Hoisted(Wrapping):
    """The `apply` of a cell that computes what it can for all time steps at once."""

    name: str
    project: Function
    update: Function
    carry: Function

    def __post_init__(self) -> None:
        """Tells of the options of its functions."""
        names = (option.name for option in options_in(self))
        doc = documented(type(self).__doc__, [self.project, self.update], names)
        object.__setattr__(self, "__doc__", doc)

    def __call__(
        self,
        params: Any,
        carry: Any,
        x: Any,
        *,
        precision: Any = None,
        steps: Steps | None = None,
        **options: Any,
    ) -> tuple[Any, Any]:
        """One step, as plain operations; with `steps` all steps of x (T, *B, I)."""
        for_update, _ = divided(self.update, options)
        for_project, _ = divided(self.project, {**options, "precision": precision})
        for name in options.keys() - for_update.keys() - for_project.keys():
            raise TypeError(f"{self.name} got an unexpected keyword argument {name!r}")
        if steps is None:
            check_carry(self.name, partial(self.carry, params), carry, np.shape(x)[:-1])
        before = Projected(*self.project(params, x, **for_project))
        update = Configured(self.update, tuple(sorted(for_update.items())))
        if steps is not None:
            return recurrence(update, carry, *before, precision=precision, **steps._asdict())
        sums = total(carry, before.kernel, before.offsets, precision)
        return update(before.shared, carry, before.inputs, sums)

    def signature(self) -> Signature:
        return with_options(signature(_step), [*options_in(self.project), *options_in(self.update)])


def _step(params: Any, carry: Any, x: Any, *, precision: Any = None) -> Any: ...


@dataclass(frozen=True)
class Configured:
    """A function with static options, equal by value."""

    function: Function
    options: tuple[tuple[str, Any], ...]

    def __call__(self, *args: Any) -> Any:
        return self.function(*args, **dict(self.options))


def bind_cell(
    name: str,
    create: Function,
    apply: Function | tuple[Function, Function],
    carry: Function,
    observe: Function | None = None,
    *,
    roles: Mapping[str, str] | None = None,
) -> Layer:
    """Binds functions to a recurrent cell: a layer whose models map (carry, x) to (carry, y).

    Any bound pair with such an `apply` can be scanned; a cell bound here also knows its first
    carry, and may hand over its work in two parts so that the first is done for all time
    steps at once:

        project(params, x, *, options) -> (kernel, offsets), and inputs and shared if wanted
        update(shared, carry, inputs_t, total, *, options) -> (carry, y)

    The cell is then `update` after `project`, with total = offsets_t + state @ kernel, where the
    state is the last array of the carry; see `recurrence`.

    Letters: T steps, *B any batch axes, I inputs.

    Args:
        name: What errors, profiles and printed models call it.
        create: `create(key, inputs, outputs, *, options) -> params`.
        apply: `apply(params, carry, x, *, options) -> (carry, y)`, or the pair (project, update).
            `project` is given x of one step or of all, (*B, I) or (T, *B, I), and returns
            offsets and inputs with the same leading axes. Options of `update` must be hashable.
        carry: `carry(params, batch_shape, dtype)` returns the first carry. Its arrays may be
            floating, in this dtype, or integers, booleans or keys.
        observe: `observe(params, carry, x, *, key) -> ((carry, y), params)`: the training-time
            step, if it differs.
        roles: As for `bind`.

    Returns:
        A `Layer`.

    Raises:
        TypeError: If `apply` is neither a function nor a pair of functions.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> def create(key, inputs, outputs):
        ...     return jnp.full(outputs, 0.5)
        >>> def apply(decay, carry, x):
        ...     carry = decay * carry + x
        ...     return carry, carry
        >>> def first(decay, batch_shape, dtype):
        ...     return jnp.zeros((*batch_shape, *decay.shape), dtype)
        >>> Leaky = pn.bind_cell("Leaky", create, apply, first)
        >>> cell = Leaky(jax.random.key(0), 1, 1)
        >>> pn.scan_cell(cell, jnp.ones((3, 1))).tolist()
        [[1.0], [1.5], [1.75]]
    """
    if isinstance(apply, tuple) and len(apply) == 2 and all(map(callable, apply)):
        return bind(name, create, Hoisted(name, *apply, carry), observe, roles=roles)
    if not callable(apply):
        raise TypeError(
            "bind_cell: apply must be a function or a pair (project, update), got a "
            f"{type(apply).__name__}"
        )
    return bind(name, create, Stepwise(apply, carry), observe, roles=roles)


def initial_carry(
    cell: Any, batch_shape: tuple[int, ...] = (), dtype: DTypeLike | None = None
) -> Any:
    """The carry with which a cell begins: zeros, for the cells of this library.

    Args:
        cell: A model of a layer that `bind_cell` made; it may have gone through `reparam`.
        batch_shape: The batch axes of x.
        dtype: Of the carry; by default that of the parameters.

    Returns:
        What the cell's `carry` function returns: (*B, outputs), for an LSTM cell a pair (c, h).

    Raises:
        TypeError: If the cell declares no carry.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> cell = pn.LSTMCell(jax.random.key(0), 3, 4)
        >>> c, h = pn.initial_carry(cell, (2,))
        >>> c.shape, h.shape
        ((2, 4), (2, 4))
    """
    first = declared_carry(cell)
    if first is None:
        name = cell.layer.name if isinstance(cell, Model) else type(cell).__name__
        raise TypeError(
            f"initial_carry: {name} declares no carry; bind it with "
            "bind_cell(name, create, apply, carry), or pass the carry at the call"
        )
    return first(tuple(batch_shape), dtype or parameter_dtype(cell.params))


def parameter_dtype(params: Any, *arrays: Any) -> np.dtype:
    """The floating dtype to which parameters and arrays promote."""
    leaves = [leaf for leaf in jax.tree.leaves((params, arrays)) if hasattr(leaf, "dtype")]
    real = [leaf for leaf in leaves if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
    dtype = jnp.result_type(*real) if real else jnp.result_type(float)
    return dtype if jnp.issubdtype(dtype, jnp.inexact) else jnp.result_type(float)


def applied_by(cell: Any) -> list[Function]:
    """What a cell applies, from the outside in: through `training`, `reparam` and `compose`."""
    found = [cell.layer.apply] if isinstance(cell, Model) else []
    while found and isinstance(found[-1], Around | Trained):
        outer = found[-1]
        found.append(outer.function if isinstance(outer, Trained) else outer.layer.apply)
    return found


def is_hoisted(cell: Any) -> bool:
    """Whether a cell has a projection, and around it only what leaves carry, x and y alone."""
    *outer, inner = applied_by(cell) or [None]
    kinds = Trained | Reparametrized | Inference
    return isinstance(inner, Hoisted) and all(isinstance(one, kinds) for one in outer)


def declared_carry(cell: Any) -> Function | None:
    """The function (batch_shape, dtype) that makes the first carry of a cell, if it has one."""
    if not isinstance(cell, Model):
        return None
    cell = disarmed(cell)  # looking at the carry draws nothing and moves nothing
    functions, params = applied_by(cell), cell.params
    carry = getattr(functions[-1], "carry", None)
    for function in functions:
        params = function.transform(params) if isinstance(function, Reparametrized) else params
    return None if carry is None else partial(carry, params)


def check_carry(name: str, first: Function, carry: Any, batch_shape: tuple[int, ...]) -> None:
    """Refuses a carry that is not structured and shaped as `first(batch_shape, dtype)`.

    Where that is floating, so must the carry be; elsewhere the dtypes must be the same.
    """
    wanted = jax.eval_shape(lambda: first(batch_shape, jnp.float32))
    cure = "initial_carry(cell, batch_shape) makes one"
    if jax.tree.structure(carry) != jax.tree.structure(wanted):
        raise TypeError(
            f"{name}: carry must have the structure {jax.tree.structure(wanted)}, got "
            f"{jax.tree.structure(carry)}; {cure}"
        )
    for leaf, like in zip(jax.tree.leaves(carry), jax.tree.leaves(wanted), strict=True):
        if np.shape(leaf) != like.shape:
            raise ValueError(
                f"{name}: carry must have shape {like.shape}, got {np.shape(leaf)}; {cure}"
            )
        floating = jnp.issubdtype(like.dtype, jnp.floating)
        dtype = getattr(leaf, "dtype", None) or jnp.result_type(leaf)
        if not (jnp.issubdtype(dtype, jnp.floating) if floating else dtype == like.dtype):
            wanted_dtype = "floating" if floating else f"of dtype {like.dtype}"
            raise TypeError(f"{name}: carry must be {wanted_dtype}, got dtype {dtype}; {cure}")
