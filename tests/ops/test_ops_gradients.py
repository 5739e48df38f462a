"""Reverse rules and the switch to plain definitions."""

import functools
import pickle
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pyneurons_yat import ops

X = np.linspace(0.5, 1.5, 6).reshape(3, 1, 2)


def attend(x):
    return ops.yat_attention(x, x, x, epsilon=0.5).sum()


def attend_linearly(x):
    return ops.linear_attention(x, x, x * x).sum()


def refused(name="yat_attention"):
    return pytest.raises(
        TypeError, match=rf"^{name}: .*got forward mode .*pn\.forward_mode\(True\)"
    )


def along(f):
    return jax.jvp(f, (X,), (X,))[1]


def in_one_program(transformation, f):
    """Its result, leaves only. Eager, it would be compiled operation by operation."""
    return jax.jit(lambda: jax.tree.leaves(transformation(f)))()


MODES = {
    "jvp": lambda f: jax.jvp(f, (X,), (X,)),
    "jvp of jit": lambda f: jax.jvp(jax.jit(f), (X,), (X,)),
    "jit of jvp": lambda f: jax.jit(lambda x: jax.jvp(f, (x,), (x,)))(X),
    "jacfwd": lambda f: jax.jacfwd(f)(X),
    "jacfwd of jit": lambda f: jax.jacfwd(jax.jit(f))(X),
    "jvp of vmap": lambda f: jax.jvp(jax.vmap(f), (X[None],), (X[None],)),
    "linearize": lambda f: jax.linearize(f, X)[1](X),
    "jvp of checkpoint": lambda f: jax.jvp(jax.checkpoint(f), (X,), (X,)),
    "jvp of scan": lambda f: jax.jvp(
        lambda x: jax.lax.scan(lambda c, _: (c * f(c), None), x, None, 2)[0], (X,), (X,)
    ),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("op", [attend, attend_linearly])
def test_forward_mode_of_a_reverse_rule_says_what_to_do(op, mode):
    with refused("yat_attention" if op is attend else "linear_attention"):
        MODES[mode](op)
    with ops.forward_mode(True):
        found = in_one_program(MODES[mode], op)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [jax.jit, lambda f: f])
def test_a_hessian_of_a_reverse_rule_says_what_to_do_or_is_right(wrap):
    with refused():
        jax.hessian(wrap(attend))(X)
    backward = jax.jit(
        lambda: [jax.jacrev(jax.grad(wrap(f)))(X) for f in (attend, attend_linearly)]
    )
    forward = jax.jit(lambda: [jax.hessian(wrap(f))(X) for f in (attend, attend_linearly)])
    with ops.forward_mode(True):
        plain = forward()
    for got, wanted in zip(backward(), plain, strict=True):
        np.testing.assert_allclose(got, wanted, 1e-8, 1e-10)
    got = jax.jit(jax.hessian(wrap(attend_linearly)))(X)
    np.testing.assert_allclose(got, plain[1], 1e-8, 1e-10)


REVERSE = {
    "grad of vmap": lambda f: jax.grad(lambda x: jax.vmap(f)(x).sum())(X[None])[0],
    "grad of jit of vmap": lambda f: jax.grad(lambda x: jax.jit(jax.vmap(f))(x).sum())(X[None])[0],
    "vmap of jit of grad": lambda f: jax.vmap(jax.jit(jax.grad(f)))(X[None])[0],
    "vmap of grad of jit": lambda f: jax.vmap(jax.grad(jax.jit(f)))(X[None])[0],
    "grad of checkpoint": lambda f: jax.grad(jax.checkpoint(f))(X),
    "jacrev of jit": lambda f: jax.jacrev(jax.jit(f))(X),
    "vmap of grad of scan": lambda f: jax.vmap(
        jax.grad(lambda x: jax.lax.scan(lambda c, _: (c + f(x), None), 0.0, None, 1)[0])
    )(X[None])[0],
    "grad of scan of vmap": lambda f: jax.grad(
        lambda x: jax.lax.scan(lambda c, _: (c + jax.vmap(f)(x[None])[0], None), 0.0, None, 1)[0]
    )(X),
}


@functools.cache
def plain_gradient():
    with ops.forward_mode(True):
        return jax.grad(attend)(X)


@pytest.mark.parametrize("mode", REVERSE)
def test_reverse_mode_passes_through_every_transformation(mode):
    (got,) = in_one_program(REVERSE[mode], attend)
    np.testing.assert_allclose(got, plain_gradient(), 1e-9, 1e-12)


def test_the_error_names_the_layer_around():
    def layer(x):
        with jax.named_scope("Layer"):
            return attend(x)

    for mode in MODES.values():
        with refused("yat_attention in Layer"):
            mode(layer)


def test_other_ops_need_no_flag():
    def f(x):
        y = ops.layer_norm(ops.yat(x, jnp.eye(2, 4), 0.5, epsilon=0.1))
        return ops.score_tanh(ops.softermax(y**2)).sum()

    wanted = np.vdot(jax.jit(jax.grad(f))(X), X)
    np.testing.assert_allclose(along(f), wanted, 1e-9)
    np.testing.assert_allclose(along(jax.jit(f)), wanted, 1e-9)
    assert jax.jvp(ops.vector, (0.5,), (3.0,))[1] == 3
    assert jax.hessian(ops.relu)(2.0) == 0


def test_the_flag_is_restored():
    with pytest.raises(KeyError), ops.forward_mode(True):
        raise KeyError
    with refused():
        along(attend)


def test_the_flag_nests():
    with ops.forward_mode():
        wanted = along(attend)
        with ops.forward_mode(False), refused():
            along(attend)
        assert along(attend) == wanted


def test_a_statement_switches_until_further_notice():
    ops.forward_mode(True)
    try:
        along(attend)
        with ops.forward_mode(False), refused():
            along(attend)
        along(jax.jit(attend))
    finally:
        ops.forward_mode(False)
    with refused():
        along(attend)


def test_the_flag_belongs_to_the_thread():
    found = []

    def other():
        try:
            along(attend)
        except TypeError as error:
            found.append(error)

    with ops.forward_mode(True):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(found) == 1


def test_a_flag_that_is_no_flag_is_refused():
    with pytest.raises(TypeError, match="^forward_mode: flag must be True or False, got 'yes'"):
        ops.forward_mode("yes")


def test_the_flag_is_read_when_a_function_is_traced():
    calls = []

    @jax.jit
    def model(x):
        calls.append(x)
        return attend(x)

    for _ in range(2):
        model(X)
        with ops.forward_mode(True):
            model(X)
    assert len(calls) == 2  # one trace per mode, each kept


@pytest.mark.parametrize("name", [n for n in ops.__all__ if n != "vjp"])
def test_every_op_pickles_by_reference(name):
    assert pickle.loads(pickle.dumps(getattr(ops, name))) is getattr(ops, name)
