"""nmn: the Yat networks whose layers it has."""

from flax import nnx
from nmn.nnx import YatConv, YatNMN

from ..steps import Trainer
from ..tasks import BATCH, CLASSES, Task
from .flax_ import split


def trainer_of(task: Task) -> Trainer | None:
    """The Yat MLP and the Yat CNN."""
    rngs, filters = nnx.Rngs(0), task.size.filters
    if task.kind == "mlp":
        hidden = YatNMN(task.x.shape[-1], task.size.hidden, use_bias=False, rngs=rngs)
        network = nnx.Sequential(hidden, nnx.Linear(task.size.hidden, CLASSES, rngs=rngs))
    elif task.kind == "cnn":
        network = nnx.Sequential(
            YatConv(1, filters, (3, 3), strides=2, epsilon=0.1, rngs=rngs),
            YatConv(filters, 2 * filters, (3, 3), strides=2, epsilon=0.1, rngs=rngs),
            lambda x: x.reshape(BATCH, -1),
            nnx.Linear(49 * 2 * filters, CLASSES, rngs=rngs),
        )
    else:
        return None
    return split("nmn, Yat", task, network)
