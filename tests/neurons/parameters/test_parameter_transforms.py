"""Transforms of parameters: against torch and formulas, on any layer, one on top of the other."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pyneurons_yat as pn

X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
W = np.random.default_rng(0).normal(size=(3, 5))


def linear(kernel=W):
    model = pn.Linear(jax.random.key(0), *kernel.shape, use_bias=False, dtype=jnp.float64)
    return pn.replace(model, "kernel", jnp.asarray(kernel))


def weights_of(model, inputs=3):
    return np.asarray(model(jnp.eye(inputs)))


def close(one, other, rtol=1e-7):
    np.testing.assert_allclose(one, other, rtol, atol=1e-12)


@pytest.mark.slow
def test_weight_norm_equals_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(3, 5, bias=False).double()
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(W.T))
    torch.nn.utils.parametrizations.weight_norm(theirs)
    model = pn.reparam(linear(), pn.weight_norm())
    close(weights_of(model), W)
    scale = np.arange(1.0, 6.0)
    model = pn.replace(model, ".kernel.scale", jnp.asarray(scale))
    with torch.no_grad():
        theirs.parametrizations.weight.original0.copy_(torch.tensor(scale[:, None]))
    y = theirs(torch.tensor(X))
    close(model(X), y.detach().numpy())
    (y**2).sum().backward()
    gradient = jax.grad(lambda model: jnp.sum(model(X) ** 2))(model).params.kernel.params
    original = theirs.parametrizations.weight
    close(gradient.scale, original.original0.grad.numpy()[:, 0])
    close(gradient.direction, original.original1.grad.numpy().T)


@pytest.mark.slow
def test_spectral_norm_equals_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(3, 5, bias=False).double()
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(W.T))
    torch.nn.utils.parametrizations.spectral_norm(theirs, n_power_iterations=1)
    norm = theirs.parametrizations.weight[0]
    model = pn.reparam(linear(), pn.spectral_norm())
    close(np.linalg.norm(weights_of(model), 2), 1.0)
    start = np.random.default_rng(1).normal(size=3)
    start /= np.linalg.norm(start)
    norm._v.copy_(torch.tensor(start))  # theirs is (out, in): its right vector is our left one
    model = pn.replace(model, ".kernel.left", jnp.asarray(start))
    for _ in range(3):
        theirs.zero_grad()
        y = theirs(torch.tensor(X))
        (y**2).sum().backward()

        def loss(model):
            y, moved = pn.observe(model, X)
            return jnp.sum(y**2), (y, moved)

        gradient, (ours, model) = jax.grad(loss, has_aux=True)(model)
        close(ours, y.detach().numpy())
        known = theirs.parametrizations.weight.original.grad.numpy().T
        close(gradient.params.kernel.params.matrix, known)
        close(model.params.kernel.right, norm._u.numpy())
        close(model.params.kernel.left, norm._v.numpy())
    theirs.eval()
    close(model(X), theirs(torch.tensor(X)).detach().numpy())


def test_spectral_vectors_follow_the_matrix_in_training_and_are_not_trained():
    model = pn.reparam(linear(), pn.spectral_norm())
    params, stats = pn.partition(model, "params", "spectral_stats")
    assert (pn.count(params), pn.count(stats)) == (15, 8)
    y = np.random.default_rng(2).normal(size=(4, 5))
    model, _ = pn.fit(optax.sgd(0.3), model, X, y, epochs=60, progress=False)
    assert abs(np.linalg.norm(weights_of(model), 2) - 1) < 1e-3
    assert not np.allclose(model.params.kernel.matrix, W)


def test_spectral_norm_of_a_convolution_kernel_counts_all_axes_but_the_last_as_one():
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4)))
    model = pn.reparam(pn.bind({"kernel": kernel}, returned), pn.spectral_norm("*'kernel']"))
    close(np.linalg.norm(np.asarray(model(0.0)).reshape(6, 4), 2), 1.0)


def returned(params, x):
    return params["kernel"]


def test_ternary_is_the_published_rule_column_by_column():
    got = weights_of(pn.reparam(linear(), pn.ternary()))
    for column, known in zip(got.T, W.T, strict=True):
        kept = np.abs(known) > 0.7 * np.abs(known).mean()
        close(column, np.where(kept, np.sign(known) * np.abs(known[kept]).mean(), 0))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_quantized_weights_are_whole_steps(bits):
    got = weights_of(pn.reparam(linear(), pn.quantize(bits)))
    step = np.abs(W).max(0) / (2 ** (bits - 1) - 1)
    close(got, np.round(W / step) * step)
    assert np.abs(got - W).max() <= step.max() / 2 + 1e-12


@pytest.mark.parametrize("transform", [pn.ternary(), pn.quantize(4)])
def test_the_gradient_goes_straight_through(transform):
    def loss(model):
        return jnp.sum(jnp.sin(jnp.arange(5.0))[None] * model(X))

    gradient = jax.grad(loss)(pn.reparam(linear(), transform))
    close(gradient.kernel, jax.grad(loss)(linear()).kernel)


def test_masked_weights_stay_zero_in_training():
    model = pn.reparam(linear(), pn.mask(lambda array: array > 0))
    y = np.ones((4, 5))
    model, _ = pn.fit(optax.adamw(1e-2), model, X, y, epochs=5, progress=False)
    assert (weights_of(model)[W <= 0] == 0).all()
    assert not np.allclose(weights_of(model)[W > 0], W[W > 0])
    share = pn.reparam(linear(), pn.mask(0.4))
    assert (weights_of(share) != 0).sum() == 6


def test_cast_computes_low_and_trains_high():
    model = pn.reparam(linear(W.astype(np.float32)), pn.cast(jnp.bfloat16))
    x = jnp.asarray(X, jnp.bfloat16)
    assert model(x).dtype == jnp.bfloat16
    gradient = jax.grad(lambda model: model(x).sum().astype(jnp.float32))(model)
    assert gradient.kernel.dtype == jnp.float32


def test_positive_unit_norm_and_stop():
    assert (weights_of(pn.reparam(linear(), pn.positive())) > 0).all()
    close(np.linalg.norm(weights_of(pn.reparam(linear(), pn.unit_norm())), axis=0), np.ones(5))
    nothing = linear(np.zeros((3, 5)))
    gradient = jax.grad(lambda m: m(X).sum())(pn.reparam(nothing, pn.unit_norm()))
    assert np.isfinite(gradient.kernel).all()
    stopped = pn.reparam(linear(), pn.stop("kernel"))
    assert (jax.grad(lambda m: m(X).sum())(stopped).kernel == 0).all()


def test_transforms_compose_in_any_order():
    """The last one given sees the stored parameters first."""
    once = pn.reparam(pn.reparam(linear(), pn.mask(0.6)), pn.weight_norm("*value"))
    close(weights_of(once), weights_of(pn.reparam(linear(), pn.mask(0.6))))
    low = pn.reparam(once, pn.cast(jnp.float32))
    assert low(X.astype(np.float32)).dtype == jnp.float32
    both = pn.reparam(pn.reparam(linear(), pn.unit_norm()), pn.ternary())
    kernel = weights_of(pn.reparam(linear(), pn.ternary()))
    close(weights_of(both), kernel / np.linalg.norm(kernel, axis=0))


def deep():
    keys = jax.random.split(jax.random.key(0), 2)
    return pn.sequential(
        {"in": pn.YatDense(keys[0], 3, 4), "norm": pn.BatchNorm(4), "out": pn.Linear(keys[1], 4, 2)}
    )


@pytest.mark.parametrize(
    "transform",
    [pn.weight_norm(), pn.spectral_norm(), pn.mask(0.5), pn.drop_connect(0.5), pn.ternary()],
)
def test_whole_models_train_with_a_transform_and_with_batch_norm(transform):
    model = pn.reparam(deep(), transform)
    y, after = pn.observe(model, X, key=jax.random.key(0))
    assert y.shape == (4, 2)
    assert jax.tree.structure(after) == jax.tree.structure(model)
    assert not np.allclose(after.params["norm"].mean, 0)
    before = jax.tree.leaves(pn.select(model, "params"))
    jax.tree.map(np.testing.assert_array_equal, before, jax.tree.leaves(pn.select(after, "params")))


@pytest.mark.parametrize(
    "transform",
    [
        pn.weight_norm(), pn.spectral_norm(), pn.unit_norm(), pn.mask(0.5), pn.ternary(),
        pn.quantize(8), pn.positive("*kernel"),
    ],
)  # fmt: skip
def test_copies_of_a_layer_are_transformed_one_by_one(transform):
    layers = pn.repeat(pn.Linear, 3)(jax.random.key(0), 3, 3, dtype=float)
    model = pn.reparam(pn.sequential({"first": linear(W[:, :3]), "rest": layers}), transform)

    def alone(call, x):
        for layer in (linear(W[:, :3]), *layers):
            x = call(pn.reparam(layer, transform), x)
        return x

    def in_training(model, x):
        return pn.observe(model, x)[0]

    close(jax.jit(lambda m: m(X))(model), alone(lambda m, x: m(x), X))
    close(jax.jit(in_training)(model, X), alone(in_training, X))


def test_low_rank_adaptation_of_repeated_layers():
    def create(kernel):
        inputs, outputs = kernel.shape
        down = jax.random.normal(jax.random.key(0), (inputs, 2), kernel.dtype)
        return {"kernel": kernel, "down": down, "up": jnp.zeros((2, outputs), kernel.dtype)}

    def add(params):
        return params["kernel"] + params["down"] @ params["up"]

    LowRank = pn.bind("LowRank", create, add, roles={"['kernel']": "frozen"})
    layers = pn.repeat(pn.compose("Tanh", pn.Linear, jnp.tanh), 4)(
        jax.random.key(1), 3, 3, use_bias=False, dtype=float
    )
    model = pn.reparam(layers, pn.parametrise(LowRank, "*kernel"))
    assert model.each.kernel["up"].shape == (4, 2, 3)
    close(model(X), layers(X))
    adam = optax.adamw(0.01, weight_decay=0.1)
    state, step = pn.TrainState.create(model, adam), pn.train_step(pn.mse, adam)
    for _ in range(30):
        state, metrics = step(state, (X, -X))
    assert metrics["loss"] < 0.9 * pn.mse(layers(X), -X)
    assert (state.model.each.kernel["kernel"] == layers.each.kernel).all()


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (pn.weight_norm("['in'].kernel"), pn.cast(float)),
        (pn.weight_norm("['in'].kernel"), pn.spectral_norm("['out'].kernel")),
        (pn.spectral_norm("['in'].kernel"), pn.drop_connect(0.0)),
        (pn.weight_norm("['in'].kernel"), pn.weight_norm("['out'].kernel")),
        (pn.quantize(8, "['in'].kernel"), pn.weight_norm("['in'].kernel")),
    ],
)
def test_two_transforms_of_a_model_whose_statistics_move(inner, outer):
    key = jax.random.key(0)
    _, known = pn.observe(pn.reparam(deep(), inner), X, key=key)
    both = pn.reparam(pn.reparam(deep(), inner), outer)
    y, after = jax.jit(pn.observe)(both, X, key=jax.random.clone(key))
    assert y.shape == (4, 2)
    assert jax.tree.structure(after) == jax.tree.structure(both)
    np.testing.assert_allclose(after.params["norm"].mean, known.params["norm"].mean, rtol=0.05)
    assert np.abs(after.params["norm"].mean).max() > 0
    before = jax.tree.leaves(pn.select(both, "params"))
    jax.tree.map(np.testing.assert_array_equal, before, jax.tree.leaves(pn.select(after, "params")))


def test_one_layer_of_a_model_by_its_path():
    model = pn.reparam(deep(), pn.weight_norm("['out'].kernel"))
    assert model.params["out"].kernel.scale.shape == (2,)
    assert model.params["in"].kernel.shape == (3, 4)
    chosen = pn.reparam(deep(), pn.unit_norm(lambda path, leaf: leaf.ndim == 2))
    assert jnp.isfinite(chosen(X)).all()


def test_layers_are_transformed_as_models_are():
    Normed = pn.reparam(pn.Linear, pn.weight_norm())
    model = Normed(jax.random.key(0), 3, outputs=5, use_bias=False)
    assert model.kernel.direction.shape == (3, 5)
    assert Normed == pn.reparam(pn.Linear, pn.weight_norm())
    stacked = pn.repeat(Normed, 3)(jax.random.key(0), 4, 4)
    assert stacked.each.kernel.scale.shape == (3, 4)
    assert np.unique(stacked.each.kernel.direction).size == 48


def test_drop_connect_in_training_only():
    model = pn.reparam(linear(), pn.drop_connect(0.5))
    close(weights_of(model), W)
    y, after = pn.observe(model, jnp.eye(3), key=jax.random.key(3))
    dropped = np.asarray(y) == 0
    assert 0 < dropped.sum() < 15
    close(np.asarray(y)[~dropped], 2 * W[~dropped])
    close(weights_of(after), W)


def test_transformed_models_are_saved_frozen_and_vmapped(tmp_path):
    model = pn.reparam(linear(), pn.weight_norm())
    pn.save(tmp_path / "m.npz", model)
    close(pn.load(tmp_path / "m.npz", model)(X), model(X))
    assert pn.count(pn.select(pn.freeze(model, ".kernel.scale"), "params")) == 15
    many = jax.vmap(lambda key: pn.reparam(pn.Linear, pn.mask(0.5))(key, 3, 5))
    assert many(jax.random.split(jax.random.key(0), 4)).kernel.keep.shape == (4, 3, 5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: pn.reparam(linear(), pn.weight_norm("*kernels")),
            ValueError,
            "must fit something",
        ),
        (lambda: pn.cast(jnp.int8), TypeError, "dtype must be floating"),
        (lambda: pn.quantize(1), ValueError, "from 2 to 16"),
        (lambda: pn.drop_connect(2.0), ValueError, "drop_connect: rate must be .*, got 2.0"),
        (lambda: pn.drop_connect(True), TypeError, "rate must be a number, got True"),
        (lambda: pn.drop_connect(np.ones(2)), TypeError, "got an array of shape"),
        (lambda: pn.quantize(np.ones(2)), ValueError, "got an array of shape"),
        (
            lambda: pn.observe(pn.reparam(linear(), pn.drop_connect(0.5)), X),
            TypeError,
            "DropConnect in Linear: in training key must be",
        ),
        (lambda: pn.drop_connect("*kernel"), TypeError, "rate must be a Python number"),
        (lambda: pn.mask("*kernel"), TypeError, "a function or masks, got a str"),
        (lambda: pn.mask(2.0), ValueError, "mask: keep must be .*, got 2.0"),
        (lambda: pn.reparam(linear(), pn.mask(jnp.sign)), TypeError, "must be booleans of shape"),
        (lambda: pn.parametrise(linear(), "*"), TypeError, "layer must be a Layer"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
