"""name and capture: values marked inside a computation, and how to get at them from outside.

`name` marks a value with JAX's own checkpoint name. `capture` traces the function and evaluates
what was traced once more, with the marked values as further outputs of every scan, jit,
checkpoint and cond that they lie in. What holds no marked value is evaluated as it stands.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
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
from .jaxprs import inner_jaxprs
from .layer import Around
from .model import Model, map_below
from .parametrise import is_parametrised
from .paths import Keys, text

Found = OrderedDict[str, list[jax.Array]]
"""The values of each label, in the order in which they are computed; a tree, as JAX sees it."""


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
            Attention layers called without a `block_size` give "attention_weights" (*B, N, T, S)
            as well, which are formed for `capture` alone; under `jax.jit`, only if they are used.

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
        f = _labelled(f)

    def capturing(*args: Any, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        leaves, structure = jax.tree.flatten((args, keywords))
        arrays = {i: leaf for i, leaf in enumerate(leaves) if hasattr(leaf, "dtype")}

        def flat(*arrays_now: Any) -> Any:
            now = dict(zip(arrays, arrays_now, strict=True))
            rest = [now.get(i, leaf) for i, leaf in enumerate(leaves)]  # such as flags
            args, keywords = jax.tree.unflatten(structure, rest)
            return f(*args, **keywords)

        with _capturing(True):
            closed, shape = jax.make_jaxpr(flat, return_shape=True)(*arrays.values())
        values, found = _evaluate(closed, *arrays.values())
        seen = {label: v[0] if len(v) == 1 else tuple(v) for label, v in found.items()}
        return jax.tree.unflatten(jax.tree.structure(shape), values), seen

    return capturing


# ------------------------------------------------------------------ inner models, by their paths


class OfPart(str):
    """The label of what a part of a model puts out: it is captured where it can be."""


_capturing = jax.make_user_context(default_value=False)


def offer(label: str, compute: Callable[[], Any]) -> None:
    """Marks, for `capture` alone, what a function computes, where it can be captured.

    Elsewhere it is not called, so that what nobody asks for costs nothing.
    """
    if _capturing.value:
        name(compute(), OfPart(label))


@dataclass(frozen=True)
class Labelled(Around):
    """The `apply` of a model whose output is marked with its path."""

    label: str

    def __call__(self, params: Any, *args: Any, **options: Any) -> Any:
        return name(self.layer.apply(params, *args, **options), OfPart(self.label))


def _labelled(model: Model, keys: Keys = ()) -> Model:
    """The model with every model in it, but not itself, marking its output with its path."""
    return map_below(_marking, model, keys)


def _marking(keys: Keys, model: Model) -> Model:
    if is_parametrised(model):
        return model
    layer, inner = model.layer, _labelled(model, keys)
    marked = with_fields(layer, apply=Labelled(layer, text(keys)), observe=None)
    return Model(marked, inner.params, model.static)


# ------------------------------------------------------------------- evaluation with more outputs


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


def _evaluate(closed: ClosedJaxpr, *args: Any) -> tuple[list[Any], Found]:
    """The outputs of a jaxpr and the marked values in it."""
    jaxpr = closed.jaxpr
    if not _marks(jaxpr):
        return list(jaxpr_as_fun(closed)(*args)), OrderedDict()
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *args], strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else known[atom]

    found: list[Found] = []
    for equation in jaxpr.eqns:
        if _holds(equation):
            values, more = _opened(equation, [read(atom) for atom in equation.invars])
            found.append(more)
        else:
            inputs = [atom for atom in equation.invars if not isinstance(atom, Literal)]
            alone = jaxpr.replace(
                constvars=[], invars=inputs, outvars=equation.outvars, eqns=[equation]
            )
            values = jaxpr_as_fun(ClosedJaxpr(alone, []))(*map(read, inputs))
        known.update(zip(equation.outvars, values, strict=True))
    return [read(atom) for atom in jaxpr.outvars], _joined(found)


def _joined(each: Iterable[Found]) -> Found:
    """What several have found, one after another."""
    joined: Found = OrderedDict()
    for found in each:
        for label, values in found.items():
            joined[label] = [*joined.get(label, []), *values]
    return joined


def _opened(equation: Any, values: list[Any]) -> tuple[Sequence[Any], Found]:
    """The outputs of an equation that is, or holds, a marked value, and what is marked."""
    kind, params = equation.primitive.name, equation.params
    if kind == "name":
        marked = OrderedDict({params["name"]: values[:1]})
        return [checkpoint_name(values[0], params["name"])], marked
    if kind not in RULES:
        cure = "use jax.lax.scan" if kind == "while" else "mark the value outside"
        raise ValueError(f"capture: a value inside {kind} cannot be captured; {cure}")
    return RULES[kind](params, values)


def _jit(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    def function(*args: Any) -> tuple[list[Any], Found]:
        return _evaluate(params["jaxpr"], *args)

    function.__name__ = params["name"]
    return jax.jit(function)(*values)


def _checkpoint(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    function = partial(_evaluate, ClosedJaxpr(params["jaxpr"], ()))
    again = jax.checkpoint(function, policy=params["policy"], prevent_cse=params["prevent_cse"])
    return again(*values)


def _inlined(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    return _evaluate(params["call_jaxpr"], *values)


def _scan(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    consts, carries = _scan_counts(params)
    function = partial(_evaluate, params["jaxpr"], *values[:consts])

    def body(carry: list[Any], x: list[Any]) -> tuple[list[Any], Any]:
        out, found = function(*carry, *x)
        return out[:carries], (out[carries:], found)

    carry, (ys, found) = jax.lax.scan(
        body,
        values[consts : consts + carries],
        values[consts + carries :],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *ys], found


def _scan_counts(params: dict[str, Any]) -> tuple[int, int]:
    """How many inputs of a scan are constants, and how many are its carry."""
    if "ft_in" in params:  # JAX 0.12
        consts, carry, _ = params["ft_in"].unpack()
        return len(consts), len(carry)
    return params["num_consts"], params["num_carry"]


def _cond(params: dict[str, Any], values: list[Any]) -> tuple[list[Any], Found]:
    """Each branch returns what is marked in any of them."""
    which, *args = values
    branches = [partial(_evaluate, branch) for branch in params["branches"]]
    every = [jax.eval_shape(branch, *args)[1] for branch in branches]

    def returning(position: int, *args: Any) -> tuple[list[Any], Found]:
        out, here = branches[position](*args)
        missing = [jax.tree.map(_missing, found) for found in every]
        return out, _joined([*missing[:position], here, *missing[position + 1 :]])

    return jax.lax.switch(which, [partial(returning, i) for i in range(len(every))], *args)


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
