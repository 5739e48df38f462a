"""save and load: the leaves of a tree by their key paths, in a safetensors or npz file."""

import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import exportable, leaves_by_path
from ..ops.quantization import Steps, check_bits
from . import structure
from .formats import IN_STEPS, STEP, SUFFIXES, Contents, OtherFormatError, read, stored, write
from .leaves import described, is_key, placed, plain, restored
from .replacing import replacing
from .rounding import rounded, unrounded


def save(path: str | os.PathLike[str], tree: Any, *, quantize: int | None = None) -> Path:
    """Writes the leaves of a model, or of any pytree, to a file by key path.

    The file holds arrays and names, not code. Where the layers and functions of a model are those
    of the library, of `jax.nn`, `jax.numpy` or `jax.lax`, `load(path)` makes it again from their
    names. Where a part is of your own, `load(path, like)` needs a model of the same structure.

    It is written beside its place and moved there when complete, so a broken-off save leaves the
    old file; what a killed process left beside it goes at the next save. Other programs can read a
    safetensors file: bfloat16 and the float8 of the format stand there as such.

    Args:
        path: A file name that ends in `.safetensors` (needs the extra `io`) or `.npz`.
        tree: A model or a pytree of arrays and numbers; PRNG keys and bfloat16 are kept as such. A
            number has the dtype that JAX gives it, or 64 bits where it is too large for that. An
            array in shards is gathered on the host.
        quantize: Bits, from 2 to 16, of the integers that the file holds in place of weights, with
            a step for each output: 8 make a file of float32 a quarter as large. They take 8 bits up
            to there and 16 above. Weights are floating arrays of two axes or more that are trained
            or frozen; of these, those that become smaller. They are loaded in their own dtype, as
            what the transform `quantize` makes of them.

    Returns:
        The path.

    Raises:
        TypeError: If `path` is no file name, a leaf is no array of numbers, or the kind of file
            cannot hold its dtype.
        ValueError: If the name ends otherwise, two leaves have the same path, an array spans
            processes, so that this one does not have all of it, or `quantize` is not from 2 to 16.
        ImportError: If safetensors is wanted and absent.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 300, 200)
        >>> with __import__("tempfile").TemporaryDirectory() as folder:
        ...     path = pn.save(f"{folder}/model.npz", model)
        ...     small = pn.save(f"{folder}/small.npz", model, quantize=8)
        ...     again, share = pn.load(path), small.stat().st_size / path.stat().st_size
        >>> bool((again.kernel == model.kernel).all()), share < 0.3
        (True, True)
    """
    path = _checked("save", path)
    if quantize is not None:
        check_bits("save", quantize)
    contents = _contents(path.suffix, tree, quantize)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        write(file, path.suffix, contents)
    return path


def _contents(suffix: str, tree: Any, bits: int | None) -> Contents:
    leaves, arrays, dtypes = _by_path("save", tree), {}, {}
    for name, leaf in leaves.items():
        dtypes[name], arrays[name] = plain(name or "the root", leaf)
    for name, steps in ({} if bits is None else rounded(tree, bits)).items():
        dtypes[name] += IN_STEPS
        arrays[name], arrays[STEP + name] = steps
    arrays = {name: stored(suffix, array) for name, array in arrays.items()}
    return Contents(arrays, dtypes, json.dumps(structure.written(tree), separators=(",", ":")))


def load(path: str | os.PathLike[str], like: Any = None) -> Any:
    """Reads what `save` wrote: makes the model again, or fills the structure of another tree.

    A file is read, never run. Without `like` the names in it lead to layers and functions of the
    library and of JAX alone.

    Args:
        path: A file that `save` wrote.
        like: A tree of the same structure, shapes and dtypes, such as a freshly created model, or
            one of `jax.ShapeDtypeStruct` leaves, as `jax.eval_shape` makes it. It is needed where a
            layer or function of the model is not of the library or of JAX.

    Returns:
        A tree of the structure that was saved, of JAX arrays; with `like`, of the structure of
        `like`, of NumPy arrays where `like` has such. There an array has the sharding of its leaf
        in `like`, if that has one; each device receives its shard alone.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If `path` is no file name, or a leaf of `like` is neither an array nor a number.
        ValueError: If the file is damaged, was not written by `save` or by a later version, or if
            an entry is missing, extra, of another shape or dtype than in `like`, or of 64 bits
            where JAX arrays have 32; the message names it. Without `like`, if the file tells no
            structure or one with names that lead nowhere; the message lists them.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> with __import__("tempfile").TemporaryDirectory() as folder:
        ...     path = pn.save(f"{folder}/model.npz", pn.Linear(jax.random.key(0), 3, 2))
        ...     pn.load(path, like=pn.Linear(jax.random.key(1), 3, 4))
        Traceback (most recent call last):
        ValueError: load: .kernel is float32[3,2] in model.npz, but float32[3,4] in like
    """
    path = _checked("load", path)
    if not path.exists():
        raise FileNotFoundError(f"load: there is no file {path}")
    contents = _read(path)
    found = _found(path.name, contents)
    if like is None:
        return _made_again(path.name, contents.structure, found)
    wanted = _by_path("load", like)
    for complaint, names in (
        ("lacks", wanted.keys() - found.keys()),
        ("has extra", found.keys() - wanted.keys()),
    ):
        if names:
            listed = ", ".join(sorted(name or "the root" for name in names))
            raise ValueError(f"load: {path.name} {complaint} {listed}")
    leaves = [_fitting(path.name, name, found[name], leaf) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _checked(function: str, path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"{function}: path must be a file name, got a {type(path).__name__}; it comes first"
        )
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{function}: path must end in {' or '.join(SUFFIXES)}, got {path.name!r}")
    return path


def _by_path(function: str, tree: Any) -> dict[str, Any]:
    pairs = leaves_by_path(tree)
    leaves = dict(pairs)
    if len(leaves) < len(pairs):
        raise ValueError(f"{function}: two leaves of the tree have the same path; rename one")
    return leaves


def _read(path: Path) -> Contents:
    try:
        return read(path)
    except ImportError:
        raise
    except OtherFormatError as error:
        raise ValueError(f"load: {path.name} {error}") from error
    except Exception as error:
        raise _damaged(path.name, error) from error


def _damaged(file: str, error: Any) -> ValueError:
    return ValueError(f"load: {file} is damaged, or was not written by save: {error}")


def _found(file: str, contents: Contents) -> dict[str, Any]:
    """The leaves that save wrote, by path."""
    try:
        return {name: _leaf(contents, name) for name in contents.dtypes}
    except Exception as error:
        raise _damaged(file, error) from error


def _leaf(contents: Contents, name: str) -> Any:
    array, dtype = contents.arrays[name], contents.dtypes[name]
    if not dtype.endswith(IN_STEPS):
        return restored(array, dtype)
    return unrounded(Steps(array, contents.arrays[STEP + name]), dtype.removesuffix(IN_STEPS))


def _made_again(file: str, told: str | None, found: dict[str, Any]) -> Any:
    """The tree whose structure a file tells, with the leaves that it holds."""
    if told is None:
        raise ValueError(
            f"load: {file} must tell its structure, got a file of an earlier version; pass like"
        )
    unknown: list[str] = []
    try:
        tree = structure.read(json.loads(told), unknown)
        names = [] if unknown else list(_by_path("load", tree))
    except Exception as error:
        raise _damaged(file, error) from error
    if unknown:
        listed = ", ".join(sorted(set(unknown)))
        raise ValueError(
            f"load: {file} must hold layers and functions of the library or of JAX, got {listed}; "
            "pass like, a tree of the same structure"
        )
    if {*names} != {*found}:
        raise _damaged(file, "its structure has other leaves")
    leaves = [jnp.asarray(_held(file, name, found[name])) for name in names]
    return exportable(jax.tree.unflatten(jax.tree.structure(tree), leaves))


def _fitting(file: str, name: str, found: Any, like: Any) -> Any:
    told, expected = described(found), described(like)
    if told != expected:
        raise ValueError(f"load: {name or 'the root'} is {told} in {file}, but {expected} in like")
    if isinstance(like, np.ndarray | np.generic):
        return found
    return placed(_held(file, name, found), like)


def _held(file: str, name: str, found: Any) -> Any:
    """What JAX arrays can hold as it is."""
    usual = found.dtype if is_key(found) else jax.dtypes.canonicalize_dtype(found.dtype)
    if usual != found.dtype:
        raise ValueError(
            f"load: {name or 'the root'} is {described(found)} in {file}, which would become "
            f'{usual}; enable x64 (jax.config.update("jax_enable_x64", True)), or load into NumPy '
            "arrays in like"
        )
    return found
