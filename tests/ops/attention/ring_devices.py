"""Run by test_ops_ring on eight host devices: attention of a sequence that lies on all of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import pyneurons_yat as pn

jax.config.update("jax_disable_most_optimizations", True)  # small programs, each run once
jax.config.update("jax_enable_x64", True)

RNG = np.random.default_rng(0)
B, T, N, K, H = 2, 32, 4, 2, 3
PART = P(None, "sequence")


def ring():
    """All devices in a ring."""
    return jax.make_mesh((8,), ("sequence",), axis_types=(AxisType.Auto,))


def draw(*shape, low=0.3, high=1.2):
    return jnp.asarray(RNG.uniform(low, high, shape))


LENGTHS = {
    "query_seq_lengths": jnp.array([32, 19]),
    "key_value_seq_lengths": jnp.array([21, 5]),
}
SOFTER = {"normalizer": "softermax"}
CAUSAL = {"is_causal": True}
ROWS = jnp.asarray(RNG.random((B, 1, T, T)) < 0.7)
COLUMNS = jnp.asarray(RNG.random((B, 1, 1, T)) < 0.7)

CASES = {  # the options, and what else is an array
    "plain": ({}, {}),
    "causal": (CAUSAL, {"shift": draw(N), "alpha": draw(N), "epsilon": draw(N), "scale": draw(N)}),
    "blocks": (CAUSAL | {"block_size": (2, 1)}, {"shift": draw()}),
    "softermax": (SOFTER | {"distance": "direct"}, {"alpha": draw(N)}),
    "power": (SOFTER | CAUSAL, {"power": draw(N), "epsilon": draw()}),
    "lengths": (CAUSAL | LENGTHS, {}),
    "lengths without order": (LENGTHS | SOFTER, {"power": draw()}),
    "window": ({"local_window_size": (9, 2)}, {}),
    "causal window": (CAUSAL | {"local_window_size": (5, 0), "block_size": 3}, {}),
    "far window": (CAUSAL | {"local_window_size": (13, 0), "query_offset": -2}, {"shift": draw(N)}),
    "dilation": (CAUSAL | {"local_window_size": (3, 0), "dilation": 2, "query_offset": 1}, {}),
    "before": (CAUSAL | {"query_offset": -1}, {}),
    "behind": (CAUSAL | {"query_offset": 3}, {}),
    "bias": (CAUSAL, {"bias": draw(B, N, T, T)}),
    "bias of keys": (CAUSAL, {"bias": draw(N, 1, T)}),
    "one bias": ({}, {"bias": draw()}),
    "mask": (SOFTER | {"mask": ROWS}, {}),
    "mask of keys": (CAUSAL | {"mask": COLUMNS}, {}),
}


def specs(arrays, options):
    """How arguments lie on the devices: lengths of queries and keys divided, and all else whole."""

    def spec(name, x):
        if name in ("query", "key", "value"):
            return PART
        rows = name in ("bias", "mask") and x.ndim > 1 and x.shape[-2] > 1
        return P(*[None] * (x.ndim - 2), "sequence") if rows else P()

    traced = {k: v for k, v in options.items() if isinstance(v, jax.Array)}
    return [{k: spec(k, v) for k, v in group.items()} for group in (arrays, traced)]


def around(options, arrays, **more):
    """The result and the gradients of `ring_attention`."""
    traced = {k: v for k, v in options.items() if isinstance(v, jax.Array)}
    static = {k: v for k, v in options.items() if k not in traced}

    def attend(arrays, traced):
        return pn.ring_attention(**arrays, **traced, **static, axis_name="sequence")

    mapped = jax.shard_map(
        attend, mesh=ring(), in_specs=tuple(specs(arrays, options)), out_specs=PART, **more
    )
    return loss(lambda arrays: mapped(arrays, traced), arrays)


def loss(attend, arrays):
    """The result of attention, and the gradients of a number made of it."""

    @jax.jit
    def value_and_gradients(arrays):
        y, pull = jax.vjp(attend, arrays)
        return y, *pull(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

    return value_and_gradients(arrays)


def close(got, wanted, name, near=1e-9):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for (path, one), two in zip(
        jax.tree.leaves_with_path(got), jax.tree.leaves(wanted), strict=True
    ):
        one, two = np.asarray(one, np.float64), np.asarray(two, np.float64)
        scale = max(1.0, np.max(np.abs(two), initial=0))
        message = f"{name} {jax.tree_util.keystr(path)}"
        np.testing.assert_allclose(one, two, 0, near * scale, err_msg=message)


def sequences(length=T, dtype=jnp.float64):
    shapes = {"query": (B, T, N, H), "key": (B, length, K, H), "value": (B, length, K, 2)}
    return {name: draw(*shape).astype(dtype) for name, shape in shapes.items()}


def cases():
    for name, (options, more) in CASES.items():
        arrays = sequences() | more
        wanted = loss(lambda arrays, o=options: pn.yat_attention(**arrays, **o), arrays)
        close(around(options, arrays), wanted, name)
        if name == "causal":
            close(around(options, arrays, check_vma=False), wanted, "without types")


def other_lengths():
    """More keys than queries, a length that halves badly, bfloat16."""
    arrays = sequences(64)
    wanted = loss(lambda arrays: pn.yat_attention(**arrays, is_causal=True), arrays)
    close(around(CAUSAL, arrays), wanted, "longer keys")
    arrays = jax.tree.map(lambda x: x[:, :24], sequences())
    wanted = loss(lambda arrays: pn.yat_attention(**arrays, is_causal=True), arrays)
    close(around(CAUSAL, arrays), wanted, "odd parts")
    arrays = sequences(dtype=jnp.bfloat16)
    wanted = loss(lambda arrays: pn.yat_attention(**arrays, is_causal=True), arrays)
    got = around(CAUSAL, arrays)
    assert {x.dtype for x in jax.tree.leaves(got)} == {jnp.dtype(jnp.bfloat16)}
    close(got, wanted, "bfloat16", 2**-7)


def nothing_reaches_what_is_hidden():
    """NaN in a key that nobody sees."""
    arrays = sequences()
    key = jnp.where(COLUMNS[:, 0, 0, :, None, None], arrays["key"], jnp.nan)
    options = CAUSAL | {"mask": COLUMNS}
    wanted = loss(lambda arrays: pn.yat_attention(**arrays, **options), arrays)
    close(around(options, arrays | {"key": key}), wanted, "hidden")
    wanted = loss(lambda arrays: pn.yat_attention(**arrays, **CAUSAL, **LENGTHS), arrays)
    counts = (LENGTHS["query_seq_lengths"], *[LENGTHS["key_value_seq_lengths"]] * 2)
    places = jnp.arange(T)[None, :, None, None]
    unused = {
        name: jnp.where(places < count[:, None, None, None], arrays[name], jnp.nan)
        for name, count in zip(("query", "key", "value"), counts, strict=True)
    }
    close(around(CAUSAL | LENGTHS, arrays | unused), wanted, "unused")


def several_axes():
    """A batch on one axis, the length on two others; and `jax.vmap`."""
    mesh = jax.make_mesh((2, 2, 2), ("data", "slow", "fast"), axis_types=(AxisType.Auto,) * 3)
    spec, arrays = P(None, "data", ("slow", "fast")), sequences()
    wanted = loss(lambda arrays: pn.yat_attention(**arrays, is_causal=True), arrays)
    attend = partial(pn.ring_attention, axis_name=("slow", "fast"), is_causal=True)

    def each(arrays):
        return jax.vmap(lambda arrays: attend(**arrays))(arrays)

    mapped = jax.shard_map(each, mesh=mesh, in_specs=spec, out_specs=spec)
    got = loss(lambda arrays: mapped(jax.tree.map(lambda x: x[None], arrays))[0], arrays)
    close(got, wanted, "several axes")


def further_derivatives():
    """Second derivatives, and forward mode."""
    arrays = jax.tree.map(lambda x: x[:1, :16, :, :2], sequences())
    attend = partial(pn.ring_attention, axis_name="sequence", is_causal=True)
    mapped = jax.shard_map(attend, mesh=ring(), in_specs=PART, out_specs=PART)
    one = partial(pn.yat_attention, is_causal=True)

    def total(attend, query):
        return jnp.sum(attend(query, arrays["key"], arrays["value"]) ** 3)

    def along(attend):
        gradient = jax.grad(partial(total, attend))
        query = arrays["query"]
        second = jax.jit(jax.grad(lambda x: jnp.vdot(gradient(x), jnp.cos(x))))(query)
        with pn.forward_mode(True):
            return second, jax.jit(lambda x: jax.jvp(partial(total, attend), (x,), (x,)))(query)

    close(along(mapped), along(one), "further derivatives")


def refused():
    """Errors say what to do."""
    x = draw(8, 2, 2)
    for options, said in (({"axis_name": "data"}, "axis_name"), ({"dilation": 2}, "dilation")):
        attend = partial(pn.ring_attention, **({"axis_name": "sequence"} | options))
        part = P("sequence")
        mapped = jax.shard_map(attend, mesh=ring(), in_specs=part, out_specs=part)
        with pytest.raises(ValueError, match=f"ring_attention: {said} must"):
            mapped(x, x, x)


def main():
    cases()
    other_lengths()
    nothing_reaches_what_is_hidden()
    several_axes()
    further_derivatives()
    refused()


if __name__ == "__main__":
    main()
