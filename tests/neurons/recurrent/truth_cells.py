"""What the recurrent cells should compute: float64 NumPy loops, one step and one gate at a time."""

import jax
import jax.numpy as jnp
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softer_sigmoid(score):
    return score / (1 + score)


def soft_tanh(x):
    return x / (1 + abs(x))


def parameters(cell):
    """The parameters of a cell in float64, None where there are none."""
    return {
        name: None if value is None else np.asarray(value, np.float64)
        for name, value in cell.params._asdict().items()
    }


def drawn(layer, *sizes, **options):
    """A cell whose parameters NumPy draws: JAX would compile for every shape and dtype."""
    rng = np.random.default_rng(1)
    # Gates of Yat cells with such a bias are neither shut nor open.
    middle = 2.0 if layer.name.startswith("Yat") else 0.0

    def numbers(leaf):
        vector = len(leaf.shape) == 1
        place, spread = (middle, 0.5) if vector else (0.0, leaf.shape[0] ** -0.5)
        return jnp.asarray(rng.normal(place, spread, leaf.shape).astype(leaf.dtype))

    shapes = jax.eval_shape(lambda key: layer(key, *sizes, **options), jax.random.key(1))
    return jax.tree.map(numbers, shapes)


def block(array, gate, size):
    return array[..., gate * size : (gate + 1) * size]


def linear(p, x, h, gate):
    """The input part and the hidden part of a gate's affine product."""
    size = len(p["recurrent_kernel"])
    bias = 0.0 if p["bias"] is None else block(p["bias"], gate, size)
    part = x @ block(p["kernel"], gate, size) + bias
    return part, h @ block(p["recurrent_kernel"], gate, size)


def simple(p, h, x, residual=False):
    part, recurrent = linear(p, x, h, 0)
    new = np.tanh(part + recurrent + (h if residual else 0))
    return new, new


def lstm(p, carry, x):
    c, h = carry
    i, f, g, o = (sum(linear(p, x, h, gate)) for gate in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (c, h), h


def gru(p, h, x):
    r, z = (sigmoid(sum(linear(p, x, h, gate))) for gate in range(2))
    part, recurrent = linear(p, x, h, 2)
    n = np.tanh(
        part + r * (recurrent + (0 if p["recurrent_bias"] is None else p["recurrent_bias"]))
    )
    new = (1 - z) * n + z * h
    return new, new


def root(p, x, h, gate, epsilon, scale=None):
    """The signed root of each Yat score of [x, h], from differences, neuron by neuron."""
    size = len(p["recurrent_kernel"])
    value = np.zeros((*np.shape(h)[:-1], size))
    shift = 0.0 if p["epsilon"] is None else p["epsilon"]
    epsilons = np.log1p(np.expm1(epsilon) * np.exp(shift)) * np.ones(len(p["kernel"].T))
    for neuron in range(size):
        at = gate * size + neuron
        bias = 0.0 if p["bias"] is None else p["bias"][at]
        alpha = 1.0 if p["alpha"] is None else p["alpha"][at]
        seen = h if scale is None else scale[..., neuron : neuron + 1] * h
        both = np.concatenate([x, seen], -1)
        w = np.concatenate([p["kernel"][:, at], p["recurrent_kernel"][:, at]])
        distance = ((both - w) ** 2).sum(-1) + epsilons[at]
        value[..., neuron] = alpha * (both @ w + bias) / np.sqrt(distance)
    return value


def yat_gate(p, x, h, gate, epsilon):
    size = len(p["recurrent_kernel"])
    alpha = np.ones(size) if p["alpha"] is None else block(p["alpha"], gate, size)
    return softer_sigmoid(root(p, x, h, gate, epsilon) ** 2 / abs(alpha))


def yat_simple(p, h, x, residual=False, epsilon=1e-5):
    new = soft_tanh(root(p, x, h, 0, epsilon) + (h if residual else 0))
    return new, new


def yat_lstm(p, carry, x, epsilon=1e-5):
    c, h = carry
    i, f, o = (yat_gate(p, x, h, gate, epsilon) for gate in (0, 1, 3))
    c = f * c + i * soft_tanh(root(p, x, h, 2, epsilon))
    h = o * soft_tanh(c)
    return (c, h), h


def yat_gru(p, h, x, epsilon=1e-5):
    r, z = (yat_gate(p, x, h, gate, epsilon) for gate in range(2))
    n = soft_tanh(root(p, x, h, 2, epsilon, scale=r))
    new = (1 - z) * n + z * h
    return new, new


def yat_product(x, kernel, alpha, shift, epsilon):
    """|alpha| (x.w)^2 / (|x - w|^2 + epsilon) of each column w, from differences."""
    shift = 0.0 if shift is None else shift
    epsilons = np.log1p(np.expm1(epsilon) * np.exp(shift))
    distance = ((x[..., :, None] - kernel) ** 2).sum(-2)
    return np.abs(1.0 if alpha is None else alpha) * (x @ kernel) ** 2 / (distance + epsilons)


def separate(p, x, h, epsilon):
    """The scores of x with the bias, and those of h, of all gates (*B, gates, outputs)."""
    alpha = 1.0 if p["alpha"] is None else np.abs(p["alpha"])
    bias = 0.0 if p["bias"] is None else p["bias"]
    seen = yat_product(x, p["kernel"], p["alpha"], p["epsilon"], epsilon) + alpha * bias
    of_h = p["recurrent_kernel"], p["recurrent_alpha"], p["recurrent_epsilon"]
    felt = yat_product(h, *of_h, epsilon)
    return (np.moveaxis(s.reshape(*s.shape[:-1], -1, h.shape[-1]), -2, 0) for s in (seen, felt))


def published_tanh(x):
    return (x - 1) / (x + 1)


def separate_simple(p, h, x, residual=False, epsilon=1e-5):
    seen, felt = separate(p, x, h, epsilon)
    new = published_tanh(seen[0] + felt[0] + (h if residual else 0))
    return new, new


def separate_lstm(p, carry, x, epsilon=1e-5):
    c, h = carry
    seen, felt = separate(p, x, h, epsilon)
    i, f, g, o = seen + felt
    c = softer_sigmoid(f) * c + softer_sigmoid(i) * published_tanh(g)
    h = softer_sigmoid(o) * published_tanh(c)
    return (c, h), h


def separate_gru(p, h, x, epsilon=1e-5):
    seen, felt = separate(p, x, h, epsilon)
    r, z = softer_sigmoid(seen + felt)[:2]
    new = (1 - z) * published_tanh(seen[2] + r * felt[2]) + z * h
    return new, new


STEPS = {
    "SimpleCell": simple,
    "LSTMCell": lstm,
    "GRUCell": gru,
    "YatSimpleCell": yat_simple,
    "YatLSTMCell": yat_lstm,
    "YatGRUCell": yat_gru,
    "YatSimpleCell separate": separate_simple,
    "YatLSTMCell separate": separate_lstm,
    "YatGRUCell separate": separate_gru,
}


def step_of(cell):
    """The step of a cell in its form."""
    form = dict(cell.static).get("form", "joint")
    return STEPS[cell.layer.name + (" separate" if form == "separate" else "")]


def first(cell, batch):
    h = np.zeros((*batch, len(cell.recurrent_kernel)))
    return (h, h) if "LSTM" in cell.layer.name else h


def sequence(cell, x, carry=None, length=None, reverse=False, keep_order=False, **options):
    """One sequence (T, I), or several of one length (*B, T, I): the last carry and y."""
    x = np.asarray(x, np.float64)
    p, step = parameters(cell), step_of(cell)
    carry = first(cell, x.shape[:-2]) if carry is None else carry
    carry = tuple(map(np.asarray, carry)) if isinstance(carry, tuple) else np.asarray(carry)
    length = x.shape[-2] if length is None else int(length)
    y = np.zeros((*x.shape[:-1], len(p["recurrent_kernel"])))
    order = list(range(length))
    for place, t in enumerate(reversed(order) if reverse else order):
        carry, out = step(p, carry, x[..., t, :], **options)
        y[..., t if keep_order or not reverse else place, :] = out
    return carry, y


def sequences(cell, x, lengths, **options):
    """Sequences (B, T, I) of different lengths, one after another."""
    pairs = [sequence(cell, one, length=n, **options) for one, n in zip(x, lengths, strict=True)]
    carries, ys = zip(*pairs, strict=True)
    if isinstance(carries[0], tuple):
        return tuple(map(np.stack, zip(*carries, strict=True))), np.stack(ys)
    return np.stack(carries), np.stack(ys)
