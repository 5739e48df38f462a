"""recurrence: the scan it stands for, its gradients, what it keeps, and its errors."""

from functools import partial

import derivatives
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads, check_jvp

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


def scanned(carry, kernel, offsets, inputs, shared):
    """The scan in plain JAX, without a rule."""

    def step(carry, now):
        sums = [carry[1] @ block for block in kernel]
        offset = now[0] + sums[0].astype(np.float32)
        return update(shared, carry, now[1], (offset, sums[1]))

    return jax.lax.scan(step, carry, (offsets[0], inputs))


def close(got, wanted, rtol=1e-11):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=1e-12), got, wanted)


@pytest.mark.parametrize("where", [None, WHERE], ids=["all", "where"])
@pytest.mark.parametrize("reverse", [False, True])
def test_value_and_gradient(reverse, where):
    op = partial(ops.recurrence, update, where=where, reverse=reverse, unroll=2)
    arguments = (CARRY, KERNEL, OFFSETS, INPUTS, SHARED)
    order = range(T)[::-1] if reverse else range(T)
    value, gradients, tangents = jax.jit(op), derivatives.reverse(op), jax.jit(partial(jax.jvp, op))
    close(value(*arguments), loop(*arguments, where, order))
    derivatives.check_reverse(value, gradients, arguments)
    derivatives.check_second_reverse(op, value, gradients, arguments)
    check_jvp(value, tangents, arguments, atol=1e-5, rtol=1e-5)


def test_vmap():
    op = partial(ops.recurrence, update)
    many = jax.tree.map(
        lambda leaf: np.stack([leaf, 2 * leaf]), (CARRY, KERNEL, OFFSETS, INPUTS, SHARED)
    )
    _, y = jax.jit(jax.vmap(op))(*many)
    wanted = jax.jit(op)(CARRY, KERNEL, OFFSETS, INPUTS, SHARED)[1]
    close(jax.tree.map(lambda leaf: np.asarray(leaf)[0], y), wanted)


def test_the_kernels_gradient_is_one_product():
    def loss(kernel):
        return ops.recurrence(update, CARRY, kernel, OFFSETS, INPUTS, SHARED)[1]["y"].sum()

    text = str(jax.make_jaxpr(jax.grad(loss))(KERNEL))
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
    with pytest.raises(ValueError, match=r"same number of steps, got \[3, 4\]"):
        ops.recurrence(update, CARRY, KERNEL, (OFFSETS[0][1:], None), INPUTS, SHARED)
    with pytest.raises(TypeError, match="update must be hashable"):
        ops.recurrence([], CARRY, KERNEL, OFFSETS, INPUTS, SHARED)


def test_where_is_one_entry_per_step_and_sequence():
    op = partial(ops.recurrence, update, CARRY, KERNEL, OFFSETS, INPUTS, SHARED)
    for where in (WHERE[1:], WHERE[:, :1], np.ones((T, 7), bool), np.bool_(True)):
        with pytest.raises(ValueError, match=r"where must have shape \(4, 3\), got shape"):
            op(where=where)
    with pytest.raises(TypeError, match="where must be an array or a number, got list"):
        op(where=WHERE.tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": (OFFSETS[0][:, 0], None)}, r"offsets must have .* here \(4, 3, 2\)"),
        ({"offsets": (OFFSETS[0][:, :1], None)}, r"offsets must have .* got \(4, 1, 2\)"),
        ({"offsets": (1.0, None)}, "must begin with an axis of steps"),
        ({"inputs": {"b": 1.0}}, "must begin with an axis of steps"),
        ({"kernel": (KERNEL[0], np.ones((3, 2)))}, "kernel must have shape .* H = 2"),
        ({"carry": (CARRY[0], 1.0)}, r"last array of carry must have shape \(\*B, H\)"),
        ({"carry": (np.ones(3), CARRY[1]), "where": WHERE[:, :2]}, "where must have shape"),
        ({"unroll": 0}, "unroll must be at least 1"),
    ],
)
def test_shapes_are_checked_and_not_broadcast(change, message):
    given = {"carry": CARRY, "kernel": KERNEL, "offsets": OFFSETS, "inputs": INPUTS}
    with pytest.raises(ValueError, match=message):
        ops.recurrence(update, **{**given, "shared": SHARED, **change})


@pytest.mark.parametrize("unroll", [2.0, "a"])
def test_unroll_is_an_integer(unroll):
    with pytest.raises(TypeError, match="unroll must be an integer"):
        ops.recurrence(update, CARRY, KERNEL, OFFSETS, INPUTS, SHARED, unroll=unroll)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_the_gradient_of_an_offset_has_its_dtype(dtype):
    def loss(op, offsets, kernel):
        return op(CARRY, (kernel, KERNEL[1]), (offsets, None), INPUTS, SHARED)[1]["y"].sum()

    with jax.numpy_dtype_promotion("standard"):
        arguments = OFFSETS[0].astype(jnp.dtype(dtype)), KERNEL[0].astype(np.float32)
        rule = jax.grad(partial(loss, partial(ops.recurrence, update)), (0, 1))
        plain = jax.grad(partial(loss, scanned), (0, 1))
        got, wanted = jax.jit(lambda *a: (rule(*a), plain(*a)))(*arguments)
    assert got[0].dtype == dtype
    close(got, wanted, rtol=1e-2 if dtype in ("bfloat16", "float16") else 1e-5)


def count(shared, carry, now, total):
    steps, key, h = carry
    key, one = jax.vmap(jax.random.split, out_axes=1)(key)
    noise = jax.vmap(lambda key: jax.random.normal(key, (H,)))(one)
    new = jnp.tanh(total + now["id"][:, None] + 0.1 * noise)
    return (steps + 1, key, new), new


def test_a_carry_may_hold_integers_and_keys():
    first = jnp.zeros(B, int), jax.random.split(jax.random.key(0), B), jnp.asarray(CARRY[1])

    def last(kernel, where=None):
        inputs = {"id": jnp.arange(T * B).reshape(T, B)}
        return ops.recurrence(count, first, kernel, OFFSETS[0], inputs, where=where)[0]

    def loss(kernel):
        return last(kernel, WHERE)[2].sum()

    with jax.debug_key_reuse(False):  # a key that stays where a step is left out counts as reused
        assert last(KERNEL[0], WHERE)[0].tolist() == WHERE.sum(0).tolist()
        check_grads(jax.jit(loss), (KERNEL[0],), 1, ("fwd", "rev"), atol=1e-5, rtol=1e-5)


def test_with_where_all_arrays_begin_with_the_batch():
    for carry in ((np.ones(()), CARRY[1]), (np.ones((1, 1)), CARRY[1])):
        with pytest.raises(ValueError, match=r"must begin with the batch axes \(3,\), got a leaf"):
            ops.recurrence(same, carry, KERNEL[0], OFFSETS[0], where=WHERE)


def same(shared, carry, now, total):
    return carry, total
