"""name and capture: values marked inside a computation, and how to get at them from outside.

`name` marks a value with JAX's own checkpoint name. `capture` traces the function and evaluates
what was traced once more, with the marked values as further outputs of every scan, jit,
checkpoint and cond that they lie in. What holds no marked value is evaluated as it stands.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_fields
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun
from jax.tree_util import keystr, tree_flatten_with_path

from .checks import check_kind
from .layer import Around
from .model import Model, map_below
from .parametrise import is_parametrised

Found = list[tuple[str, jax.Array]]
"""Labels and values, in the order in which they are computed; a label may come several times."""


def name(x: Any, label: str) -> Any:
    """Marks a value, for `capture` and for rematerialisation policies.

    Args:
        x: An array, or a pytree of them, whose leaves are marked with the label and their path.
        label: What to call it.

    Returns:
        The same value.

    Gradient:
        That of the identity.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> def apply(params, x):
        ...     return jnp.sum(pn.name(jnp.tanh(x), "hidden"))
        >>> y, seen = pn.capture(pn.bind((), apply))(jnp.zeros(2))
        >>> seen["hidden"].tolist()
        [0.0, 0.0]
    """
    check_kind("name", "label", label, str)
    pairs, structure = tree_flatten_with_path(x)
    return jax.tree.unflatten(
        structure,
        [checkpoint_name(leaf, type(label)(label + keystr(keys))) for keys, leaf in pairs],
    )


def capture(f: Callable[..., Any]) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """A function that also returns every value marked by `name` on the way.

    In nnx such values are sown into a module and popped from it. Here they are outputs. They are
    found inside `jax.jit`, `jax.vmap`, `jax.checkpoint`, `jax.lax.cond` and `jax.lax.scan`. Those
    of the steps of a scan come stacked along a first axis. A branch of a `cond` that was not taken
    gives NaN, 0 for integers, False for booleans.

    Args:
        f: A function, or a model. Of a model the output of each inner model is captured too, under
            its path, such as `['hidden']`, but where it cannot be had, as in a `while_loop`.

    Returns:
        A function `(*args, **keywords) -> (y, seen)`. `seen` maps each label to its value, or to a
        tuple of them if the label is met several times.

    Gradient:
        Of y that of f, and of what is captured that of its computation. A function with a custom
        rule that has a marked value inside is differentiated by autodiff instead; any other keeps
        its rule.

    Raises:
        ValueError: If a marked value lies in a `jax.lax.while_loop`, whose number of steps is not
            known beforehand, or in something else that cannot return it.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> one, two = jax.random.split(jax.random.key(0))
        >>> model = pn.sequential({"hidden": pn.Linear(one, 3, 4), "out": pn.Linear(two, 4, 2)})
        >>> y, seen = jax.jit(pn.capture(model))(jnp.ones((5, 3)))
        >>> {label: value.shape for label, value in seen.items()}
        {"['hidden']": (5, 4), "['out']": (5, 2)}
    """
    if isinstance(f, Model):
        f = _labelled(f, "")

    def capturing(*args: Any, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        leaves, structure = jax.tree.flatten((args, keywords))

        def flat(*leaves: Any) -> Any:
            args, keywords = jax.tree.unflatten(structure, leaves)
            return f(*args, **keywords)

        closed, shape = jax.make_jaxpr(flat, return_shape=True)(*leaves)
        values, found = _evaluate(closed, leaves)
        return jax.tree.unflatten(jax.tree.structure(shape), values), _gathered(found)

    return capturing


def _gathered(found: Found) -> dict[str, Any]:
    groups: dict[str, list[jax.Array]] = {}
    for label, value in found:
        groups.setdefault(label, []).append(value)
    return {label: group[0] if len(group) == 1 else tuple(group) for label, group in groups.items()}


# ------------------------------------------------------------------ inner models, by their paths


class OfPart(str):
    """The label of an inner model's output: it is captured where it can be."""


@dataclass(frozen=True)
class Labelled(Around):
    """The `apply` of a model whose output is marked with its path."""

    label: str

    def __call__(self, params: Any, *args: Any, **options: Any) -> Any:
        return name(self.layer.apply(params, *args, **options), OfPart(self.label))


def _labelled(model: Model, path: str) -> Model:
    """The model with every model in it, but not itself, marking its output with its path."""
    return map_below(_marking, model, path)


def _marking(path: str, model: Model) -> Model:
    if is_parametrised(model):
        return model
    layer, inner = model.layer, _labelled(model, path)
    marked = with_fields(layer, apply=Labelled(layer, path), observe=None)
    return Model(marked, inner.params, model.static)


# ------------------------------------------------------------------- evaluation with more outputs


def inner_jaxprs(value: Any) -> Iterator[Any]:
    """The jaxprs in one parameter of an equation."""
    for one in value if isinstance(value, tuple | list) else (value,):
        if isinstance(one, ClosedJaxpr | Jaxpr):
            yield getattr(one, "jaxpr", one)


def _marks(jaxpr: Jaxpr, parts: bool = True) -> bool:
    return any(_holds(equation, parts) for equation in jaxpr.eqns)


def _holds(equation: Any, parts: bool = True) -> bool:
    """Whether a marked value lies in an equation. What is computed again holds none.

    Outputs of inner models count with `parts`, and not where they cannot be captured.
    """
    kind = equation.primitive.name
    if kind == "name":
        return parts or not isinstance(equation.params["name"], OfPart)
    if equation.params.get("differentiated"):
        return False
    values, parts = equation.params.values(), parts and kind in RULES
    return any(_marks(inner, parts) for value in values for inner in inner_jaxprs(value))


def _evaluate(closed: ClosedJaxpr, args: Sequence[Any]) -> tuple[list[Any], Found]:
    """The outputs of a jaxpr and the marked values in it."""
    jaxpr = closed.jaxpr
    if not _marks(jaxpr):
        return list(jaxpr_as_fun(closed)(*args)), []
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *args], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    found: Found = []
    for equation in jaxpr.eqns:
        if _holds(equation):
            values, more = _opened(equation, [read(atom) for atom in equation.invars])
            found += more
        else:
            inputs = [atom for atom in equation.invars if not isinstance(atom, Literal)]
            alone = jaxpr.replace(
                constvars=[], invars=inputs, outvars=equation.outvars, eqns=[equation]
            )
            values = jaxpr_as_fun(ClosedJaxpr(alone, []))(*map(read, inputs))
        known.update(zip(equation.outvars, values, strict=True))
    return [read(atom) for atom in jaxpr.outvars], found


def _opened(equation: Any, values: list[Any]) -> tuple[Sequence[Any], Found]:
    """The outputs of an equation that is, or holds, a marked value, and what is marked."""
    kind, params = equation.primitive.name, equation.params
    if kind == "name":
        return [checkpoint_name(values[0], params["name"])], [(params["name"], values[0])]
    if kind not in RULES:
        cure = "use jax.lax.scan" if kind == "while" else "mark the value outside"
        raise ValueError(f"capture: a value inside {kind} cannot be captured; {cure}")
    return RULES[kind](params, values)


def _returning(closed: ClosedJaxpr, labels: list[str]) -> Callable[..., Any]:
    """The jaxpr as a function that returns its outputs and the marked values, and tells labels."""

    def function(*args: Any) -> tuple[list[Any], list[jax.Array]]:
        values, found = _evaluate(closed, args)
        labels[:] = [label for label, _ in found]
        return values, [value for _, value in found]

    return function


def _jit(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    labels: list[str] = []
    function = _returning(params["jaxpr"], labels)
    function.__name__ = params["name"]
    out, more = jax.jit(function)(*values)
    return out, list(zip(labels, more, strict=True))


def _checkpoint(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    labels: list[str] = []
    function = _returning(ClosedJaxpr(params["jaxpr"], ()), labels)
    again = jax.checkpoint(function, policy=params["policy"], prevent_cse=params["prevent_cse"])
    out, more = again(*values)
    return out, list(zip(labels, more, strict=True))


def _inlined(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    return _evaluate(params["call_jaxpr"], values)


def _scan(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    labels: list[str] = []
    consts, carries = _scan_counts(params)
    function = partial(_returning(params["jaxpr"], labels), *values[:consts])

    def body(carry: list[Any], x: list[Any]) -> tuple[list[Any], Any]:
        out, more = function(*carry, *x)
        return out[:carries], (out[carries:], more)

    carry, (ys, more) = jax.lax.scan(
        body,
        values[consts : consts + carries],
        values[consts + carries :],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *ys], list(zip(labels, more, strict=True))


def _scan_counts(params: dict[str, Any]) -> tuple[int, int]:
    """How many inputs of a scan are constants, and how many are its carry."""
    if "ft_in" in params:  # JAX 0.12
        consts, carry, _ = params["ft_in"].unpack()
        return len(consts), len(carry)
    return params["num_consts"], params["num_carry"]


def _cond(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    """Each branch returns what is marked in any of them."""
    which, *args = values
    every: list[Found] = []
    for branch in params["branches"]:
        labels: list[str] = []
        _, shapes = jax.eval_shape(_returning(branch, labels), *args)
        every.append(list(zip(labels, shapes, strict=True)))

    def returning(position: int, *args: Any) -> tuple[list[Any], list[Any]]:
        out, found = _evaluate(params["branches"][position], args)
        here = [value for _, value in found]
        return out, [
            value
            for other, found in enumerate(every)
            for value in (here if other == position else [_missing(v) for _, v in found])
        ]

    branches = [partial(returning, position) for position in range(len(every))]
    out, more = jax.lax.switch(which, branches, *args)
    labels = [label for found in every for label, _ in found]
    return out, list(zip(labels, more, strict=True))


def _missing(value: Any) -> jax.Array:
    inexact = jnp.issubdtype(value.dtype, jnp.inexact)
    return jnp.full(value.shape, jnp.nan if inexact else 0, value.dtype)


RULES = {
    "jit": _jit,
    "pjit": _jit,
    "checkpoint": _checkpoint,
    "remat2": _checkpoint,
    "custom_jvp_call": _inlined,
    "custom_vjp_call": _inlined,
    "scan": _scan,
    "cond": _cond,
}
