"""summary: a model as a table."""

from collections.abc import Callable, Iterator
from dataclasses import replace as with_fields
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun

from .bind import identity
from .checks import check_flag, check_kind
from .description import by_role, title
from .filters import Place, places
from .jaxprs import inner_jaxprs
from .leaves import count, describe
from .model import Model, branches, map_below
from .parametrise import is_parametrised
from .paths import Keys, text
from .signatures import options_of


class Table(str):
    """Text whose repr is the text itself, so that a notebook shows it as it is."""

    __slots__ = ()
    __repr__ = str.__str__


class Call(NamedTuple):
    """A call of a part: what it put out, and the function with the shapes that it was called on."""

    output: Any
    function: Callable[..., Any]
    shapes: list[Any]


Calls = dict[Keys, list[Call]]


def summary(model: Model, *inputs: Any, cost: bool = False, **options: Any) -> Table:
    """Draws up a table of a model: every part, its own parameters, and what it puts out.

    Args:
        model: A model.
        *inputs: What to call it on: arrays or `jax.ShapeDtypeStruct`. With them the table has the
            output shapes. `jax.eval_shape` finds them, so nothing is computed. Of a part called
            several times it shows the last output.
        cost: Whether the table also has the floating-point operations of a call, of each part with
            all that lies in it. XLA's cost analysis counts them, before it optimizes. Each step of
            a scan counts. Those of a `while_loop` count once, since their number is unknown.
        **options: Options of the call.

    Returns:
        The table as text. The last lines count array entries by role, and their bytes.

    Raises:
        TypeError: If `model` is not a model.
        ValueError: If `cost` is asked for without inputs.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> model = pn.sequential(pn.Linear(one, 64, 32), jax.nn.relu, pn.Linear(two, 32, 10))
        >>> print(pn.summary(model, jnp.ones((5, 64))))
        path  layer       parameters                               count  bytes  output
              Sequential                                                         float32[5,10]
        [0]   Linear      kernel float32[64,32], bias float32[32]  2,080  8,320  float32[5,32]
        [1]   relu                                                               float32[5,32]
        [2]   Linear      kernel float32[32,10], bias float32[10]    330  1,320  float32[5,10]
        <BLANKLINE>
        2,410 params, 9,640 bytes
    """
    check_kind("summary", "model", model, Model)
    check_flag("summary", "cost", cost)
    called = bool(inputs or options)
    if cost and not called:
        raise ValueError("summary: cost must come with inputs, got none; give the call's inputs")
    calls = _calls(model, inputs, options) if called else {}
    header = ("path", "layer", "parameters", "count", "bytes", "output", "FLOPs")
    parts = [place for place in places(model) if isinstance(place.node, Model)]
    rows = [header, *(_row(place, calls.get(place.keys, []), cost) for place in parts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][: 5 + called + cost]
    lines = [
        "  ".join(_align(row[i], width, header[i]) for i, width in enumerate(widths)).rstrip()
        for row in rows
    ]
    return Table("\n".join([*lines, "", *_totals(model)]))


def _align(cell: str, width: int, heading: str) -> str:
    return cell.rjust(width) if heading in ("count", "bytes", "FLOPs") else cell.ljust(width)


def _row(part: Place, calls: list[Call], cost: bool) -> tuple[str, ...]:
    own = [(text(keys), leaf) for keys, leaf in branches(part.node) if not isinstance(leaf, Model)]
    told = ", ".join(f"{name.removeprefix('.')} {describe(leaf)}".strip() for name, leaf in own)
    leaves = [leaf for _, leaf in own]
    sizes = (f"{count(leaves):,}", f"{_bytes(leaves):,}") if own else ("", "")
    shapes = ", ".join(map(describe, jax.tree.leaves(calls[-1].output))) if calls else ""
    flops = f"{sum(map(_operations, calls)):,}" if calls and cost else ""
    return part.path, title(part.node.layer), told, *sizes, shapes, flops


def _totals(model: Model) -> list[str]:
    return [
        f"{count(leaves):,} {role}, {_bytes(leaves):,} bytes"
        for role, leaves in by_role(model).items()
    ] or ["no parameters"]


def _bytes(leaves: list[Any]) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves if hasattr(leaf, "dtype"))


# ------------------------------------------------------------------------- what the parts put out


def _calls(model: Model, inputs: tuple[Any, ...], options: dict[str, Any]) -> Calls:
    """The calls of every part by its keys, from one abstract run."""
    seen: Calls = {}
    running = [True]
    watched = _watched(seen, running, (), model)
    arrays, function = _of_arrays(Model.__call__, watched, inputs, options)
    jax.eval_shape(function, *arrays)
    running.clear()
    return seen


def _of_arrays(function: Callable[..., Any], *args: Any) -> tuple[list[Any], Callable[..., Any]]:
    """The arrays in `(first, inputs, options)`, and what the function makes of such arrays."""
    leaves, structure = jax.tree.flatten(args)
    places = [i for i, leaf in enumerate(leaves) if hasattr(leaf, "shape")]

    def of_arrays(*arrays: Any) -> Any:
        filled = dict(enumerate(leaves)) | dict(zip(places, arrays, strict=True))
        first, inputs, options = jax.tree.unflatten(structure, filled.values())
        return function(first, *inputs, **options)

    return [leaves[i] for i in places], of_arrays


def _watched(seen: Calls, running: list[bool], keys: Keys, model: Model) -> Model:
    """The same model, in which every call is noted while it is running.

    What stands in the place of an array is known by what it is, and stays.
    """
    if is_parametrised(model):
        return model
    apply = model.layer.apply

    @options_of(apply)
    def noted(params: Any, *args: Any, **options: Any) -> Any:
        y = apply(params, *args, **options)
        if running:
            arrays, function = _of_arrays(apply, params, args, options)
            shapes = jax.eval_shape(identity, arrays)
            seen.setdefault(keys, []).append(Call(jax.eval_shape(identity, y), function, shapes))
        return y

    inner = map_below(partial(_watched, seen, running), model, keys)
    return Model(with_fields(model.layer, apply=noted), inner.params, model.static)


# ------------------------------------------------------------------------------ what a call costs


def _operations(call: Call) -> int:
    return round(_flops(jax.make_jaxpr(call.function)(*call.shapes)))


def _flops(closed: ClosedJaxpr) -> float:
    """The operations of a jaxpr. XLA counts one step of each scan; the others are added."""
    lowered = jax.jit(jaxpr_as_fun(closed)).lower(*closed.in_avals)
    found = lowered.cost_analysis() or {}
    more = sum((scan["length"] - 1) * _flops(scan["jaxpr"]) for scan in _scans(closed.jaxpr))
    return found.get("flops", 0.0) + more


def _scans(jaxpr: Jaxpr) -> Iterator[dict[str, Any]]:
    """The parameters of every scan in a jaxpr that lies in no other scan."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            yield equation.params
            continue
        for value in equation.params.values():
            for inner in inner_jaxprs(value):
                yield from _scans(inner)
