"""memory: what a step of training will need on each device, before it runs."""

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from ..core import Model
from ..core.signatures import options_of
from .losses import mse
from .recipe import Loss, check_model
from .train_step import TrainState, in_place, train_step
from .workspace import workspace

if TYPE_CHECKING:
    import optax


class StepMemory(NamedTuple):
    """The bytes that a step of training needs on each device.

    Attributes:
        parameters: The model: what trains and what else it holds.
        optimizer_state: The optimizer's state, and what else a `TrainState` holds.
        batch: Inputs and targets.
        temporaries: What the compiled program sets aside: activations kept for the reverse pass,
            gradients, and what lies between operations.
        workspace: What convolutions take beside on a CPU, where the compiler does not tell: an
            estimate, of the operands that they copy. 0 elsewhere, where it is told.
        outputs: The state after the step, and its numbers.
        aliased: Those of the outputs that take the place of an argument.
        program: The machine code, on devices that hold it in their memory.
        devices: On how many devices the step runs.

    Example:
        >>> import pyneurons_yat as pn
        >>> pn.StepMemory(400, 800, 64, 1000, 0, 1204, 1200, 0, 1).total
        2268
    """

    parameters: int
    optimizer_state: int
    batch: int
    temporaries: int
    workspace: int
    outputs: int
    aliased: int
    program: int
    devices: int

    @property
    def total(self) -> int:
        """All of it: what lies there before the step, and what comes in it."""
        before = self.parameters + self.optimizer_state + self.batch
        between = self.temporaries + self.workspace
        return before + between + self.outputs - self.aliased + self.program

    def __repr__(self) -> str:
        rows = [(name.replace("_", " "), n) for name, n in self._asdict().items() if n]
        devices = rows.pop()[1]
        rows = [(f"- {name}" if name == "aliased" else name, n) for name, n in rows]
        head = "a step of training" + (f", on each of {devices} devices" if devices > 1 else "")
        lines = [f"  {name:18}{_readable(n):>12}" for name, n in [*rows, ("total", self.total)]]
        return "\n".join([head, *lines])


def _readable(size: int) -> str:
    """A number of bytes in the unit that suits it."""
    power = min(max(size.bit_length() - 1, 0) // 10, 4)
    return f"{size / 2 ** (10 * power):,.{1 if power else 0}f} {('bytes', *UNITS)[power]}"


UNITS = ("KiB", "MiB", "GiB", "TiB")


@options_of(train_step)
def memory(
    model: Model | TrainState,
    batch: Any,
    mesh: Any = None,
    *,
    optimizer: "optax.GradientTransformation",
    loss: Loss = mse,
    **options: Any,
) -> StepMemory:
    """What a step of training will need on each device, from the compiler, before it runs.

    The step is that of `train_step`, compiled and not run; a later step of the same functions and
    shapes finds it compiled. Nothing is computed and nothing put on a device, so shapes are enough:
    of a model larger than this machine, `jax.eval_shape(lambda key: Layer(key, ...), key)`.

    What lies there beside the step is not in it: data that wait, as those that `fit` goes through,
    other models, and what a process takes before it trains.

    Args:
        model: A model or a `TrainState`, of arrays or `jax.ShapeDtypeStruct`. A model is trained
            with a key, as if it drew.
        batch: A pair (x, y), of arrays or shapes.
        mesh: As for `train_step`.
        optimizer: As for `train_step`.
        loss: As for `train_step`.
        **options: As for `train_step`.

    Returns:
        `StepMemory`, in bytes.

    Raises:
        TypeError: If the model is none, or the batch no pair; and as `train_step`.
        ValueError: As `train_step`.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> model = jax.eval_shape(lambda key: pn.Linear(key, 1024, 1024), jax.random.key(0))
        >>> x = jax.ShapeDtypeStruct((512, 1024), jnp.float32)
        >>> needs = pn.memory(model, (x, x), optimizer=optax.adam(1e-3))
        >>> needs.parameters, needs.batch
        (4198400, 4194304)
        >>> needs.total > 3 * needs.parameters
        True
    """
    step = train_step(loss, optimizer, mesh=mesh, **options)
    recipe, program = cast(partial[Any], step).args
    state, batch = in_place("memory", recipe, _state_of(model, optimizer), _shapes(batch))
    return _needs(state, batch, program.lower(state, batch).compile(), mesh)


def _state_of(model: Any, optimizer: Any) -> TrainState:
    """The shapes of a state, without making it."""
    shapes = _shapes(model)
    if isinstance(model, TrainState):
        return shapes
    check_model("memory", model)
    return jax.eval_shape(
        lambda model: TrainState.create(model, optimizer, jax.random.key(0)), shapes
    )


def _shapes(tree: Any) -> Any:
    """Shapes in the place of all arrays."""
    return jax.tree.map(_shape, tree)


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    """The shape of an array, and where it lies if that is said."""
    sharding = getattr(leaf, "sharding", None)
    placed = isinstance(sharding, jax.sharding.NamedSharding)
    return jax.ShapeDtypeStruct(
        jnp.shape(leaf), jnp.result_type(leaf), sharding=sharding if placed else None
    )


def _needs(state: TrainState, batch: Any, compiled: Any, mesh: Any) -> StepMemory:
    devices = jax.devices()[:1] if mesh is None else [*mesh.devices.flat]
    found, model = compiled.memory_analysis(), _bytes(state.model)
    return StepMemory(
        model,
        _bytes(state) - model,
        _bytes(batch),
        found.temp_size_in_bytes,
        workspace(compiled, len(devices)) if devices[0].platform == "cpu" else 0,
        found.output_size_in_bytes,
        found.alias_size_in_bytes,
        found.generated_code_size_in_bytes,
        len(devices),
    )


def _bytes(tree: Any) -> int:
    """What the leaves of a tree take on one device."""
    return sum(map(_size, jax.tree.leaves(tree)))


def _size(leaf: jax.ShapeDtypeStruct) -> int:
    shape = leaf.shape if leaf.sharding is None else leaf.sharding.shard_shape(leaf.shape)
    return math.prod(shape) * leaf.dtype.itemsize
