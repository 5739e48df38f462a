"""Plain programs: functions in which only primitives that every exporter knows are left.

A function is traced, and its equations are run again one by one. What JAX has for the sake of
derivatives, batching and caching (`jit`, custom rules, checkpoints) is opened; what this library
has of its own is computed by its definition; a loop that runs backwards runs forwards over what was
turned around, and one of few steps is written out.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, jaxpr_as_fun

INSIDE = {
    "checkpoint": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vmap_call": "call",
    "jit": "jaxpr",
    "remat2": "jaxpr",
}
"""Primitives that call a function, and the name under which they hold it."""
OWN = ("sparse_gathered", "widen")
"""Primitives of this library; the others are there for derivatives alone."""
MOST = 1_500
"""Equations that a loop may become when its steps are written out."""

Values = Sequence[Any]


def simplified(function: Callable[..., Values], *specs: Any) -> Callable[..., Values]:
    """A function of arrays that computes, of inputs of these shapes, what another does."""
    traced = jax.make_jaxpr(function)(*specs)
    return jaxpr_as_fun(
        jax.make_jaxpr(lambda *arrays: _apart(_run(traced, arrays), arrays))(*specs)
    )


def _apart(outputs: Values, inputs: Values) -> list[Any]:
    """Outputs with a copy of what is an input, or another output: each has a name of its own."""
    seen, found = {id(x) for x in inputs}, []
    for y in outputs:
        found.append(jnp.copy(y) if id(y) in seen else y)
        seen.add(id(y))
    return found


def _run(program: ClosedJaxpr, inputs: Values) -> list[Any]:
    """What a traced function returns for some inputs."""
    known = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    known.update(zip(program.jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    for equation in program.jaxpr.eqns:
        found = _computed(equation, [read(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, found, strict=True))
    return [read(atom) for atom in program.jaxpr.outvars]


def _computed(equation: JaxprEqn, inputs: Values) -> Values:
    """What an equation puts out."""
    primitive, params = equation.primitive, equation.params
    if primitive.name in INSIDE:
        return _run(_closed(params[INSIDE[primitive.name]]), inputs)
    if primitive.name in RULES:
        return RULES[primitive.name](inputs, **params)
    if primitive.name in OWN:
        return [primitive.impl(*inputs, **params)]
    found = primitive.bind(*inputs, **params)
    return found if primitive.multiple_results else [found]


def _closed(program: Any) -> ClosedJaxpr:
    return program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, ())


def _scan(
    inputs: Values,
    *,
    jaxpr: ClosedJaxpr,
    num_consts: int,
    num_carry: int,
    length: int,
    reverse: bool,
    **_: Any,
) -> list[Any]:
    fixed, inputs = inputs[:num_consts], inputs[num_consts:]
    carry, xs = list(inputs[:num_carry]), list(inputs[num_carry:])

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        found = _run(jaxpr, [*fixed, *carry, *x])
        return found[:num_carry], found[num_carry:]

    if isinstance(length, int) and length * _size(jaxpr.jaxpr) <= MOST:
        return _written_out(step, carry, xs, range(length)[:: -1 if reverse else 1])
    turned = _turned if reverse else list
    wide = _widely(step, carry, xs), _widened(carry), turned(_widened(xs))
    carry, ys = jax.lax.scan(*wide, length=None if xs else length)
    outputs = zip([*carry, *turned(ys)], jaxpr.out_avals, strict=True)
    return [y.astype(like.dtype) for y, like in outputs]


def _widened(arrays: Values) -> list[Any]:
    """What a loop has, in float32 for narrower dtypes: jax2onnx 0.17 takes it for that."""
    return [x.astype(jnp.float32) if _is_narrow(x.dtype) else x for x in arrays]


def _is_narrow(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < 4


def _widely(step: Callable[..., Any], carry: Values, xs: Values) -> Callable[..., Any]:
    """A step of a loop over what is `_widened`, in the dtypes that it was written for."""

    def wide(state: Values, row: Values) -> tuple[Any, Any]:
        found = step(_like(state, carry), _like(row, xs))
        return _widened(found[0]), _widened(found[1])

    return wide


def _like(arrays: Values, others: Values) -> list[Any]:
    return [x.astype(other.dtype) for x, other in zip(arrays, others, strict=True)]


def _size(program: Any) -> int:
    """The equations of a program, those inside of others too."""
    inner = [INSIDE.get(equation.primitive.name) for equation in program.eqns]
    pairs = zip(program.eqns, inner, strict=True)
    return sum(_size(_closed(e.params[name]).jaxpr) if name else 1 for e, name in pairs)


def _turned(arrays: Values) -> list[Any]:
    return [jax.lax.rev(array, (0,)) for array in arrays]


def _written_out(step: Callable[..., Any], carry: Any, xs: Values, turns: range) -> list[Any]:
    rows: dict[int, Values] = {}
    for i in turns:
        carry, rows[i] = step(carry, [x[i] for x in xs])
    each = zip(*(rows[i] for i in sorted(rows)), strict=True)
    return [*carry, *(jnp.stack(row) for row in each)]


def _while(
    inputs: Values,
    *,
    cond_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_jaxpr: ClosedJaxpr,
    body_nconsts: int,
) -> list[Any]:
    asked, inputs = inputs[:cond_nconsts], inputs[cond_nconsts:]
    fixed, carry = inputs[:body_nconsts], list(inputs[body_nconsts:])
    return jax.lax.while_loop(
        lambda carry: _run(cond_jaxpr, [*asked, *carry])[0],
        lambda carry: _run(body_jaxpr, [*fixed, *carry]),
        carry,
    )


def _cond(inputs: Values, *, branches: Sequence[ClosedJaxpr], **_: Any) -> list[Any]:
    index, *rest = inputs
    return jax.lax.switch(
        index, [lambda *rest, one=branch: _run(one, rest) for branch in branches], *rest
    )


def _wide(inputs: Values, dtype: Any) -> list[Any]:
    """Factors in the dtype of their product, as ONNX has them; None is their own."""
    return [x if dtype is None else x.astype(dtype) for x in inputs]


def _dot_general(inputs: Values, *, dimension_numbers: Any, **options: Any) -> list[Any]:
    """A product that sums over nothing is one of entries: jax2onnx 0.17 names its axes wrongly."""
    inputs = _wide(inputs, options["preferred_element_type"])
    contracted, (left, right) = dimension_numbers
    if any(contracted):
        bound = jax.lax.dot_general_p.bind(*inputs, dimension_numbers=dimension_numbers, **options)
        return [bound]
    x, y = (
        jnp.moveaxis(array, axes, range(len(axes)))
        for array, axes in zip(inputs, (left, right), strict=True)
    )
    y = jnp.expand_dims(y, range(len(left), x.ndim))
    return [jnp.expand_dims(x, range(x.ndim, y.ndim)) * y]


def _conv(inputs: Values, **options: Any) -> list[Any]:
    inputs = _wide(inputs, options["preferred_element_type"])
    return [jax.lax.conv_general_dilated_p.bind(*inputs, **options)]


def _gather(inputs: Values, **options: Any) -> list[Any]:
    """Rows of a narrow dtype are looked up in float32: jax2onnx 0.17 fills in that."""
    rows, places = inputs
    (wide,) = _widened([rows])
    return [jax.lax.gather_p.bind(wide, places, **options).astype(rows.dtype)]


def _reduce_window_sum(inputs: Values, *, base_dilation: Any, **options: Any) -> list[Any]:
    """Places between the entries are put there first: jax2onnx 0.17 cannot, of sizes free."""
    (x,) = inputs
    for axis, step in enumerate(base_dilation):
        x = _spread(x, axis, step) if step > 1 else x
    ones = (1,) * x.ndim
    return [jax.lax.reduce_window_sum_p.bind(x, base_dilation=ones, **options)]


def _spread(x: jax.Array, axis: int, step: int) -> jax.Array:
    """The entries along an axis with 0 between them, a step apart."""
    shape, size = list(x.shape), x.shape[axis]
    shape[axis] = size * step
    wide = jnp.stack([x, *[jnp.zeros_like(x)] * (step - 1)], axis + 1).reshape(shape)
    return jax.lax.slice_in_dim(wide, 0, (size - 1) * step + 1, axis=axis)


RULES: dict[str, Callable[..., Values]] = {
    "cond": _cond,
    "conv_general_dilated": _conv,
    "dot_general": _dot_general,
    "gather": _gather,
    "reduce_window_sum": _reduce_window_sum,
    "scan": _scan,
    "while": _while,
}
