"""save and load: the leaves of a tree by their key paths, in a safetensors or npz file."""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..core import leaves_by_path
from .formats import SUFFIXES, Contents, read, stored, write
from .replacing import replacing


def save(path: str | os.PathLike[str], tree: Any) -> Path:
    """Writes the leaves of a model, or of any pytree, to a file by key path.

    The file holds arrays, not code: `load` needs a tree of the same structure to put them into. It
    is written beside its place and moved there when complete, so a broken-off save leaves the old
    file; what a killed process left beside it goes at the next save. Other programs can read a
    safetensors file: bfloat16 and the float8 of the format stand there as such.

    Args:
        path: A file name that ends in `.safetensors` (needs the extra `io`) or `.npz`.
        tree: A model or a pytree of arrays and numbers; PRNG keys and bfloat16 are kept as such. A
            number has the dtype that JAX gives it, or 64 bits where it is too large for that. An
            array in shards is gathered on the host.

    Returns:
        The path.

    Raises:
        TypeError: If `path` is no file name, a leaf is no array of numbers, or the kind of file
            cannot hold its dtype.
        ValueError: If the name ends otherwise, two leaves have the same path, or an array spans
            processes, so that this one does not have all of it.
        ImportError: If safetensors is wanted and absent.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> model = pn.Linear(jax.random.key(0), 3, 2)
        >>> with __import__("tempfile").TemporaryDirectory() as folder:
        ...     path = pn.save(f"{folder}/model.npz", model)
        ...     again = pn.load(path, like=pn.Linear(jax.random.key(1), 3, 2))
        >>> bool((again.kernel == model.kernel).all())
        True
    """
    path = _checked("save", path)
    contents = Contents({}, {})
    for name, leaf in _by_path("save", tree).items():
        contents.dtypes[name], array = _plain(name or "the root", leaf)
        contents.arrays[name] = stored(path.suffix, array)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        write(file, path.suffix, contents)
    return path


def load(path: str | os.PathLike[str], like: Any) -> Any:
    """Reads what `save` wrote into the structure of another tree.

    Args:
        path: A file that `save` wrote.
        like: A tree of the same structure, shapes and dtypes, such as a freshly created model, or
            one of `jax.ShapeDtypeStruct` leaves, as `jax.eval_shape` makes it.

    Returns:
        A tree of the structure of `like` with the arrays of the file: NumPy arrays where `like` has
        such, JAX arrays elsewhere. An array has the sharding of its leaf in `like`, if that has
        one; each device receives its shard alone.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If `path` is no file name, or a leaf of `like` is neither an array nor a number.
        ValueError: If the file is damaged or was not written by `save`, or if an entry is missing,
            extra, of another shape or dtype than in `like`, or of 64 bits where JAX arrays have 32;
            the message names it.

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
    wanted, found = _by_path("load", like), _found(path)
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


def _found(path: Path) -> dict[str, Any]:
    """The leaves that save wrote, by path."""
    try:
        contents = read(path)
        return {
            name: _restored(contents.arrays[name], dtype) for name, dtype in contents.dtypes.items()
        }
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"load: {path.name} is damaged, or was not written by save: {error}"
        ) from error


def _dtype(leaf: Any) -> Any:
    """The dtype of an array, or the one that JAX gives to a number, if it can hold it."""
    if type(leaf) in (bool, int, float, complex):
        exact, usual = np.asarray(leaf), np.dtype(jnp.result_type(leaf))
        return usual if _holds(usual, exact) else exact.dtype
    return getattr(leaf, "dtype", np.dtype(object))


def _holds(dtype: np.dtype, number: np.ndarray) -> bool:
    """Whether a dtype, of the kind of a number, is wide enough for it; rounding is no matter."""
    if number.dtype == object:
        return False
    with np.errstate(over="ignore"):
        held = number.astype(dtype)
    integer = dtype.kind in "iub"
    return bool(held == number if integer else np.isfinite(held) or not np.isfinite(number))


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(_dtype(leaf), jax.dtypes.prng_key)


def _plain(place: str, leaf: Any) -> tuple[str, np.ndarray]:
    """The dtype of a leaf in words, and the leaf as a NumPy array."""
    _check_at_hand(place, leaf)
    if _is_key(leaf):
        return f"key {jax.random.key_impl(leaf)}", np.asarray(jax.random.key_data(leaf))
    dtype = _dtype(leaf)
    if not (jnp.issubdtype(dtype, np.number) or jnp.issubdtype(dtype, np.bool_)):
        raise TypeError(
            f"save: {place} must be an array of numbers, got a {type(leaf).__name__} of dtype "
            f"{dtype}"
        )
    return dtype.name, np.asarray(leaf, np.dtype(dtype.name), order="C")


def _check_at_hand(place: str, leaf: Any) -> None:
    """Refuses an array of which other processes have a part that this one does not have."""
    if isinstance(leaf, Tracer) or not isinstance(leaf, jax.Array):
        return
    if not leaf.is_fully_addressable and not leaf.is_fully_replicated:
        raise ValueError(
            f"save: {place} must be on the devices of this process, got an array that spans "
            "processes; gather it first (jax.experimental.multihost_utils.process_allgather), or "
            "save with Orbax"
        )


def _restored(array: np.ndarray, dtype: str) -> Any:
    """Undoes `_plain`, and the change of dtype that the kind of file may have asked for."""
    if dtype.startswith("key "):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=dtype.removeprefix("key "))
    return array.view(dtype) if array.dtype.name != dtype else array


def _fitting(file: str, name: str, found: Any, like: Any) -> Any:
    told, expected, place = _described(found), _described(like), name or "the root"
    if told != expected:
        raise ValueError(f"load: {place} is {told} in {file}, but {expected} in like")
    if isinstance(like, np.ndarray | np.generic):
        return found
    usual = found.dtype if _is_key(found) else jax.dtypes.canonicalize_dtype(found.dtype)
    if usual != found.dtype:
        raise ValueError(
            f"load: {place} is {told} in {file}, which would become {usual}; enable x64 "
            '(jax.config.update("jax_enable_x64", True)), or load into NumPy arrays in like'
        )
    sharding = _sharding(like)
    if sharding is None:
        return jnp.asarray(found)
    if _is_key(found):
        return jax.device_put(found, sharding)
    return jax.make_array_from_callback(found.shape, sharding, lambda index: found[index])


def _sharding(like: Any) -> Any:
    """The sharding that a leaf asks for: a shape by naming it, an array by being put somewhere."""
    if isinstance(like, jax.Array) and not isinstance(like, Tracer):
        return like.sharding if like.committed or len(like.sharding.device_set) > 1 else None
    return like.sharding if isinstance(like, jax.ShapeDtypeStruct) else None


def _described(leaf: Any) -> str:
    return f"{_dtype(leaf).name}[{','.join(map(str, np.shape(leaf)))}]"
