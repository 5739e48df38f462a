"""The equations of feedforward and backpropagation, in batch matrix form, to read and to prove.

The layers of this library are differentiated by JAX. Here stands what such a derivative is, for the
usual layers, activations and losses, in the operations of `pyneurons_yat.ops.matrix` alone: no
automatic differentiation, no loop over examples. A batch is a matrix X with an example per row.

    Y = layer(X, parameters)                       feedforward
    DX, ... = layer_backward(X, parameters, DY)    backpropagation

DY has the shape of Y; its entries are the derivatives of the loss in those of Y, and likewise for
all others. Backpropagation begins with `loss_gradient(Y, T)` and goes from the last layer to the
first: what one calls DX is the DY of the layer before. What a backward function returns belongs to
the first arguments, in their order; the others are constants.

Each function takes arrays, also under `jax.jit`, and SymPy's matrices. So `pyneurons_yat.symbolic`
proves them as they stand, as the tests do for all of them; and they equal `jax.vjp` of the layers.
At a kink, such as 0 of ReLU, the step counts as 0.

=====================  ===============================================================
layers                 `linear` `yat` `dropout` `batch_norm` `layer_norm` `standardize`
activations            `activation` (any) `relu` `leaky_relu` `sigmoid` `tanh` `srelu`
the softermax family   `softermax` `softer_sigmoid` `score_tanh` `soft_tanh`
functions of rows      `softmax` `log_softmax`
losses                 `squared_error` `cross_entropy` `softmax_cross_entropy`
                       `logistic_cross_entropy` `negative_log_likelihood`
=====================  ===============================================================

A step of gradient descent on a linear layer, by the equations and by JAX:

    >>> import jax, jax.numpy as jnp, pyneurons_yat as pn
    >>> from pyneurons_yat.equations import linear, linear_backward, squared_error_gradient
    >>> X, T = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[1.0], [0.0]])
    >>> model = pn.Linear(jax.random.key(0), 2, 1)
    >>> W, b = model.kernel, model.bias[None, :]
    >>> DX, DW, Db = linear_backward(X, W, b, squared_error_gradient(linear(X, W, b), T))
    >>> gradient = pn.grad(lambda model: pn.mse(model(X), T, reduction="sum"))(model)
    >>> bool(jnp.allclose(DW, gradient.kernel)) and bool(jnp.allclose(Db[0], gradient.bias))
    True

Source:
    Wesselink et al., "Batch Matrix-form Equations and Implementation of Multilayer Perceptrons",
    arXiv:2511.11918; the equations of the Yat and softermax families are this library's own.
"""

from .activations import (
    activation,
    activation_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    score_tanh,
    score_tanh_backward,
    sigmoid,
    sigmoid_backward,
    soft_tanh,
    soft_tanh_backward,
    softer_sigmoid,
    softer_sigmoid_backward,
    srelu,
    srelu_backward,
    tanh,
    tanh_backward,
)
from .dense import dropout, dropout_backward, linear, linear_backward, yat, yat_backward
from .losses import (
    cross_entropy,
    cross_entropy_gradient,
    logistic_cross_entropy,
    logistic_cross_entropy_gradient,
    negative_log_likelihood,
    negative_log_likelihood_gradient,
    softmax_cross_entropy,
    softmax_cross_entropy_gradient,
    squared_error,
    squared_error_gradient,
)
from .normalization import (
    batch_norm,
    batch_norm_backward,
    layer_norm,
    layer_norm_backward,
    standardize,
    standardize_backward,
)
from .softmax import (
    log_softmax,
    log_softmax_backward,
    softermax,
    softermax_backward,
    softmax,
    softmax_backward,
)

__all__ = [
    "activation",
    "activation_backward",
    "batch_norm",
    "batch_norm_backward",
    "cross_entropy",
    "cross_entropy_gradient",
    "dropout",
    "dropout_backward",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "linear_backward",
    "log_softmax",
    "log_softmax_backward",
    "logistic_cross_entropy",
    "logistic_cross_entropy_gradient",
    "negative_log_likelihood",
    "negative_log_likelihood_gradient",
    "relu",
    "relu_backward",
    "score_tanh",
    "score_tanh_backward",
    "sigmoid",
    "sigmoid_backward",
    "soft_tanh",
    "soft_tanh_backward",
    "softer_sigmoid",
    "softer_sigmoid_backward",
    "softermax",
    "softermax_backward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "softmax_cross_entropy_gradient",
    "squared_error",
    "squared_error_gradient",
    "srelu",
    "srelu_backward",
    "standardize",
    "standardize_backward",
    "tanh",
    "tanh_backward",
    "yat",
    "yat_backward",
]
