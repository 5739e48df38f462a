"""Layouts: which arrays of PyTorch hold the parameters of which layer, and how they are laid out.

An `Exchange` tells of some leaves of a model and of the names under which others hold them. Most
tell of one leaf; where PyTorch holds several in one array, or one in several, of all of these.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from ..core import Model
from ..core.paths import children
from ..core.repeat import Repeated
from ..ops.convolution import exchanged
from .known import kind_of

Arrays = tuple[Any, ...]


class Exchange(NamedTuple):
    """The paths of leaves, the names of arrays, and the functions from these to those and back."""

    places: tuple[str, ...]
    names: tuple[str, ...]
    enter: Callable[..., Arrays]
    leave: Callable[..., Arrays]

    def within(self, path: str, name: str) -> "Exchange":
        """The same of a part at a path, which others hold under a name."""
        places = tuple(path + place for place in self.places)
        return self._replace(places=places, names=tuple(joined(name, one) for one in self.names))


def joined(name: str, inner: str) -> str:
    """The name of what lies within what has a name, which may be empty."""
    return f"{name}.{inner.removeprefix('.')}".strip(".")


def same(*arrays: Any) -> Arrays:
    """The arrays as they are."""
    return arrays


def channels_last(weight: Any) -> Arrays:
    """(O, I, W...) as (W..., I, O)."""
    return (np.moveaxis(weight, (0, 1), (-1, -2)),)


def channels_first(kernel: Any) -> Arrays:
    """(W..., I, O) as (O, I, W...)."""
    return (np.moveaxis(kernel, (-1, -2), (0, 1)),)


# ----------------------------------------------------------------------------- rules of layers

FIELDS = {
    "weights": {"kernel": "weight", "bias": "bias"},
    "norms": {"scale": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"},
    "vectors": {"embedding": "weight"},
    "slopes": {"alpha": "weight"},
}
KINDS = {
    **dict.fromkeys(["Conv", "Linear", "YatConv", "YatDense"], "weights"),
    **dict.fromkeys(["BatchNorm", "GroupNorm", "LayerNorm", "RMSNorm"], "norms"),
    **dict.fromkeys(["Embed", "YatEmbed"], "vectors"),
    "PReLU": "slopes",
}


def _by_field(model: Model) -> list[Exchange]:
    fields = FIELDS[KINDS[str(kind_of(model.layer))]]
    laid = {"kernel": (channels_last, channels_first)}
    return [Exchange(("." + f,), (n,), *laid.get(f, (same, same))) for f, n in fields.items()]


def _transposed(model: Model) -> list[Exchange]:
    """The kernel of a transposed convolution: PyTorch holds that of the convolution back."""
    static = dict(model.static)
    turn = partial(exchanged, groups=static.get("feature_group_count", 1))
    bias = Exchange((".bias",), ("bias",), same, same)
    if static.get("transpose_kernel", False):
        return [Exchange((".kernel",), ("weight",), channels_last, channels_first), bias]

    def enter(weight: Any) -> Arrays:
        return (turn(*channels_last(weight)),)

    def leave(kernel: Any) -> Arrays:
        return channels_first(turn(kernel))

    return [Exchange((".kernel",), ("weight",), enter, leave), bias]


def _attention(model: Model) -> list[Exchange]:
    """Queries, keys and values: one array where all have the same inputs."""
    parts = [model.params.query, model.params.key, model.params.value]
    if any(kind_of(part.layer) != "Linear" for part in (*parts, model.params.output)):
        return []
    names = "query", "key", "value"
    kernels, biases = (tuple(f".{one}.{f}" for one in names) for f in ("kernel", "bias"))
    cuts = np.cumsum([part.kernel.shape[-1] for part in parts])[:-1]

    def cut(weight: Any) -> Arrays:
        return tuple(np.split(weight.T, cuts, axis=-1))

    def join(*arrays: Any) -> Arrays:
        return (np.concatenate(arrays, axis=-1).T,)

    held = [Exchange(biases, ("in_proj_bias",), cut, join)]
    if len({part.kernel.shape[0] for part in parts}) == 1:
        held.append(Exchange(kernels, ("in_proj_weight",), cut, join))
    else:
        each = zip(kernels, ("q_proj_weight", "k_proj_weight", "v_proj_weight"), strict=True)
        held += [Exchange((k,), (name,), channels_last, channels_first) for k, name in each]
    output = [one.within(".output", "out_proj") for one in _by_field(model.params.output)]
    return [*held, *output]


def _cell(model: Model, end: str = "") -> list[Exchange]:
    """A recurrent cell. PyTorch adds two biases; here the second is the candidate's of a GRU."""
    held = {".kernel": "weight_ih", ".recurrent_kernel": "weight_hh"}
    kernels = [Exchange((k,), (n + end,), channels_last, channels_first) for k, n in held.items()]
    names = "bias_ih" + end, "bias_hh" + end
    if kind_of(model.layer) != "GRUCell":
        total = Exchange((".bias",), names, lambda a, b: (a + b,), lambda a: (a, np.zeros_like(a)))
        return [*kernels, total]

    def enter(of_x: Any, of_h: Any) -> Arrays:
        n = len(of_h) // 3 * 2
        return np.concatenate([of_x[:n] + of_h[:n], of_x[n:]]), of_h[n:]

    def leave(bias: Any, recurrent: Any) -> Arrays:
        return bias, np.concatenate([np.zeros_like(bias[len(recurrent) :]), recurrent])

    return [*kernels, Exchange((".bias", ".recurrent_bias"), names, enter, leave)]


def _recurrent(model: Model) -> list[Exchange]:
    """The layers of an RNN, each of a cell or a pair."""
    found = []
    for i, layer in enumerate(model.params.cells):
        both = isinstance(layer, tuple)
        for way, cell in enumerate(layer if both else (layer,)):
            if kind_of(cell.layer) in ("SimpleCell", "LSTMCell", "GRUCell"):
                path = f".cells[{i}]" + (f"[{way}]" if both else "")
                end = f"_l{i}" + ("_reverse" if way else "")
                found += [one.within(path, "") for one in _cell(cell, end)]
    return found


RULES: dict[str, Callable[[Any], list[Exchange]]] = {
    **dict.fromkeys(KINDS, _by_field),
    **dict.fromkeys(["ConvTranspose", "YatConvTranspose"], _transposed),
    "MultiHeadAttention": _attention,
    **dict.fromkeys(["SimpleCell", "LSTMCell", "GRUCell"], _cell),
    **dict.fromkeys(["RNN", "LSTM", "GRU"], _recurrent),
}


# ------------------------------------------------------------------------------- whole models


def exchanges(tree: Any, path: str = "", name: str = "") -> list[Exchange]:
    """What stands at a path, of which others speak by a name: as its layers' rules say it.

    Parts and leaves of which no rule speaks have the names that they have here: `.hidden[0].alpha`
    is `hidden.0.alpha`. The copies of a `repeat` are numbered like the parts of a sequence.
    """
    leaves = {place for place, _ in _leaves(tree, path)}
    found, done = [], set()
    for one in _told(tree, path, name):
        places = set(one.places)
        if places <= leaves and not places & done:
            found.append(one)
            done |= places
    return found


def _told(tree: Any, path: str, name: str) -> Iterator[Exchange]:
    """As `exchanges`, with places that are told of twice, of which the first counts, or absent."""
    params = tree.params if isinstance(tree, Model) else tree
    if isinstance(params, Repeated):
        one, n = copies(params.each)
        yield from spread(partial(exchanges, one, f"{path}.each"), joined(name, "*"), (n,))
        return
    if isinstance(tree, Model) and (rule := RULES.get(str(kind_of(tree.layer)))):
        yield from (one.within(path, name) for one in rule(tree))
    inside = children(tree)[0]
    if not inside and not _is_empty(tree):
        yield Exchange((path,), (name,), same, same)
    for key, child in inside:
        yield from _told(child, path + key.shown, joined(name, key.plain if key.shown else ""))


def _leaves(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    inside = children(tree)[0]
    if not inside and not _is_empty(tree):
        yield path, tree
    for key, child in inside:
        yield from _leaves(child, path + key.shown)


def _is_empty(tree: Any) -> bool:
    return not jax.tree.leaves(tree)


def copies(each: Any) -> tuple[Any, int]:
    """One of the copies that are stacked in a tree, as shapes, and their number."""
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), each)
    return one, jax.tree.leaves(each)[0].shape[0]


def spread(
    make: Callable[[str], list[Exchange]], name: str, numbers: tuple[int, ...]
) -> list[Exchange]:
    """The exchanges of stacked copies; the first `*` of the name is the number of the copy."""
    if not numbers:
        return make(name)
    n, *inner = numbers
    each = (spread(make, name.replace("*", str(i), 1), tuple(inner)) for i in range(n))
    return [_stacked(group) for group in zip(*each, strict=True)]


def _stacked(group: tuple[Exchange, ...]) -> Exchange:
    """The exchange of copies that lie on the first axis of their leaves."""
    names = tuple(name for one in group for name in one.names)

    def enter(*arrays: Any) -> Arrays:
        given = iter(arrays)
        each = (one.enter(*(next(given) for _ in one.names)) for one in group)
        return tuple(map(np.stack, zip(*each, strict=True)))

    def leave(*stacks: Any) -> Arrays:
        copies = zip(*stacks, strict=True)
        each = (one.leave(*arrays) for one, arrays in zip(group, copies, strict=True))
        return tuple(array for arrays in each for array in arrays)

    return Exchange(group[0].places, names, enter, leave)
