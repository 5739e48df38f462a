"""export and load_exported: a model as a program that runs without this library."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from . import jax_programs, onnx_programs
from .file_names import checked_path
from .interface import Interface, checked, specified
from .narrowing import narrowed
from .plain import plain, restored
from .replacing import replacing
from .seals import SealError, opened, sealed


class Kind(NamedTuple):
    """A kind of program: how it is written, and how what is written becomes a function."""

    write: Callable[..., bytes]
    read: Callable[[bytes, Interface], Callable[..., Any]]


KINDS = {
    ".jax": Kind(jax_programs.written, jax_programs.read),
    ".onnx": Kind(onnx_programs.written, onnx_programs.read),
}


def export(
    model: Callable[..., Any],
    x: Any,
    path: str | os.PathLike[str],
    *,
    shapes: Any = "b, ...",
    constraints: Sequence[str] = (),
    dtype: Any = None,
    quantize: int | None = None,
    platforms: Sequence[str] | None = None,
    derivatives: int = 0,
) -> Path:
    """Writes a model as a program, which runs where this library is not installed.

    A name that ends in `.jax` makes a program of `jax.export`: StableHLO with the weights in it. A
    process that has jax and flatbuffers alone runs it with three lines:

        import jax.export
        program = jax.export.deserialize(bytearray(open("model.jax", "rb").read()))
        y = program.call(x)

    A name that ends in `.onnx` makes an ONNX model (by jax2onnx), for onnxruntime and whatever else
    reads that format. `load_exported` makes a function of either file, after it has checked it.

    Args:
        model: A model, or any function of arrays; inference is written. Where it takes options,
            fix them first: `functools.partial(model, is_causal=True)`.
        x: An example of the input, or its shape (`jax.ShapeDtypeStruct`). Its sizes and dtypes are
            those of the program. A tuple is several inputs, `model(*x)`. Named tuples, such as a
            graph, are dictionaries of their fields in the program, and so are those that the model
            returns.
        path: A file name that ends in `.jax` or `.onnx`.
        shapes: Which sizes are free, in the words of `jax.export.symbolic_shape`: by default
            `"b, ..."`, the first of every array, by one name. `"b, t, ..."` frees a length too.
            None leaves all fixed. A tree of such strings, a prefix of x, tells them array by array:
            `("b, t, ...", "b, 1, t, t")` for tokens and their mask. Where one string stands for
            all, single numbers keep their shape.
        constraints: What is promised of the free sizes, such as `["t >= 2"]`, where a model needs
            it.
        dtype: Floating dtype to store weights and to compute in, such as float16, which makes the
            file half as large. The program takes x as it is and answers in the dtypes that it had.
            Running statistics stay as they are.
        quantize: Bits, from 2 to 16, of the integers that stand for weights in the file, as in
            `save`; 8 make it a quarter as large. They are multiplied out when it runs.
        platforms: What a `.jax` program runs on: some of "cpu", "cuda", "rocm", "tpu"; None for
            the one at hand.
        derivatives: How often a `.jax` program can be differentiated by its inputs.

    Returns:
        The path.

    Raises:
        TypeError: If model is no function; if weights are to be narrowed and it is no model; if x
            holds what is neither an array nor a plain container.
        ValueError: If the name ends otherwise, the shapes do not fit x, the model cannot be written
            with sizes that free, or jax2onnx lacks an operation of the model; the message names it.
        ImportError: If flatbuffers, or jax2onnx, is absent; the extras `export` and `onnx` bring
            them.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.YatDense(jax.random.key(0), 64, 10)
        >>> with __import__("tempfile").TemporaryDirectory() as folder:
        ...     path = pn.export(model, jnp.ones((1, 64)), f"{folder}/model.jax")
        ...     program = jax.export.deserialize(bytearray(path.read_bytes()))
        >>> program.call(jnp.ones((5, 64))).shape
        (5, 10)
    """
    path = checked_path("export", path, KINDS)
    if not callable(model):
        raise TypeError(f"export: model must be a model or a function, got {type(model).__name__}")
    given = x if type(x) is tuple else (x,)
    inputs = plain("export", "x", given)
    specs = specified(inputs, shapes, constraints, alone=given is not x)
    call = narrowed(model, dtype, quantize)

    def program(*arrays: Any) -> Any:
        return plain("export", "what the model returns", call(*map(restored, given, arrays)))

    try:
        interface = Interface(specs, jax.eval_shape(program, *specs))
        content = KINDS[path.suffix].write(program, interface, inputs, platforms, derivatives)
    except jax.errors.InconclusiveDimensionOperation as error:
        raise ValueError(
            "export: shapes must free sizes that the model leaves open, got "
            f"{str(error).splitlines()[0]}; promise something of it by constraints, or fix it"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(sealed(content, interface.written()))
    return path


def load_exported(path: str | os.PathLike[str]) -> Callable[..., Any]:
    """Reads what `export` wrote: a function of the inputs that the model was exported with.

    The file is checked first: its seal tells whether any bit of it was changed. As a program can
    do what it likes with the machine's time and memory, run only what you trust.

    Args:
        path: A file that `export` wrote.

    Returns:
        A function. Inputs of other shapes and dtypes than the file tells are refused. A `.jax`
        program can be called under `jax.jit`, and under `jax.grad` as often as it was exported
        for; an `.onnx` one runs in onnxruntime, on the CPU, and returns NumPy arrays.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If path is no file name.
        ValueError: If the name ends otherwise, the file is damaged, was not written by `export`,
            by a later version of it, or by a later version of JAX than this one can read.
        ImportError: If flatbuffers, or onnxruntime, is absent.

    Example:
        >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
        >>> model = pn.YatDense(jax.random.key(0), 64, 10)
        >>> with __import__("tempfile").TemporaryDirectory() as folder:
        ...     path = pn.export(model, jnp.ones((1, 64)), f"{folder}/model.jax")
        ...     run = pn.load_exported(path)
        >>> run(jnp.ones((5, 64))).shape
        (5, 10)
        >>> run(jnp.ones((5, 63)))
        Traceback (most recent call last):
        ValueError: model.jax: x must be float32[b,64] where b = 5, got float32[5,63]
    """
    path = checked_path("load_exported", path, KINDS)
    if not path.exists():
        raise FileNotFoundError(f"load_exported: there is no file {path}")
    try:
        content, told = opened(path.read_bytes())
        interface = Interface.read(told)
    except SealError as error:
        raise ValueError(f"load_exported: {path.name} {error}") from error
    try:
        run = KINDS[path.suffix].read(content, interface)
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"load_exported: {path.name} must be of a version that is read here, jax "
            f"{jax.__version__}, got one of jax {told['jax']}: {error}"
        ) from error

    check = checked(path.name, interface)

    def call(*inputs: Any) -> Any:
        return run(*check(*inputs))

    return call
