"""save and load: the leaves of a tree by their key paths, in a safetensors or npz file."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import exportable, leaves_by_path
from ..ops.quantization import check_bits
from . import structure
from .checksums import checksums_of
from .entries import Pieces, pieces_of
from .file_names import checked_path
from .formats import (
    IN_STEPS,
    STEP,
    SUFFIXES,
    Contents,
    OtherFormatError,
    check,
    contents_of,
    in_order,
    opened,
    stored,
    write,
)
from .leaves import Found, as_stored, described, entry_of, found, is_key, placed
from .processes import agree, alone, in_all, put_together, share_of, spans
from .replacing import replacing
from .rounding import rounded, unrounded


def save(path: str | os.PathLike[str], tree: Any, *, quantize: int | None = None) -> Path:
    """Writes the leaves of a model, or of any pytree, to a file by key path.

    The file holds arrays and names, not code. Where the layers and functions of a model are those
    of the library, of `jax.nn`, `jax.numpy` or `jax.lax`, `load(path)` makes it again from their
    names. Where a part is of your own, `load(path, like)` needs a model of the same structure.

    It is written beside its place and moved there when complete, so a broken-off save leaves the
    old file; what a killed process left beside it goes at the next save. Other programs can read a
    safetensors file: bfloat16 and the float8 of the format stand there as such. The arrays go one
    by one, so no second copy of the tree is in memory.

    Where an array spans processes, as under `jax.distributed`, all of them call `save` with the
    same path, which the first one writes; it returns in all when the file is there, and fails in
    all if it fails in one. Of what lies in each process by itself, that of the first is written. A
    tree of such leaves alone is written by whoever calls, who does not wait for others.

    Args:
        path: A file name that ends in `.safetensors` (needs the extra `io`) or `.npz`.
        tree: A model or a pytree of arrays and numbers; PRNG keys and bfloat16 are kept as such. A
            number has the dtype that JAX gives it, or 64 bits where it is too large for that.
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
        ValueError: If the name ends otherwise, two leaves have the same path, or `quantize` is not
            from 2 to 16.
        ImportError: If safetensors is wanted and absent.
        OSError: If the file cannot be written, here or in another process.

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
    path = checked_path("save", path, SUFFIXES, "; it comes first")
    if quantize is not None:
        check_bits("save", quantize)
    contents = _contents(path.suffix, tree, quantize)
    pieces = pieces_of(contents.entries, in_order(path.suffix, contents.entries))
    if spans(tree):
        _write_together(path, contents, pieces)
    else:
        _write(path, contents, pieces)
    return path


def _write(path: Path, contents: Contents, pieces: Pieces) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        write(file, path.suffix, contents, pieces)


def _write_together(path: Path, contents: Contents, pieces: Pieces) -> None:
    """The first process writes; all fetch each block, wait for the end, and hear of an error."""
    failed = None
    try:
        if jax.process_index() == 0:
            _write(path, contents, pieces)
    except Exception as error:
        failed = error
    for _ in pieces:  # what has not been written the other processes are fetching all the same
        pass
    agree("save", failed)


def _contents(suffix: str, tree: Any, bits: int | None) -> Contents:
    leaves, entries, dtypes = _by_path("save", tree), {}, {}
    for name, leaf in leaves.items():
        dtypes[name], entries[name] = entry_of(name or "the root", leaf)
    for name, steps in ({} if bits is None else rounded(tree, bits)).items():
        dtypes[name] += IN_STEPS
        for key, part in ((name, steps.multiples), (STEP + name, steps.step)):
            _, entries[key] = entry_of(key, part)
    entries = {name: as_stored(one, stored(suffix, one.dtype)) for name, one in entries.items()}
    return Contents(entries, dtypes, json.dumps(structure.written(tree), separators=(",", ":")))


def load(path: str | os.PathLike[str], like: Any = None) -> Any:
    """Reads what `save` wrote: makes the model again, or fills the structure of another tree.

    A file is read, never run. Without `like` the names in it lead to layers and functions of the
    library and of JAX alone. A safetensors file is read array by array, and shard by shard where
    `like` has shards, so no second copy of the tree is in memory.

    Where a leaf of `like` spans processes, all of them call `load`. Each looks over its share of
    the file and then reads its own shards; it fails in all if it fails in one.

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
        OSError: If another process could not read the file.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> with __import__("tempfile").TemporaryDirectory() as folder:
        ...     path = pn.save(f"{folder}/model.npz", pn.Linear(jax.random.key(0), 3, 2))
        ...     pn.load(path, like=pn.Linear(jax.random.key(1), 3, 4))
        Traceback (most recent call last):
        ValueError: load: .kernel is float32[3,2] in model.npz, but float32[3,4] in like
    """
    path = checked_path("load", path, SUFFIXES)
    with ExitStack() as stack:
        contents = _opened(stack, path, together=spans(like))
        leaves = _leaves(path.name, contents)
        if like is None:
            return _made_again(path.name, contents.structure, leaves)
        return _filled(path.name, leaves, like)


def _opened(stack: ExitStack, path: Path, *, together: bool) -> Contents:
    """The checked contents of a file, which stays open as long as the stack.

    Together each process looks over its share of the arrays, and all come to the same.
    """
    run = in_all if together else alone
    contents, metadata = run("load", lambda: _read(path, lambda: _entered(stack, path)))
    names = sorted(contents.entries)
    mine = {name: contents.entries[name] for name in (share_of(names) if together else names)}
    sums = run("load", lambda: _read(path, lambda: checksums_of(mine)))
    if together:
        sums = put_together(path.name, json.dumps([names, metadata]), names, sums)
    _read(path, lambda: check(contents, metadata, sums))
    return contents


def _entered(stack: ExitStack, path: Path) -> tuple[Contents, Any]:
    entries, metadata = stack.enter_context(opened(path))
    return contents_of(entries, metadata), metadata


def _by_path(function: str, tree: Any) -> dict[str, Any]:
    pairs = leaves_by_path(tree)
    leaves = dict(pairs)
    if len(leaves) < len(pairs):
        raise ValueError(f"{function}: two leaves of the tree have the same path; rename one")
    return leaves


def _read(path: Path, action: Callable[[], Any]) -> Any:
    """What comes of reading a file; an error says what is wrong with it."""
    if not path.exists():
        raise FileNotFoundError(f"load: there is no file {path}")
    try:
        return action()
    except ImportError:
        raise
    except OtherFormatError as error:
        raise ValueError(f"load: {path.name} {error}") from error
    except Exception as error:
        raise _damaged(path.name, error) from error


def _damaged(file: str, error: Any) -> ValueError:
    return ValueError(f"load: {file} is damaged, or was not written by save: {error}")


def _leaves(file: str, contents: Contents) -> dict[str, Found]:
    """The leaves that save wrote, by path."""
    try:
        return {name: _leaf(contents, name) for name in contents.dtypes}
    except Exception as error:
        raise _damaged(file, error) from error


def _leaf(contents: Contents, name: str) -> Found:
    entry, dtype = contents.entries[name], contents.dtypes[name]
    if not dtype.endswith(IN_STEPS):
        return found(entry, dtype)
    return unrounded(entry, contents.entries[STEP + name], dtype.removesuffix(IN_STEPS))


def _made_again(file: str, told: str | None, leaves: dict[str, Found]) -> Any:
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
    if {*names} != {*leaves}:
        raise _damaged(file, "its structure has other leaves")
    arrays = [jnp.asarray(_held(file, name, leaves[name]).whole()) for name in names]
    return exportable(jax.tree.unflatten(jax.tree.structure(tree), arrays))


def _filled(file: str, leaves: dict[str, Found], like: Any) -> Any:
    """The structure of a tree with the leaves of a file, which must be those of the tree."""
    wanted = _by_path("load", like)
    differing = {
        "lacks": wanted.keys() - leaves.keys(),
        "has extra": leaves.keys() - wanted.keys(),
    }
    told = [
        f"{what} {', '.join(map(_named, sorted(names)))}"
        for what, names in differing.items()
        if names
    ]
    if told:
        raise ValueError(
            f"load: {file} {' and '.join(told)}; like must have the structure of what was saved"
        )
    arrays = [_fitting(file, name, leaves[name], leaf) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), arrays)


def _named(path: str) -> str:
    return path or "the root"


def _fitting(file: str, name: str, leaf: Found, like: Any) -> Any:
    told, expected = described(leaf), described(like)
    if told != expected:
        raise ValueError(f"load: {_named(name)} is {told} in {file}, but {expected} in like")
    if isinstance(like, np.ndarray | np.generic):
        return leaf.whole()
    return placed(_held(file, name, leaf), like)


def _held(file: str, name: str, leaf: Found) -> Found:
    """What JAX arrays can hold as it is."""
    usual = leaf.dtype if is_key(leaf) else jax.dtypes.canonicalize_dtype(leaf.dtype)
    if usual != leaf.dtype:
        raise ValueError(
            f"load: {_named(name)} is {described(leaf)} in {file}, which would become "
            f'{usual}; enable x64 (jax.config.update("jax_enable_x64", True)), or load into NumPy '
            "arrays in like"
        )
    return leaf
