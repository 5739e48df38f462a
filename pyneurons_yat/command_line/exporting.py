"""export: a trained model, pruned and with narrower weights, as a program or as a smaller file."""

import argparse
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import pyneurons_yat as pn

from .. import by_name, zoo
from ..core import leaves_by_path
from .networks import is_weight
from .parsing import Option, integer

PROGRAMS, MODELS = (".jax", ".onnx"), (".safetensors", ".npz")
EXPORT = (
    Option("model", "a file that train wrote (--save-weights), or a trained model of the zoo"),
    Option("--to", "file to write: a program, .jax or .onnx, or a model, .safetensors or .npz",
           Path, required=True),
    Option("--inputs", "what the program takes, such as float32[b,64]; words are free sizes, and"
           " semicolons stand between several inputs (default: rows for the first kernel)"),
    Option("--prune", "Magnitude(SHARE), SET(SHARE) or Threshold(VALUE): the weights that become"
           " 0, kernel by kernel"),
    Option("--quantize", "bits of the integers that stand for weights in the file", integer(2, 16)),
    Option("--dtype", "of the weights, and of computing", str, None,
           ("float32", "float16", "bfloat16")),
)  # fmt: skip
INPUT = re.compile(r"([a-z]+\d*)\[([\w ,]*)\]")


def export(options: argparse.Namespace) -> int:
    """Writes the file, and tells its size beside that of the numbers in the model."""
    path = options.to
    if path.suffix not in PROGRAMS + MODELS:
        raise ValueError(f"--to must end in {' or '.join(PROGRAMS + MODELS)}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--to: there is no folder {path.parent}")
    model = _found(options.model)
    whole = sum(leaf.nbytes for leaf in jax.tree.leaves(model))
    if options.prune is not None:
        model = _pruned(model, options.prune)
    _write(path, model, options)
    print(f"{path}  {path.stat().st_size:,} bytes; the numbers of the model were {whole:,}")
    return 0


def _found(name: str) -> pn.Model:
    """The model of a file, or a trained one of the zoo."""
    cards = zoo.model_cards()
    if name in cards:
        return zoo.pretrained(name)
    if not Path(name).suffix:
        raise ValueError(f"model must be a file or one of {', '.join(cards)}, got {name!r}")
    return pn.load(name)


def _pruned(model: pn.Model, text: str) -> pn.Model:
    """The model with 0 for the weights that a rule takes, and a line that tells how many."""
    rule = by_name.pruning(text)
    kernels, rest = pn.partition(model, is_weight, ...)
    kept = jax.tree.map(lambda w: jnp.where(rule(w), 0, w), kernels)
    leaves = jax.tree.leaves(kept)
    share = sum(int((leaf == 0).sum()) for leaf in leaves) / sum(leaf.size for leaf in leaves)
    print(f"{share:.1%} of {pn.count(kept):,} weights are 0")
    return pn.merge(kept, rest)


def _write(path: Path, model: pn.Model, options: argparse.Namespace) -> None:
    narrow = {"dtype": options.dtype, "quantize": options.quantize}
    if path.suffix in PROGRAMS:
        x, shapes = _inputs(options.inputs) if options.inputs else _rows(model)
        pn.export(model, x, path, shapes=shapes, **narrow)
        return
    if options.inputs is not None:
        raise ValueError(f"--inputs must come with a program, got {str(path)!r}")
    if options.dtype is not None:
        model = pn.bake(pn.reparam(model, pn.cast(options.dtype, "params")))
    pn.save(path, model, quantize=options.quantize)


def _inputs(text: str) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Shapes for `pn.export`, and which of their sizes are free."""
    found = [INPUT.fullmatch(one.strip()) for one in text.split(";")]
    if not all(found):
        raise ValueError(f"--inputs must be as in float32[b,64];int32[b], got {text!r}")
    pairs = [one.groups() for one in found if one]
    return tuple(_shape(*pair) for pair in pairs), tuple(shape for _, shape in pairs)


def _shape(dtype: str, shape: str) -> jax.ShapeDtypeStruct:
    sizes = [size.strip() for size in shape.split(",") if size.strip()]
    try:
        numbers = [int(size) if size.isdecimal() else 1 for size in sizes]
        return jax.ShapeDtypeStruct(tuple(numbers), jnp.dtype(dtype))
    except TypeError:
        raise ValueError(f"--inputs must have a dtype of JAX, got {dtype!r}") from None


def _rows(model: pn.Model) -> tuple[Any, Any]:
    """Rows for the kernel that a model begins with, if it begins with one of two axes."""
    path, leaf = next(iter(leaves_by_path(model)), ("", jnp.zeros(())))
    if not path.endswith(".kernel") or leaf.ndim != 2:
        raise ValueError("--inputs must tell what the model takes, such as float32[b,28,28,1]")
    return jax.ShapeDtypeStruct((1, leaf.shape[0]), leaf.dtype), "b, ..."
