"""Every op through the battery."""

import battery
import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest
from case import UNITS
from derivatives import check_reverse, check_second_reverse
from jax.test_util import check_jvp

from pyneurons_yat import ops

GRAPHS = {
    "GraphsTuple", "PaddingMasks", "add_self_loops", "batch_graphs", "make_graph",
    "message_passing", "node_graphs", "pad_graph", "padding_masks", "unbatch_graphs",
}  # fmt: skip
SPARSE = {
    "SparseKernel", "erdos_renyi", "prune_magnitude", "prune_set", "prune_threshold",
    "sparse_kernel",
}  # fmt: skip
OTHERS = {"LinearState", "forward_mode", "inverse_softplus", "linear_state", "recurrence"}
MASKS = {
    "alibi", "big_bird_mask", "block_mask", "combine_masks", "fixed_mask", "make_attention_mask",
    "make_causal_mask", "strided_mask",
}  # fmt: skip
WEIGHTS = {"dot_product_attention", "dot_product_attention_weights"}  # kept for the reverse pass
DEVICES = {"ring_attention"}
ELSEWHERE = GRAPHS | SPARSE | OTHERS | MASKS | WEIGHTS | DEVICES  # tested in files of their own

COMPILED = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: COMPILED.append(event) if "backend_compile" in event else None
)


def over(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


every_case = over(battery.CASES.values())
main_case = over([c for c in battery.CASES.values() if not c.variant])
smooth_case = over([c for c in battery.CASES.values() if c.slope is None and not c.variant])


def close(got, wanted, rtol, atol=0.0):
    np.testing.assert_allclose(np.asarray(got, np.float64), wanted, rtol, atol)


def test_every_op_has_a_case():
    tested = {name.split("-")[0].split(".")[0] for name in battery.CASES}
    assert tested >= set(ops.__all__) - ELSEWHERE


@every_case
def test_jit_and_vmap_agree_with_the_truth(case):
    arguments = case.arguments()
    rest = arguments[1:]
    more = [case.arguments(seed=seed) for seed in (0, 1)]
    stacked = [np.stack(arrays) for arrays in zip(*more, strict=True)]

    @jax.jit
    def traced(arguments, stacked):
        shared = jax.vmap(lambda x: case.op(x, *arguments[1:]))(stacked[0])
        return case.op(*arguments), jax.vmap(case.op)(*stacked), shared

    one, each, shared = traced(arguments, stacked)
    close(one, case.known(arguments), 1e-10)
    close(each, np.stack([case.known(a) for a in more]), 1e-10)
    close(shared, np.stack([case.known((a[0], *rest)) for a in more]), 1e-10)


@every_case
def test_gradients_in_float64(case):
    check_near_float64(case, "float64")


@main_case
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_dtype_in_is_dtype_out_and_near_float64(case, dtype):
    check_near_float64(case, dtype)


def check_near_float64(case, dtype):
    arguments = case.arguments(dtype)
    y, gradients = case.value_and_gradients(arguments)
    assert {a.dtype for a in (y, *gradients)} == {jnp.dtype(dtype)}
    unit = UNITS[dtype]
    close(y, case.known(arguments), 40 * unit, 40 * unit)
    for got, known in zip(gradients, case.gradients(arguments), strict=True):
        # 1e-8 is what the finite differences in NumPy are worth.
        scale = np.max(np.abs(known), initial=1.0)
        close(got, known, 0, scale * max(1e-8, 40 * unit))


@every_case
def test_empty_and_size_one_axes(case):
    for shapes in case.more_shapes:
        arguments = case.arguments(shapes=shapes)
        y, gradients = case.value_and_gradients(arguments)
        wanted = case.known(arguments)
        assert y.shape == wanted.shape
        close(y, wanted, 1e-10)
        for got, known in zip(gradients, case.gradients(arguments), strict=True):
            assert got.shape == known.shape
            close(got, known, 1e-5, 1e-7)


@smooth_case
def test_gradients_to_second_order(case):
    check_reverse(case.value, case.reverse, case.arguments())
    check_second_reverse(case.op, case.value, case.reverse, case.arguments())


@smooth_case
def test_tangents_to_second_order(case):
    def first(arguments, tangents):
        return jax.jvp(case.op, arguments, tangents)

    def second(arguments, tangents):
        return jax.jvp(first, arguments, tangents)

    arguments, one = tuple(map(np.asarray, case.arguments())), jax.jit(first)
    with ops.forward_mode(case.rule):
        check_jvp(case.value, one, arguments, atol=1e-5, rtol=1e-5)
        check_jvp(one, jax.jit(second), (arguments, arguments), atol=1e-5, rtol=1e-5)


@over([c for c in battery.CASES.values() if c.rule and not c.variant])
def test_plain_definition_in_reverse(case):
    with ops.forward_mode(True):
        check_reverse(case.value, case.reverse, case.arguments())


@main_case
def test_forward_mode_under_jit(case):
    arguments = case.arguments()
    compiled = jax.jit(case.loss)
    gradient = jax.grad(compiled, case.positions)

    @jax.jit
    def backward(*arguments):
        return gradient(*arguments), jax.jacrev(jax.grad(compiled))(*arguments)

    @jax.jit
    def forward(*arguments):
        along = jax.jvp(compiled, arguments, arguments)[1]
        return along, jax.hessian(compiled)(*arguments)

    before = backward(*arguments)
    if case.rule:
        with pytest.raises(TypeError, match=r"attention: .* `with pn\.forward_mode\(True\)"):
            jax.jvp(compiled, arguments, arguments)
    with ops.forward_mode(case.rule):
        along, hessian = forward(*arguments)
    slopes, known = before
    close(along, sum(np.vdot(g, a) for g, a in zip(slopes, arguments, strict=True)), 1e-9, 1e-12)
    close(hessian, known, 1e-8, 1e-10)
    jax.tree.map(np.testing.assert_array_equal, backward(*arguments), before)


@every_case
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_residuals_are_the_arguments_and_one_array_at_most(case, dtype):
    def results(*arguments):
        y, pull = jax.vjp(case.op, *arguments)
        return y, [leaf for leaf in jax.tree.leaves(pull) if isinstance(leaf, jax.Array)]

    program = jax.make_jaxpr(results)(*case.arguments(dtype)).jaxpr
    y, *kept = program.outvars
    kept = [k for k in kept if not jnp.issubdtype(k.aval.dtype, jnp.integer)]  # bound: indices
    arguments = set(map(id, program.invars))
    new = [k for k in kept if k.aval.size >= y.aval.size and id(k) not in arguments]
    assert len(new) <= 1, [k.aval for k in new]
    assert all(k.aval.size <= y.aval.size for k in new)


@every_case
def test_eager_calls_agree_with_the_truth_and_compile_once(case):
    cotangent = case.weights(case.known(case.arguments()))

    def eager(arguments):
        _, pull = jax.vjp(case.op, *arguments)
        return jax.block_until_ready((case.op(*arguments), pull(cotangent)))

    first, second = case.arguments(), case.arguments(seed=1)
    y, _ = eager(first)
    close(y, case.known(first), 1e-10)
    del COMPILED[:]
    eager(second)
    assert not COMPILED


def test_a_compile_is_seen():
    del COMPILED[:]
    jax.block_until_ready(jax.jit(lambda x: x * 3 + 1)(jnp.ones(7)))
    assert COMPILED
