"""Answers at the edge: exported models of the zoo beside the same models of PyTorch, on one core.

The trained digits, CNN and GPT of `pyneurons_yat.zoo` answer one input at a time. They are run by
onnxruntime as this library exports them, with free and with fixed sizes, in float16 and with
weights as int8, and as a program of JAX. Beside them stands the same model written in PyTorch's own
operations, with the same weights, in onnxruntime and in ExecuTorch. The process is kept on one
core, and runtimes are given one thread. Each model has a case for the sizes of the files.
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

import pyneurons_yat as pn
from pyneurons_yat import zoo

from .harness import Absent, Case, Contender, Target

ROUNDS = 15
LENGTH = 64
HEADS = 4
TORCH, EXECUTORCH = "torch, onnxruntime", "torch, ExecuTorch"
ONNX, JAX, MODEL = "onnxruntime", "jax.export", "the model under jit"
VARIANTS: dict[str, dict[str, Any]] = {
    "onnxruntime, fixed sizes": {"shapes": None},
    "onnxruntime, float16": {"dtype": "float16"},
    "onnxruntime, int8 weights": {"quantize": 8},
}
NARROW = ("onnxruntime, float16", "onnxruntime, int8 weights")
WHY = {
    "digits": "a dozen operations of 1 to 3 us each: what guards a response against overflow and a "
    "distance below 0 is four of them, which the model in PyTorch does without",
    "CNN": "squares are summed over channels and then over windows, batch norms and guards are "
    "operations of their own, and layouts change around each convolution",
    "GPT": "shapes of free sizes are computed by hundreds of small operations (with fixed sizes "
    "they are gone), and each product of rows is put into a matrix and back",
}


class Subject(NamedTuple):
    """A trained model, an input, what of its sizes is free, and how PyTorch is told of it."""

    name: str
    model: Any
    x: np.ndarray
    shapes: str
    in_torch: Callable[[Any], Any]


class File(NamedTuple):
    """A call that answers the input, and the bytes of the file that it was read from."""

    call: Callable[[], Any]
    size: int


def cases() -> Iterator[Case]:
    """Latency and size of each model."""
    with _one_core():
        for subject in subjects():
            yield from of_subject(subject)


@contextmanager
def _one_core() -> Iterator[None]:
    """Keeps all threads of the process on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    threads = [int(name) for name in os.listdir("/proc/self/task")]
    before = os.sched_getaffinity(0)
    try:
        for thread in threads:
            os.sched_setaffinity(thread, {min(before)})
        yield
    finally:
        for thread in map(int, os.listdir("/proc/self/task")):
            os.sched_setaffinity(thread, before)


def subjects() -> Iterator[Subject]:
    """The three models."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 64)).astype(np.float32)
    yield Subject("digits", zoo.pretrained("digits-mlp"), x, "b, ...", in_torch("digits"))
    x = rng.random((1, 28, 28, 1)).astype(np.float32)
    yield Subject("CNN", zoo.pretrained("mnist-cnn"), x, "b, ...", in_torch("Images"))
    gpt = pn.cast(jnp.float32)(zoo.pretrained("char-gpt"))
    x = rng.integers(0, 65, (1, LENGTH)).astype(np.int32)
    yield Subject("GPT", gpt, x, "b, t", in_torch_gpt)


def in_torch(name: str) -> Callable[[Any], Any]:
    """What makes a PyTorch module of a model."""

    def make(model: Any) -> Any:
        from .peers import torch_edge

        return getattr(torch_edge, name)(model).eval()

    return make


def in_torch_gpt(model: Any) -> Any:
    """The GPT in PyTorch, its blocks one by one."""
    from .peers import torch_edge

    each = model.blocks.each
    count = jax.tree.leaves(each)[0].shape[0]
    blocks = [jax.tree.map(lambda leaf, i=i: leaf[i], each) for i in range(count)]
    return torch_edge.GPT(model, blocks, HEADS).eval()


def of_subject(subject: Subject) -> Iterator[Case]:
    """How long an answer takes, and how large the files are."""
    computes = f"the trained {subject.name}"
    found: dict[str, File | Absent] = {}
    with tempfile.TemporaryDirectory() as folder:
        found[MODEL] = File(_awaited(jax.jit(subject.model), jnp.asarray(subject.x)), 0)
        found |= ours(subject, Path(folder))
        found |= theirs(subject, Path(folder))
    rows: list[Contender | Absent] = []
    sizes: list[Contender | Absent] = []
    for name, one in found.items():
        if isinstance(one, Absent):
            rows.append(one)
            continue
        rows.append(Contender(name, "" if name in NARROW else computes, one.call))
        if one.size:
            sizes.append(Contender(name, "", lambda one=one: float(one.size)))
    base = TORCH if isinstance(found[TORCH], File) else ONNX
    target = Target(ONNX, TORCH, "<=", 1.0, why=WHY.get(subject.name, ""))
    length = f", {LENGTH} characters" if subject.name == "GPT" else ""
    yield Case(f"edge {subject.name}, one input{length}", base, rows, [target])
    yield Case(f"edge {subject.name}, size of the file", base, sizes, unit="bytes")


def _awaited(function: Callable[..., Any], x: Any) -> Callable[[], Any]:
    return lambda: jax.block_until_ready(function(x))


def ours(subject: Subject, folder: Path) -> dict[str, File | Absent]:
    """What this library exports."""

    def of_jax() -> File:
        path = pn.export(subject.model, subject.x, folder / "m.jax", shapes=subject.shapes)
        program = jax.export.deserialize(bytearray(path.read_bytes()))
        return File(_awaited(jax.jit(program.call), jnp.asarray(subject.x)), path.stat().st_size)

    def of_onnx(options: dict[str, Any]) -> File:
        path = folder / "m.onnx"
        pn.export(subject.model, subject.x, path, **{"shapes": subject.shapes, **options})
        return in_onnxruntime(path.read_bytes(), subject.x)

    found = either({JAX: of_jax}, "flatbuffers")
    kinds = {ONNX: {}, **VARIANTS}.items()
    calls = {name: lambda options=options: of_onnx(options) for name, options in kinds}
    return found | either(calls, "jax2onnx onnxruntime")


def theirs(subject: Subject, folder: Path) -> dict[str, File | Absent]:
    """What PyTorch exports of the same model."""
    found = either({TORCH: lambda: of_torch(subject, folder)}, "torch onnxscript onnxruntime")
    return found | either({EXECUTORCH: lambda: of_executorch(subject, folder)}, "executorch")


def either(calls: dict[str, Callable[[], File]], install: str) -> dict[str, File | Absent]:
    """What the calls make, or rows that say what is missing."""
    found: dict[str, File | Absent] = {}
    for name, call in calls.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[name] = call()
        except ImportError:
            found[name] = Absent(name, f"pip install {install}")
    return found


def in_onnxruntime(content: bytes, x: np.ndarray) -> File:
    """A model in onnxruntime, with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    fed = {session.get_inputs()[0].name: x}
    return File(lambda: session.run(None, fed)[0], len(content))


def example(subject: Subject) -> Any:
    """The input in PyTorch."""
    import torch

    return torch.tensor(subject.x)


def of_torch(subject: Subject, folder: Path) -> File:
    """The model of PyTorch as `torch.onnx.export` writes it."""
    import torch

    x, path = example(subject), folder / "torch.onnx"
    names = [name.strip() for name in subject.shapes.split(",")]
    axes = {i: torch.export.Dim(name) for i, name in enumerate(names) if name != "..."}
    sample = x.expand(2, *x.shape[1:]).clone()  # a size of 1 would be taken for fixed
    options: dict[str, Any] = {"dynamic_shapes": (axes,), "dynamo": True, "verbose": False}
    module = subject.in_torch(subject.model)
    torch.onnx.export(module, (sample,), path, external_data=False, **options)
    return in_onnxruntime(path.read_bytes(), subject.x)


def of_executorch(subject: Subject, folder: Path) -> File:
    """The model of PyTorch as ExecuTorch lowers it to XNNPACK, for this one size."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.runtime import Runtime

    x = example(subject)
    traced = torch.export.export(subject.in_torch(subject.model), (x,))
    lowered = to_edge_transform_and_lower(traced, partitioner=[XnnpackPartitioner()])
    content = lowered.to_executorch().buffer
    program = Runtime.get().load_program(content)
    method = program.load_method("forward")
    kept = content, program  # which the method points to

    def call(_: Any = kept) -> Any:
        return method.execute((x,))[0]

    return File(call, len(content))
