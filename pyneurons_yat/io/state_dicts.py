"""from_state_dict and to_state_dict: the parameters of models of other libraries, and the way back.

Data flows one way: source -> arrays by name -> exchanges -> leaves by path -> model.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import leaves_by_path
from ..core.checks import check_flag, check_kind
from .formats import SUFFIXES, read_arrays
from .leaves import described, dtype_of, in_memory, is_key, placed
from .mappings import To, exchange_table
from .torch_layouts import Exchange

TORCH = (".pt", ".pth", ".bin", ".ckpt")
COUNTERS = "num_batches_tracked"
"""What PyTorch counts in a batch norm, for which there is nothing here."""
KINDS = jnp.floating, jnp.integer, jnp.bool_, jnp.complexfloating


class Report(NamedTuple):
    """What came into a model, and what did not.

    Attributes:
        loaded: The paths that were filled, each with the names of its arrays.
        missing: The paths for which arrays were not there, each with the names that were looked
            for; with none where no entry of the mapping speaks of the path.
        unexpected: The names of arrays that nothing asked for.
        mismatched: The paths whose arrays do not fit, each with what came and what was wanted.
    """

    loaded: dict[str, tuple[str, ...]]
    missing: dict[str, tuple[str, ...]]
    unexpected: tuple[str, ...]
    mismatched: dict[str, str]

    def __str__(self) -> str:
        """What did not fit, on one line."""
        missing = [
            f"{path} ({' and '.join(names) or 'not mapped'})"
            for path, names in self.missing.items()
        ]
        others = [f"{path} ({told})" for path, told in self.mismatched.items()]
        named = {"missing": missing, "unexpected": self.unexpected, "mismatched": others}
        told = [f"{what} {', '.join(one)}" for what, one in named.items() if one]
        return "; ".join(told) or f"{len(self.loaded)} loaded, nothing else"


def from_state_dict(
    model: Any, source: Any, mapping: Mapping[str, To] | None = None, *, strict: bool = True
) -> tuple[Any, Report]:
    """Fills a model with parameters of another library, such as a `state_dict` of PyTorch.

    Each layer knows how PyTorch names and lays out its parameters, `weight` (O, I) for a kernel
    (I, O) and (O, I, W...) for (W..., I, O):

    - linear layers, convolutions, transposed convolutions, embeddings, layer, group, batch and RMS
      norms (running statistics too), PReLU;
    - `MultiHeadAttention`, whose queries, keys and values share `in_proj_weight`;
    - `RNN`, `LSTM`, `GRU` and their cells, from `weight_ih_l0`, `bias_hh_l0_reverse` and so on.

    Parts have the names that they have here: `model["conv"]` is `conv`, `model[0]` and the first
    copy of a `repeat` are `0`. Where the names differ, the mapping tells. A linear layer behind a
    flattened image sees its channels last: give it a function that turns the rows.

    Args:
        model: A model, or any pytree of arrays.
        source: Names and arrays, of NumPy, JAX or PyTorch, which may be nested; a module of
            PyTorch; or a file: `.safetensors`, `.npz`, or of `torch.save` (`.pt`, `.pth`, `.bin`,
            `.ckpt`; needs torch, which reads it with `weights_only=True`, so that no code runs).
        mapping: From paths to names. A path may have stars, which stand for the same in the name:
            `{"blocks[*].attention": "encoder.layers.*.self_attn"}`; of the copies of a `repeat` the
            name has a star for their number. What the name stands for:

            - of a part, all that is in it, named by the rules: `{"head": "fc"}`;
            - of a leaf, its array, laid out by the rule: `{"head.kernel": "fc.weight"}`;
            - `(names, function)` for a leaf: what the function makes of these arrays, a name or
              several, without any rule. `(names, function, back)` goes both ways.

            A path that leads further in goes before one of which it is a part. `{"": ""}`, the
            whole model by its own names, is the default; a mapping for some parts takes its place,
            so it begins with `"": ""` where the rest is called the same.
        strict: Whether all leaves must be filled and all arrays be used. Otherwise what does not
            fit stays as it is in the model.

    Returns:
        The filled model and a `Report` of `loaded`, `missing`, `unexpected` and `mismatched`. An
        array takes the dtype of its leaf, if both are floating, both integers or both booleans,
        and lies where the leaf lies.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If a path of the mapping leads nowhere, or a file cannot be read; with `strict`,
            if anything does not fit: one error that lists all of it.

    Example:
        >>> import jax, jax.numpy as jnp, numpy as np, pyneurons_yat as pn
        >>> model = pn.sequential({"fc": pn.Linear(jax.random.key(0), 3, 2)})
        >>> state = {"net.0.weight": np.ones((2, 3)), "net.0.bias": np.array([0.0, 1.0])}
        >>> model, report = pn.from_state_dict(model, state, {"fc": "net.0"})
        >>> model(jnp.ones(3)).tolist()
        [3.0, 4.0]
        >>> _, report = pn.from_state_dict(model, state, {"fc.bias": "net.0.bias"}, strict=False)
        >>> print(report)
        missing ['fc'].kernel (not mapped); unexpected net.0.weight
    """
    check_flag("from_state_dict", "strict", strict)
    arrays = dict(_arrays(source))
    leaves = dict(leaves_by_path(model))
    table = exchange_table("from_state_dict", model, mapping)
    filled, report = _filled(table, leaves, arrays)
    if strict and (report.missing or report.unexpected or report.mismatched):
        raise ValueError(
            f"from_state_dict: source must fit the model, got {report}; a mapping says what parts "
            f"are called there, such as {_example(report)}; strict=False takes what fits"
        )
    values = [filled.get(path, leaf) for path, leaf in leaves.items()]
    return jax.tree.unflatten(jax.tree.structure(model), values), report


def _example(report: Report) -> dict[str, str]:
    """A mapping that may be the one which is lacking."""
    if not (report.missing and report.unexpected):
        return {"": "model"}
    path, name = next(iter(report.missing)), report.unexpected[0]
    part, inside = path.rpartition(".")[0], name.rpartition(".")[0]
    return {"": "", part: inside} if inside else {"": "", path: name}


def to_state_dict(model: Any, mapping: Mapping[str, To] | None = None) -> dict[str, np.ndarray]:
    """The parameters of a model as PyTorch names and lays them out: undoes `from_state_dict`.

    Args:
        model: A model, or any pytree of arrays.
        mapping: As for `from_state_dict`. What it does not speak of is left out.

    Returns:
        NumPy arrays by name: `module.load_state_dict({n: torch.from_numpy(a) for n, a in ...})`.
        Where PyTorch adds two biases and there is one here, the second is 0.

    Raises:
        TypeError: If the mapping is of the wrong kind, or a leaf no array of numbers.
        ValueError: If a path of it leads nowhere, has a function without the way back, or a name
            is given twice.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.sequential(pn.Linear(jax.random.key(0), 3, 2))
        >>> {name: array.shape for name, array in pn.to_state_dict(model, {"": "net"}).items()}
        {'net.0.weight': (2, 3), 'net.0.bias': (2,)}
    """
    leaves, found = dict(leaves_by_path(model)), {}
    for one in exchange_table("to_state_dict", model, mapping):
        for place in one.places:
            if is_key(leaves[place]):
                raise TypeError(
                    f"to_state_dict: {place} must be an array of numbers, got a PRNG key; map the "
                    "parts without it"
                )
        arrays = one.leave(*(np.asarray(leaves[place]) for place in one.places))
        for name, array in zip(one.names, arrays, strict=True):
            if name in found:
                raise ValueError(f"to_state_dict: names must differ, got {name!r} twice")
            found[name] = np.array(array, order="C")
    return found


# ---------------------------------------------------------------------------------- the source


def _arrays(source: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of a source by name."""
    if isinstance(source, str | os.PathLike):
        source = _read(Path(source))
    if callable(getattr(source, "state_dict", None)):
        source = source.state_dict()
    check_kind("from_state_dict", "source", source, Mapping, "; or give a file name")
    for name, value in source.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", array) for inner, array in _arrays(value))
        elif hasattr(value, "shape"):
            yield str(name), _array(value)


def _array(value: Any) -> np.ndarray:
    """An array or a tensor as a NumPy array; what NumPy does not have, in float32."""
    if not hasattr(value, "detach"):
        return np.asarray(value)
    value = value.detach().cpu()
    try:
        return value.numpy()
    except TypeError:  # bfloat16 and float8
        return value.float().numpy()


def _read(path: Path) -> Any:
    if path.suffix not in (*SUFFIXES, *TORCH):
        raise ValueError(
            f"from_state_dict: source must end in {', '.join([*SUFFIXES, *TORCH])}, got "
            f"{path.name!r}"
        )
    if not path.exists():
        raise FileNotFoundError(f"from_state_dict: there is no file {path}")
    try:
        return read_arrays(path) if path.suffix in SUFFIXES else _read_torch(path)
    except ImportError:
        raise
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise ValueError(
            f"from_state_dict: {path.name} must be a file of arrays alone, got one that cannot be "
            f"read as such: {first}"
        ) from error


def _read_torch(path: Path) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


# ------------------------------------------------------------------------------------- filling


def _filled(
    table: list[Exchange], leaves: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[dict[str, Any], Report]:
    """The leaves that are filled, by path, and the report."""
    filled, seen = {}, set()
    report = Report({}, dict.fromkeys(leaves, ()), (), {})
    for one in table:
        places = [place for place in one.places if place not in seen]
        seen.update(places)
        report.missing.update(dict.fromkeys(places, one.names))
        if not all(name in arrays for name in one.names):
            continue
        given = [arrays[name] for name in one.names]
        found = _entered(one, given)
        for place in places:
            told = _misfit(found[place], leaves[place])
            came = " and ".join(
                f"{n} {described(a)}" for n, a in zip(one.names, given, strict=True)
            )
            del report.missing[place]
            if told:
                report.mismatched[place] = f"{came}: {told}"
                continue
            filled[place] = _cast(found[place], leaves[place])
            report.loaded[place] = one.names
    used = {name for one in table for name in one.names}
    others = (name for name in arrays if name.rpartition(".")[2] != COUNTERS)
    return filled, report._replace(unexpected=tuple(n for n in others if n not in used))


def _entered(one: Exchange, given: list[np.ndarray]) -> dict[str, Any]:
    """What an exchange makes of arrays, by path; where it fails, the error."""
    try:
        return dict(zip(one.places, one.enter(*given), strict=True))
    except ValueError as error:
        return dict.fromkeys(one.places, error)


def _misfit(found: Any, leaf: Any) -> str:
    """What is wrong with an array for a leaf, if anything."""
    if isinstance(found, Exception):
        return f"{found}, wanted {described(leaf)}"
    kinds = [_kind(one) for one in (found, leaf)]
    if np.shape(found) == np.shape(leaf) and kinds[0] == kinds[1] is not None:
        return ""
    return f"gives {described(found)}, wanted {described(leaf)}"


def _kind(leaf: Any) -> Any:
    return next((kind for kind in KINDS if jnp.issubdtype(dtype_of(leaf), kind)), None)


def _cast(found: Any, leaf: Any) -> Any:
    array = np.asarray(found).astype(dtype_of(leaf))
    return array if isinstance(leaf, np.ndarray | np.generic) else placed(in_memory(array), leaf)
