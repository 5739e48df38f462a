"""recurrence: the scan it stands for, its gradients, what it keeps, and its errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from pyneurons_yat import ops

T, B, H = 4, 3, 2
RNG = np.random.default_rng(0)
KERNEL = (RNG.normal(size=(H, H)), RNG.normal(size=(H, H)))
OFFSETS = (RNG.normal(size=(T, B, H)), None)
INPUTS = {"b": RNG.normal(size=(T, B, 1))}
SHARED = RNG.normal(size=(1, H))
CARRY = (RNG.normal(size=(B, 1)), RNG.normal(size=(B, H)))
WHERE = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], bool)


def update(shared, carry, now, total):
    c, h = carry
    new = jnp.tanh(total[0] + shared) * jnp.cos(total[1]) + now["b"]
    return (c + new.sum(-1, keepdims=True), new + 0.5 * h), {"y": new, "c": c}


def loop(carry, kernel, offsets, inputs, shared, where, order):
    """The scan in NumPy, one step and one sequence at a time."""
    cs, hs = (np.array(part) for part in carry)
    ys = {"y": np.zeros((T, B, H)), "c": np.zeros((T, B, 1))}
    for t in order:
        for b in range(B):
            if where is not None and not where[t, b]:
                continue
            one, two = (hs[b] @ matrix for matrix in kernel)
            new = np.tanh(offsets[0][t, b] + one + shared[0]) * np.cos(two) + inputs["b"][t, b]
            ys["y"][t, b], ys["c"][t, b] = new, cs[b]
            cs[b], hs[b] = cs[b] + new.sum(), new + 0.5 * hs[b]
    return (cs, hs), ys


def close(got, wanted, rtol=1e-11):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=1e-12), got, wanted)


@pytest.mark.parametrize("where", [None, WHERE], ids=["all", "where"])
@pytest.mark.parametrize("reverse", [False, True])
def test_value_and_gradient(reverse, where):
    op = partial(ops.recurrence, update, where=where, reverse=reverse, unroll=2)
    arguments = (CARRY, KERNEL, OFFSETS, INPUTS, SHARED)
    order = range(T)[::-1] if reverse else range(T)
    close(jax.jit(op)(*arguments), loop(*arguments, where, order))
    check_grads(jax.jit(op), arguments, 2, ("rev",), atol=1e-5, rtol=1e-5)
    with ops.forward_mode(True):
        check_grads(jax.jit(op), arguments, 1, ("fwd", "rev"), atol=1e-5, rtol=1e-5)


def test_vmap_and_forward_mode():
    op = partial(ops.recurrence, update)
    many = jax.tree.map(
        lambda leaf: np.stack([leaf, 2 * leaf]), (CARRY, KERNEL, OFFSETS, INPUTS, SHARED)
    )
    _, y = jax.vmap(op)(*many)
    close(jax.tree.map(lambda leaf: leaf[0], y), op(CARRY, KERNEL, OFFSETS, INPUTS, SHARED)[1])
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda x: op(x, KERNEL, OFFSETS, INPUTS, SHARED)[1]["y"], (CARRY,), (CARRY,))


def test_the_kernels_gradient_is_one_product():
    def loss(kernel):
        return ops.recurrence(update, CARRY, kernel, OFFSETS, INPUTS, SHARED)[1]["y"].sum()

    text = str(jax.make_jaxpr(jax.grad(loss))(jax.tree.map(jnp.asarray, KERNEL)))
    assert f"f64[{T * B},{H}]" in text


def test_no_steps():
    offsets, inputs = jax.tree.map(lambda leaf: leaf[:0], (OFFSETS, INPUTS))
    carry, y = ops.recurrence(update, CARRY, KERNEL, offsets, inputs, SHARED)
    close(carry, CARRY)
    assert y["y"].shape == (0, B, H)


def test_low_precision_accumulates_in_float32():
    def add(shared, h, x, total):
        assert total.dtype == jnp.float32
        return h, total

    ones = jnp.ones((4096, 1), jnp.bfloat16)
    _, y = ops.recurrence(add, ones.T, ones, jnp.zeros((1, 1, 1), jnp.float32))
    assert y.item() == 4096


def test_wrong_arguments():
    with pytest.raises(TypeError, match="where must be boolean"):
        ops.recurrence(update, CARRY, KERNEL, OFFSETS, INPUTS, SHARED, where=np.ones((T, B)))
    with pytest.raises(ValueError, match="as many steps as inputs"):
        ops.recurrence(update, CARRY, KERNEL, OFFSETS, INPUTS, SHARED, where=WHERE[1:])
    with pytest.raises(ValueError, match=r"same number of steps, got \[3, 4\]"):
        ops.recurrence(update, CARRY, KERNEL, (OFFSETS[0][1:], None), INPUTS, SHARED)
    with pytest.raises(TypeError, match="update must be hashable"):
        ops.recurrence([], CARRY, KERNEL, OFFSETS, INPUTS, SHARED)
