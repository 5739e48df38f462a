"""save and load: the leaves of a tree by their key paths, in a safetensors or npz file."""

import json
import os
import secrets
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

FORMAT = "pyneurons_yat 1"
SUFFIXES = (".safetensors", ".npz")


class Contents(NamedTuple):
    """What a file holds: arrays by path, and the dtype of each in words."""

    arrays: dict[str, np.ndarray]
    dtypes: dict[str, str]

    def metadata(self) -> dict[str, str]:
        """What stands beside the arrays; the checksum tells whether any bit was changed."""
        dtypes = json.dumps(self.dtypes, sort_keys=True)
        checksum = zlib.crc32(dtypes.encode())
        for name in sorted(self.arrays):
            array = self.arrays[name]
            checksum = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), checksum)
            checksum = zlib.crc32(np.ravel(array).view(np.uint8).data, checksum)
        return {"format": FORMAT, "dtypes": dtypes, "checksum": str(checksum)}


def save(path: str | os.PathLike[str], tree: Any) -> Path:
    """Writes the leaves of a model, or of any pytree, to a file by key path.

    The file holds arrays, not code: `load` needs a tree of the same structure to put them into. It
    is written beside its place and moved there when complete, so a broken-off save leaves the old
    file.

    Args:
        path: A file name that ends in `.safetensors` (needs the extra `io`) or `.npz`.
        tree: A model or a pytree of arrays and numbers; PRNG keys and bfloat16 are kept as such. A
            number has the dtype that JAX gives it, or 64 bits where it is too large for that.

    Returns:
        The path.

    Raises:
        TypeError: If a leaf is no array of numbers, or the kind of file cannot hold its dtype.
        ValueError: If the name ends otherwise, or two leaves have the same path.
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
        contents.dtypes[name], contents.arrays[name] = _plain(name, leaf)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            _write(file, path.suffix, contents)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def load(path: str | os.PathLike[str], like: Any) -> Any:
    """Reads what `save` wrote into the structure of another tree.

    Args:
        path: A file that `save` wrote.
        like: A tree of the same structure, shapes and dtypes, such as a freshly created model, or
            one of `jax.ShapeDtypeStruct` leaves, as `jax.eval_shape` makes it.

    Returns:
        A tree of the structure of `like` with the arrays of the file: NumPy arrays where `like` has
        such, JAX arrays elsewhere.

    Raises:
        FileNotFoundError: If there is no such file.
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
    found, wanted = _read(path), _by_path("load", like)
    for complaint, names in (
        ("lacks", wanted.keys() - found.keys()),
        ("has extra", found.keys() - wanted.keys()),
    ):
        if names:
            raise ValueError(f"load: {path.name} {complaint} {', '.join(sorted(names))}")
    leaves = [_fitting(path.name, name, found[name], leaf) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _checked(function: str, path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"{function}: path must end in {' or '.join(SUFFIXES)}, but {path.name!r} came"
        )
    return path


def _by_path(function: str, tree: Any) -> dict[str, Any]:
    pairs = tree_flatten_with_path(tree)[0]
    leaves = {keystr(keys): leaf for keys, leaf in pairs}
    if len(leaves) < len(pairs):
        raise ValueError(f"{function}: two leaves of the tree have the same path; rename one")
    return leaves


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


def _plain(name: str, leaf: Any) -> tuple[str, np.ndarray]:
    """The dtype of a leaf in words, and the leaf as an array that any kind of file can hold."""
    if _is_key(leaf):
        return f"key {jax.random.key_impl(leaf)}", np.asarray(jax.random.key_data(leaf))
    dtype = _dtype(leaf)
    place = name or "the root"
    if not (jnp.issubdtype(dtype, np.number) or jnp.issubdtype(dtype, np.bool_)):
        raise TypeError(
            f"save: {place} must be an array of numbers, but a {type(leaf).__name__} of dtype "
            f"{dtype} came"
        )
    array = np.asarray(leaf, np.dtype(dtype.name), order="C")
    return dtype.name, array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array


def _restored(array: np.ndarray, dtype: str) -> Any:
    """Undoes `_plain`."""
    if dtype.startswith("key "):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=dtype.removeprefix("key "))
    return array.view(dtype) if array.dtype.name != dtype else array


def _fitting(file: str, name: str, found: Any, like: Any) -> Any:
    told, expected, place = _described(found), _described(like), name or "the root"
    if told != expected:
        raise ValueError(f"load: {place} is {told} in {file}, but {expected} in like")
    if isinstance(like, np.ndarray | np.generic):
        return found
    array = jnp.asarray(found)
    if array.dtype != found.dtype:
        raise ValueError(
            f"load: {place} is {told} in {file}, which would become {array.dtype}; enable x64 "
            '(jax.config.update("jax_enable_x64", True)), or load into NumPy arrays in like'
        )
    return array


def _described(leaf: Any) -> str:
    return f"{_dtype(leaf).name}[{','.join(map(str, np.shape(leaf)))}]"


def _write(file: Any, suffix: str, contents: Contents) -> None:
    arrays, metadata = contents.arrays, contents.metadata()
    if suffix == ".npz":
        entries: dict[str, Any] = {**arrays, "__metadata__": np.array(json.dumps(metadata))}
        np.savez(file, **entries)
        return
    from safetensors import SafetensorError
    from safetensors.numpy import save as serialise

    try:
        file.write(serialise(arrays, metadata=metadata))
    except SafetensorError as error:
        raise TypeError(f"save: {error}; a .npz file can hold it") from error


def _read(path: Path) -> dict[str, Any]:
    """The leaves that save wrote, by path."""
    try:
        arrays, metadata = _read_npz(path) if path.suffix == ".npz" else _read_safetensors(path)
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT!r}")
        contents = Contents(arrays, json.loads(metadata["dtypes"]))
        if contents.metadata() != metadata:
            raise ValueError("its checksum is wrong")
        return {name: _restored(arrays[name], dtype) for name, dtype in contents.dtypes.items()}
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"load: {path.name} is damaged, or was not written by save: {error}"
        ) from error


def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    if not zipfile.is_zipfile(path):
        raise ValueError("no zip archive")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as entries:
        arrays = {name: entries[name] for name in entries.files}
    return arrays, json.loads(str(arrays.pop("__metadata__", "{}")))


def _read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
