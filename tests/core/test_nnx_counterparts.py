"""What nnx documents and its counterpart here: the same numbers from the same weights."""

import contextlib
import json
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    nnx = pytest.importorskip("flax.nnx")

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(16, 3))
Y = np.sin(X[:, :1])
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_coming_from_nnx.ipynb"


@pytest.fixture(autouse=True)
def as_nnx_wants():
    """It broadcasts ranks."""
    with jax.numpy_rank_promotion("allow"):
        yield


def near(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@nnx.jit
def their_call(model, x):
    return model(x)


@jax.jit
def our_call(model, x):
    return model(x)


class Net(nnx.Module):
    def __init__(self, rngs, rate=0.0):
        self.hidden = nnx.Linear(3, 8, param_dtype=float, rngs=rngs)
        self.norm = nnx.BatchNorm(8, param_dtype=float, momentum=0.9, rngs=rngs)
        self.norm.mean = nnx.BatchStat(jnp.zeros(8))  # it keeps them in float32
        self.norm.var = nnx.BatchStat(jnp.ones(8))
        self.drop = nnx.Dropout(rate, rngs=rngs)
        self.out = nnx.Linear(8, 1, param_dtype=float, rngs=rngs)

    def __call__(self, x):
        return self.out(self.drop(self.norm(jnp.tanh(self.hidden(x)))))


def linear(theirs):
    """A Linear model with the weights of theirs."""
    inputs, outputs = theirs.kernel.shape
    model = pn.Linear(jax.random.key(0), inputs, outputs, dtype=float)
    model = pn.replace(model, "kernel", theirs.kernel[...])
    return pn.replace(model, "bias", theirs.bias[...])


def pair(rate=0.0):
    """The same network in both libraries."""
    theirs = Net(nnx.Rngs(params=0, dropout=1), rate)
    ours = pn.sequential(
        {
            "hidden": linear(theirs.hidden),
            "tanh": jnp.tanh,
            "norm": pn.BatchNorm(8, dtype=float),
            "drop": pn.Dropout(rate),
            "out": linear(theirs.out),
        }
    )
    return theirs, ours


def is_bias(path, _):
    return path.endswith("bias") if isinstance(path, str) else path[-1] == "bias"


def same_leaves(ours, theirs):
    """Whether two trees have equal arrays, in whatever order."""

    def sizes(tree):
        return sorted((leaf.shape, float(jnp.sum(leaf))) for leaf in jax.tree.leaves(tree))

    return sizes(ours) == sizes(theirs)


def test_split_and_merge_by_collection_and_the_rest():
    theirs, ours = pair()
    graph, params, stats, rest = nnx.split(theirs, nnx.Param, nnx.BatchStat, ...)
    parts = pn.partition(ours, "params", "batch_stats", ...)
    assert same_leaves(parts[0], params)
    assert same_leaves(parts[1], stats)
    assert pn.count(parts[2]) == 0  # nnx keeps the keys of its streams in the model
    theirs = nnx.merge(graph, params, stats, rest)
    theirs.eval()
    near(pn.merge(*parts)(X), theirs(X))


def test_filters_and_predicates():
    theirs, ours = pair()
    assert same_leaves(pn.select(ours, is_bias), nnx.state(theirs, is_bias))
    either = nnx.state(theirs, nnx.Any(nnx.BatchStat, is_bias))
    assert same_leaves(pn.select(ours, "batch_stats", is_bias), either)
    first, second = nnx.state(theirs, is_bias, nnx.Param)
    parts = pn.partition(ours, is_bias, "params", ...)
    assert same_leaves(parts[0], first)
    assert same_leaves(parts[1], second)


def test_captured_values_equal_sown_ones_through_a_gradient():
    class Sowing(nnx.Module):
        def __init__(self, linear):
            self.linear = linear

        def __call__(self, x):
            hidden = jnp.tanh(self.linear(x))
            self.sow(nnx.Intermediate, "hidden", hidden)
            return hidden.sum()

    def marking(model, x):
        return pn.name(jnp.tanh(model(x)), "hidden").sum()

    theirs = Sowing(nnx.Linear(3, 4, param_dtype=float, rngs=nnx.Rngs(0)))
    ours = linear(theirs.linear)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs(X)
        popped = nnx.pop(theirs, nnx.Intermediate)
    y, seen = jax.jit(pn.capture(marking))(ours, X)
    near(seen["hidden"], popped["hidden"][0])
    near(y, marking(ours, X))
    assert jax.tree.leaves(nnx.pop(theirs, nnx.Intermediate)) == []

    def penalty(model):
        return (pn.capture(marking)(model, X)[1]["hidden"] ** 2).sum()

    def their_penalty(model):
        return (nnx.capture(model, nnx.Intermediate)(X)[1]["hidden"][0] ** 2).sum()

    gradient, other = jax.grad(penalty)(ours), nnx.grad(their_penalty)(theirs)
    near(gradient.kernel, other["linear"]["kernel"][...])


def test_a_shared_module_is_one_field_used_twice_or_a_tie():
    class Twice(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(3, 3, param_dtype=float, rngs=rngs)
            self.second = self.first

        def __call__(self, x):
            return self.second(jnp.tanh(self.first(x)))

    theirs = Twice(nnx.Rngs(0))
    field = pn.bind(linear(theirs.first), lambda one, x: one(jnp.tanh(one(x))))
    other = pn.Linear(jax.random.key(1), 3, 3, dtype=float)
    both = pn.sequential({"first": linear(theirs.first), "tanh": jnp.tanh, "second": other})
    tied = pn.tie(both, {"['second']": "['first']"})
    gradient = nnx.grad(lambda m: (m(X) ** 2).sum())(theirs)
    moments = optax.trace(0.9).init(nnx.state(theirs, nnx.Param))
    for ours in (field, tied):
        near(ours(X), theirs(X))
        mine = pn.grad(lambda m: (m(X) ** 2).sum())(ours)
        assert same_shapes(mine, gradient)
        near(mine.kernel if ours is field else mine["first"].kernel, kernel_of(gradient))
        assert same_shapes(optax.trace(0.9).init(ours), moments)


def kernel_of(state):
    return state["first"]["kernel"][...]


def same_shapes(one, other):
    shapes = [sorted(leaf.shape for leaf in jax.tree.leaves(tree)) for tree in (one, other)]
    return shapes[0] == shapes[1]


def test_observe_is_train_and_a_call_is_eval():
    theirs, ours = pair()
    observe = jax.jit(lambda model, x: pn.observe(model, x, key=jax.random.key(0)))
    for _ in range(3):
        theirs.train()
        y, ours = observe(ours, X)
        near(y, their_call(theirs, X))
        near(ours["norm"].mean, theirs.norm.mean[...])
    # nnx moves by the variance that divides by n, this library and torch by that of n - 1.
    biased = 0.9**3 + (ours["norm"].variance - 0.9**3) * (len(X) - 1) / len(X)
    near(biased, theirs.norm.var[...])
    theirs.eval()
    near(our_call(pn.replace(ours, "['norm'].variance", biased), X), their_call(theirs, X))


def test_dropout_drops_in_training_only_and_as_much():
    theirs, ours = nnx.Dropout(0.3, rngs=nnx.Rngs(0)), pn.Dropout(0.3)
    x = jnp.ones(20_000)
    mine, _ = pn.observe(ours, x, key=jax.random.key(0))
    for y in (mine, theirs(x)):
        assert set(np.unique(y).round(12)) == {0.0, round(1 / 0.7, 12)}
        assert abs(float((y == 0).mean()) - 0.3) < 0.02
    theirs.eval()
    near(ours(x), theirs(x))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pn.LayerNorm(8, epsilon=1e-6), lambda rngs: nnx.LayerNorm(8, rngs=rngs)),
        (pn.RMSNorm(8), lambda rngs: nnx.RMSNorm(8, rngs=rngs)),
        (
            pn.GroupNorm(8, groups=2, epsilon=1e-6),
            lambda rngs: nnx.GroupNorm(8, num_groups=2, rngs=rngs),
        ),
    ],
    ids=["layer", "rms", "group"],
)
def test_norms(ours, theirs):
    x = DRAW.normal(size=(4, 5, 8))
    y = their_call(theirs(nnx.Rngs(0)), x)
    np.testing.assert_allclose(our_call(ours, x), y, rtol=1e-5, atol=1e-6)


def test_named_streams():
    """A name has a key of its own, which other names do not change."""
    rngs, keys = nnx.Rngs(params=0, dropout=1), pn.streams(jax.random.key(0), "params", "dropout")
    for params, dropout in ((rngs.params(), rngs.dropout()), (keys["params"], keys["dropout"])):
        draws = [jax.random.normal(key, (3,)) for key in (params, dropout)]
        assert not np.allclose(*draws)
    assert jnp.array_equal(
        jax.random.key_data(keys["dropout"]),
        jax.random.key_data(pn.streams(jax.random.key(0), "dropout", "noise")["dropout"]),
    )


def test_training_gives_the_same_model_stateful_and_pure():
    theirs, ours = pair()
    adam = optax.adam(0.02)
    optimizer = nnx.Optimizer(theirs, adam, wrt=nnx.Param)

    @nnx.jit
    def their_step(model, optimizer):
        value, gradient = nnx.value_and_grad(lambda m: jnp.mean((m(X) - Y) ** 2))(model)
        optimizer.update(model, gradient)
        return value

    theirs.train()
    losses = jnp.stack([their_step(theirs, optimizer) for _ in range(20)])
    step, state = pn.train_step(pn.mse, adam), pn.TrainState.create(ours, adam, jax.random.key(0))
    state, metrics = jax.lax.scan(lambda state, _: step(state, (X, Y)), state, length=20)
    fitted, history = pn.fit(
        adam, ours, X, Y, loss=pn.mse, epochs=20, key=jax.random.key(0), progress=False
    )
    for values in (metrics["loss"], jnp.asarray(history["loss"])):
        np.testing.assert_allclose(values, losses, rtol=1e-6)
    for model in (state.model, fitted):
        np.testing.assert_allclose(model["out"].kernel, theirs.out.kernel[...], rtol=1e-6)
        np.testing.assert_allclose(model["norm"].mean, theirs.norm.mean[...], atol=1e-7)


def test_repeat_is_vmapped_creation_and_a_scan():
    @nnx.split_rngs(splits=5)
    @nnx.vmap(in_axes=0, out_axes=0)
    def create(rngs):
        return nnx.Linear(3, 3, param_dtype=float, rngs=rngs)

    @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
    def run(layer, x):
        return jnp.tanh(layer(x))

    theirs = create(nnx.Rngs(0))
    ours = pn.repeat(pn.compose("Tanh", pn.Linear, jnp.tanh), 5)(jax.random.key(0), 3, 3)
    for field in ("kernel", "bias"):
        ours = pn.replace(ours, f"each.{field}", getattr(theirs, field)[...])
    near(ours(X), run(theirs, X))
    gradient = nnx.grad(lambda m: (run(m, X) ** 2).sum())(theirs)
    mine = pn.grad(lambda m: (m(X) ** 2).sum())(ours)
    near(mine.each.kernel, gradient["kernel"][...])


def test_decoding_with_a_cache():
    theirs = nnx.MultiHeadAttention(2, 8, decode=True, param_dtype=float, rngs=nnx.Rngs(0))
    theirs.init_cache((1, 6, 8), float)
    ours = pn.MultiHeadAttention(jax.random.key(0), 8, 8, heads=2, dtype=float)
    for mine, part in zip(
        ("query", "key", "value", "output"), ("query", "key", "value", "out"), strict=True
    ):
        for field in ("kernel", "bias"):
            shape = getattr(getattr(ours, mine), field).shape
            value = getattr(getattr(theirs, part), field)[...].reshape(shape)
            ours = pn.replace(ours, f"{mine}.{field}", value)
    tokens = DRAW.normal(size=(1, 6, 8))
    cache, decode = pn.attention_cache(ours, (1,), 6), jax.jit(pn.decode)
    for i in range(6):
        token = tokens[:, i : i + 1]
        y, cache = decode(ours, token, cache)
        np.testing.assert_allclose(y, their_call(theirs, token), rtol=1e-5, atol=1e-6)


def test_a_checkpoint_of_the_whole_training_state_goes_on_to_the_bit(tmp_path):
    """As `nnx.state((model, optimizer))` written and read back would."""
    adam = optax.adam(0.02)
    step = pn.train_step(pn.mse, adam)
    state = pn.TrainState.create(pair(0.2)[1], adam, jax.random.key(0))
    for _ in range(3):
        state, _ = step(state, (X, Y))
    path = pn.save(tmp_path / "state.npz", state)
    loaded = pn.load(path, like=pn.TrainState.create(pair(0.2)[1], adam, jax.random.key(7)))
    ours, again = step(state, (X, Y)), step(loaded, (X, Y))
    assert jax.tree.structure(ours) == jax.tree.structure(again)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(again), strict=True):
        one, other = (
            jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
            for leaf in (one, other)
        )
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


class LowRank(NamedTuple):
    kernel: jax.Array
    down: jax.Array
    up: jax.Array


def create_low_rank(kernel):
    inputs, outputs = kernel.shape
    down = jax.random.normal(jax.random.key(inputs), (inputs, 2), kernel.dtype)
    return LowRank(kernel, down, jnp.zeros((2, outputs), kernel.dtype))


def low_rank_sum(params):
    return params.kernel + params.down @ params.up


@pytest.mark.slow
def test_low_rank_adaptation_trains_as_nnx_lora():
    theirs = nnx.Linear(3, 4, param_dtype=float, rngs=nnx.Rngs(0))
    trained = linear(theirs)
    Adapted = pn.bind("LowRank", create_low_rank, low_rank_sum, roles={"kernel": "frozen"})
    ours = pn.freeze(pn.reparam(trained, pn.parametrise(Adapted, "kernel")), "bias")
    assert pn.count(pn.select(ours, "params")) == 3 * 2 + 2 * 4
    near(ours(X), theirs(X))
    theirs = nnx.LoRA(3, 2, 4, base_module=theirs, param_dtype=float, rngs=nnx.Rngs(1))
    theirs.lora_a[...], theirs.lora_b[...] = ours.kernel.down, ours.kernel.up
    adamw = optax.adamw(0.05, weight_decay=0.1)
    optimizer = nnx.Optimizer(theirs, adamw, wrt=nnx.LoRAParam)
    step, state = pn.train_step(pn.mse, adamw), pn.TrainState.create(ours, adamw)
    target = jnp.tile(Y, (1, 4))

    def loss(model):
        return jnp.mean((model(X) - target) ** 2)

    their_gradient = nnx.jit(nnx.grad(loss, argnums=nnx.DiffState(0, nnx.LoRAParam)))
    for _ in range(100):
        state, metrics = step(state, (X, target))
        optimizer.update(theirs, their_gradient(theirs))
    moved = state.model
    assert metrics["loss"] < 0.5 * loss(ours)
    np.testing.assert_allclose(moved.kernel.down, theirs.lora_a[...], rtol=1e-6)
    np.testing.assert_allclose(moved.kernel.up, theirs.lora_b[...], rtol=1e-6)
    for frozen, was in ((moved.kernel.kernel, trained.kernel), (moved.bias, trained.bias)):
        assert np.asarray(frozen).tobytes() == np.asarray(was).tobytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of nnx and of its checkpoints
def test_what_the_notebook_says_one_writes_in_nnx_runs():
    pytest.importorskip("orbax.checkpoint")
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    blocks = [block for text in texts for block in re.findall(r"```python\n(.*?)```", text, re.S)]
    assert len(blocks) > 10
    names = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.enable_x64(False))
        stack.enter_context(jax.debug_key_reuse(False))
        for block in blocks:
            exec(block, names)
    assert names["value"] < 1.0
