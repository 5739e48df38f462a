"""Two classifiers of equal size: one hidden layer of Yat neurons, or of ReLU neurons."""

import jax

from ..core import Model, sequential
from ..neurons import Linear, YatDense


def yat_classifier(key: jax.Array, inputs: int, hidden: int, classes: int) -> Model:
    """A hidden layer of Yat neurons, whose kernels are prototypes, and a linear layer of logits.

    The Yat neurons have an alpha in place of a bias, so the network has as many parameters as
    `relu_classifier`.

    Args:
        key: A PRNG key.
        inputs: Features of x.
        hidden: Neurons of the hidden layer.
        classes: Logits.

    Returns:
        A sequential model with the parts "hidden" and "logits", from (*B, inputs) to (*B, classes).

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import yat_classifier
        >>> pn.count(yat_classifier(jax.random.key(0), 64, 128, 10))
        9610
    """
    one, two = jax.random.split(key)
    parts = {
        "hidden": YatDense(one, inputs, hidden, use_bias=False),
        "logits": Linear(two, hidden, classes),
    }
    return sequential(parts)


def relu_classifier(key: jax.Array, inputs: int, hidden: int, classes: int) -> Model:
    """A hidden layer of ReLU neurons and a linear layer of logits.

    Args:
        key: A PRNG key.
        inputs: Features of x.
        hidden: Neurons of the hidden layer.
        classes: Logits.

    Returns:
        A sequential model with the parts "hidden", "relu" and "logits", from (*B, inputs) to
        (*B, classes).

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> from pyneurons_yat.zoo import relu_classifier
        >>> pn.count(relu_classifier(jax.random.key(0), 64, 128, 10))
        9610
    """
    one, two = jax.random.split(key)
    parts = {
        "hidden": Linear(one, inputs, hidden),
        "relu": jax.nn.relu,
        "logits": Linear(two, hidden, classes),
    }
    return sequential(parts)
