"""Programs in ONNX, written by jax2onnx and run by onnxruntime."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..ops import forward_mode
from .interface import Interface, dtype_in
from .plain_programs import simplified

CURE = "export it to .jax, or with fixed sizes (shapes=None)"
FAR = 0.05
"""How far onnxruntime may be from JAX, as a share of the largest output, for a file to be written.

What is wrong is far off; narrow dtypes and ill-conditioned models are within it.
"""


def written(
    program: Callable[..., Any],
    interface: Interface,
    inputs: Any,
    platforms: Sequence[str] | None,
    derivatives: int,
) -> bytes:
    """The bytes of a program.

    The plain definitions of ops are written, which are fewer and larger operations than those in
    blocks.
    """
    if platforms is not None or derivatives:
        raise ValueError("export: platforms and derivatives must come with .jax, got .onnx")
    specs, tree = jax.tree.flatten(interface.inputs)
    _check_sizes(specs)
    names, returned = interface.names()

    def of_arrays(*arrays: Any) -> list[Any]:
        return jax.tree.leaves(program(*jax.tree.unflatten(tree, arrays)))

    wide = any(spec.dtype == np.float64 for spec in jax.tree.leaves(tuple(interface)))
    with forward_mode(True), jax.enable_x64(wide), _in_silence(), functions_kept():
        plain = simplified(of_arrays, *specs)
        model = _converted(plain, specs, wide, input_names=names, output_names=returned)
        _check(model, names, of_arrays, _drawn(jax.tree.leaves(inputs), specs))
    return model


def _check_sizes(specs: Sequence[Any]) -> None:
    for size in {size for spec in specs for size in spec.shape}:
        if not (isinstance(size, int) or str(size).isidentifier()):
            raise ValueError(f"export: a size of ONNX must be a number or a name, got {size}")


@contextmanager
def _in_silence() -> Iterator[None]:
    """Without what the exporter warns of and logs, which users can do nothing about."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def functions_kept() -> Iterator[None]:
    """JAX's functions are its own again afterwards: jax2onnx 0.17 leaves another `jnp.cumsum`."""
    before = [(module, dict(vars(module))) for module in (jax, jax.lax, jax.nn, jnp)]
    try:
        yield
    finally:
        for module, held in before:
            for name, function in held.items():
                setattr(module, name, function)


def _converted(plain: Callable[..., Any], specs: Any, wide: bool, **names: Any) -> bytes:
    try:
        import jax2onnx
    except ImportError as error:
        raise _lacking("export", "jax2onnx") from error
    try:
        model = jax2onnx.to_onnx(
            plain, specs, model_name="model", enable_double_precision=wide, **names
        )
        return model.SerializeToString(deterministic=True)
    except Exception as error:
        raise ValueError(
            f"export: jax2onnx must know every operation of the model, got: {_line(error)}; {CURE}"
        ) from error


def _lacking(function: str, package: str) -> ImportError:
    return ImportError(
        f"{function}: {package} must be installed, got none; pip install 'pyneurons_yat[onnx]'"
    )


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _check(
    model: bytes, names: Sequence[str], of_arrays: Callable[..., Any], arrays: Sequence[Any]
) -> None:
    """Refuses what onnxruntime cannot run, or computes otherwise than JAX."""
    try:
        found = _session("export", model).run(None, dict(zip(names, arrays, strict=True)))
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"export: onnxruntime must run what jax2onnx wrote, got: {_line(error)}; {CURE}"
        ) from error
    for one, two in zip(found, jax.jit(of_arrays)(*arrays), strict=True):
        same = one.shape == two.shape and one.dtype == two.dtype
        most = float(jnp.max(jnp.abs(two), initial=0))
        if not same or not np.allclose(one, two, rtol=FAR, atol=FAR * most, equal_nan=True):
            raise ValueError(
                f"export: onnxruntime must compute what JAX does, got something else; {CURE}"
            )


def _drawn(inputs: Sequence[Any], specs: Sequence[Any]) -> list[np.ndarray]:
    """Arrays to check a program with: normal ones, and 0 for integers, which may be indices.

    Their free sizes are those of the inputs, or 3 instead of 1, which would fit anything.
    """
    rng, sizes = np.random.default_rng(0), {}
    arrays = []
    for given, spec in zip(inputs, specs, strict=True):
        for free, size in zip(spec.shape, np.shape(given), strict=True):
            sizes.setdefault(free, size if isinstance(free, int) or size > 1 else 3)
        shape = [sizes[size] for size in spec.shape]
        floating = jnp.issubdtype(spec.dtype, jnp.floating)
        drawn = rng.normal(size=shape) if floating else np.full(shape, spec.dtype == bool)
        arrays.append(np.asarray(drawn, spec.dtype))
    return arrays


def _session(function: str, model: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise _lacking(function, "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def read(content: bytes, interface: Interface) -> Callable[..., Any]:
    """The function that a program is."""
    session = _session("load_exported", content)
    tree, names = jax.tree.structure(interface.outputs), interface.names()[0]
    dtypes = [np.dtype(dtype_in(text)) for text in jax.tree.leaves(interface.inputs)]

    def call(*inputs: Any) -> Any:
        arrays = zip(names, jax.tree.leaves(inputs), dtypes, strict=True)
        fed = {name: np.asarray(array, dtype) for name, array, dtype in arrays}
        return jax.tree.unflatten(tree, session.run(None, fed))

    return call
