"""inspect and doctor: what a file holds, and what this installation has."""

import argparse
import platform
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn

from ..data import load_csv
from .machine import version
from .parsing import Option

INSPECT = (
    Option("file", "a model (.safetensors, .npz), an npz or a csv file", Path),
    Option("--shapes-only", "no values", None),
)
EXTRAS = {
    "demo": ("scikit-learn", "matplotlib", "tqdm"),
    "export": ("flatbuffers",),
    "io": ("safetensors",),
    "notebooks": ("ipykernel", "nbclient", "nbformat"),
    "onnx": ("jax2onnx", "onnxruntime"),
    "peers": ("nmn", "flax", "equinox"),
}
CORE = ("jax", "jaxlib", "optax", "multipledispatch", "numpy")


def inspect(options: argparse.Namespace) -> int:
    """Prints the arrays of a file: name, dtype, shape, and the range and mean of their numbers."""
    path = options.file
    if not path.is_file():
        raise FileNotFoundError(f"inspect: there is no file {path}")
    arrays = _arrays(path)
    width = max(map(len, arrays), default=0)
    for name, array in arrays.items():
        dtype = np.asarray(array).dtype
        told = "" if options.shapes_only else _numbers(np.asarray(array))
        print(f"{name:{width}}  {dtype.name}{list(array.shape)}{told}".rstrip())
    return 0


def _arrays(path: Path) -> dict[str, Any]:
    """The arrays of a file by name."""
    if path.suffix == ".csv":
        table = load_csv(path, label=None)
        return dict(zip(table.features, table.x.T, strict=True))
    if path.suffix == ".npz":
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, "flax") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    raise ValueError(f"inspect: the file must end in .npz, .safetensors or .csv, got {path}")


def _numbers(array: np.ndarray) -> str:
    """The range and the mean of an array of numbers."""
    if not array.size or array.dtype.kind not in "fiub":
        return ""
    wide = array.astype(np.float64)
    return f"  {wide.min():.4g} to {wide.max():.4g}, mean {wide.mean():.4g}"


def doctor(options: argparse.Namespace) -> int:
    """Prints what is installed, what JAX runs on, and which extras are missing."""
    rows: list[tuple[str, Any]] = [("pyneurons_yat", pn.__version__)]
    rows += [("python", f"{platform.python_version()} on {platform.platform()}")]
    rows += [(name, version(name) or "missing") for name in CORE]
    rows += [("backend", jax.default_backend())]
    rows += [("devices", ", ".join(str(device) for device in jax.devices()))]
    rows += [("default dtype", jnp.result_type(float).name)]
    for extra, names in EXTRAS.items():
        rows += [(name, version(name) or f"missing: {install(extra)}") for name in names]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:{width}}  {value}" for name, value in rows))
    return 0


def install(extra: str) -> str:
    """The command that installs an extra."""
    return f'pip install "pyneurons_yat[{extra}]"'
