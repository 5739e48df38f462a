"""Training end to end: four networks beside those of six peers, to a fixed loss.

For each task: the time of a step (batch in, adam done), the steps until the loss is down, what
that makes in time, the memory for intermediate results, and the time to compile. Networks, batches
and optimizer are equal; steps to the loss are counted for this library's two networks from their
own initial weights, and taken for the peers that build the same one. Peers on JAX are trained in
one and the same compiled step; PyTorch is eager.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from . import peers
from .floor import as_row
from .harness import Absent, Case, Contender, Result, Target, elapsed
from .steps import PLAIN, YAT, Trainer, ours, steps_to
from .tasks import Size, Task, tasks

ROUNDS = 9
COMPILED = {"gpt": 3}
"""How often a task's step is compiled for its time; where that takes under a second, 5 times."""
MOST = {"mlp": 2000, "cnn": 1500, "gru": 1500, "gpt": 150}
HALF = (jnp.bfloat16, jnp.float16)


def cases(size: Size = Size(), *, half: bool = False, count: bool = True) -> Iterator[Case]:  # noqa: B008 - a tuple
    """The cases of all tasks; with `half`, the GPT's steps in narrow dtypes too."""
    for task in tasks(size):
        yield from of_task(task, half=half and task.kind == "gpt", count=count)


def of_task(task: Task, *, half: bool, count: bool) -> Iterator[Case]:
    """Step, steps to the loss, memory and compile time of a task."""
    found: list[Trainer | Absent] = list(ours(task))
    for dtype in HALF if half else ():
        found += ours(task, dtype)
    for name in peers.PEERS:
        found += peers.of(name, task)
    rivals = [one.name for one in found if one.name not in (YAT, PLAIN)]
    if count:  # from the initial weights, so before the steps that are timed
        yield loss_case(task, present(found[:2]))
    yield step_case(task, found, rivals)
    memory = {one.name: one.bytes for one in present(found) if one.bytes is not None}
    why = WHY_BYTES.get(task.kind, ""), WHY_SECONDS.get(task.kind, "")
    yield numbers_case(f"{task.name}, temporary memory of a step", "bytes", found, memory, why[0])
    compiling = compile_seconds(found, COMPILED.get(task.kind, 5))
    yield numbers_case(
        f"{task.name}, trace and compile a step", "seconds", found, compiling, why[1]
    )


def step_case(task: Task, found: list[Trainer | Absent], rivals: list[str]) -> Case:
    """Seconds of a step; each peer of the same network is a bound."""
    bounds = [
        Target(YAT if "Yat" in name else PLAIN, name, "<=", 1.1, why=WHY.get(task.kind, ""))
        for name in rivals
        if "float16" not in name
    ]
    title = f"{task.name}, a step on {task.data}"
    return Case(title, PLAIN, [as_row(one) for one in found], bounds, rate="steps/s")


def present(found: list[Trainer | Absent]) -> list[Trainer]:
    """Those that can run here."""
    return [one for one in found if isinstance(one, Trainer)]


def compile_seconds(found: list[Trainer | Absent], turns: int) -> dict[str, list[float]]:
    """Seconds to trace and compile each step, as they take turns."""
    compiling = [(one.name, one.compiles) for one in present(found) if one.compiles]
    seconds: dict[str, list[float]] = {name: [] for name, _ in compiling}
    for turn in range(turns):
        for name, compiles in compiling[:: -1 if turn % 2 else 1]:
            seconds[name].append(elapsed(compiles, 1))
    return seconds


def numbers_case(
    name: str, unit: str, found: list[Trainer | Absent], numbers: Mapping[str, Any], why: str
) -> Case:
    """What was found when the steps were compiled, by name."""
    rows: list[Contender | Absent] = [
        one
        if isinstance(one, Absent)
        else Contender(one.name, "", partial(np.ravel, numbers[one.name]))
        for one in found
        if isinstance(one, Absent) or one.name in numbers
    ]
    return Case(name, PLAIN, rows, unit=unit, why=why)


def loss_case(task: Task, found: list[Trainer]) -> Case:
    """Steps of this library's networks until the mean loss of ten steps is down."""
    rows = [
        Contender(one.name, "", partial(steps_to, task.loss, one, MOST[task.kind])) for one in found
    ]
    return Case(f"{task.name}, steps to a loss of {task.loss}", PLAIN, rows, unit="steps")


def pairs(results: Sequence[Result]) -> Iterator[tuple[Result, Result]]:
    """Of each task the result of its step, and that of its steps to the loss."""
    for steps in results:
        task, mark, _ = steps.case.name.partition(", steps to a loss of ")
        for step in results if mark else ():
            if step.case.name.startswith(f"{task}, a step on "):
                yield step, steps


def time_to_loss(step: Result, steps: Result) -> Result:
    """Seconds to a loss: the time of each step measured, times the steps that its network takes.

    A network that did not get there in the steps allowed has no row.
    """
    rows, samples = [], {}
    for row in step.case.contenders:
        count = steps.samples[YAT if "Yat" in row.name else PLAIN][0]
        if isinstance(row, Absent) or "float16" in row.name or count == float("inf"):
            continue
        rows.append(row)
        samples[row.name] = [count * seconds for seconds in step.samples[row.name]]
    title = steps.case.name.replace("steps to a loss", "time to a loss")
    why = next((target.why for target in step.case.targets), "")
    return Result(
        Case(title, PLAIN if PLAIN in samples else next(iter(samples), ""), rows, why=why), samples
    )


WHY: dict[str, str] = {
    "mlp": "under a millisecond: how arrays are passed decides tens of microseconds of it",
    "cnn": "not found: in the suite conv both convolutions take the same time",
    "gpt": "every network on JAX does, plain JAX by 1.5: XLA's passes between the products",
}
WHY_BYTES = {
    "gru": "the inputs of all times are multiplied before the loop, which is faster; that is kept",
}
WHY_SECONDS = {
    "gpt": "a loop over blocks takes XLA longer than four written out; of 12 blocks it is as long",
}
