"""memory: what a step will need, in every part, before it runs."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest

import pyneurons_yat as pn
from pyneurons_yat import StepMemory
from pyneurons_yat.learn.workspace import convolutions

ROOT = Path(__file__).parents[2]

X, Y = (jax.ShapeDtypeStruct((32, n), jnp.float32) for n in (16, 8))
SGD, ADAM = optax.sgd(0.1), optax.adam(1e-3)


def network(key, dtype=jnp.float32):
    one, two = jax.random.split(key)
    return pn.sequential(
        {
            "hidden": pn.YatDense(one, 16, 64, dtype=dtype),
            "norm": pn.BatchNorm(64),
            "drop": pn.Dropout(0.5),
            "out": pn.Linear(two, 64, 8, dtype=dtype),
        }
    )


SHAPES = jax.eval_shape(network, jax.random.key(0))
PARAMETERS = 4 * (16 * 64 + 64 + 64 + 2 * 64 + 64 * 8 + 8)  # with alpha and the norm's two
STATISTICS = 4 * 2 * 64


def test_parts_are_those_of_the_arrays():
    needs = pn.memory(SHAPES, (X, Y), optimizer=ADAM)
    assert needs.parameters == PARAMETERS + STATISTICS
    state = pn.TrainState.create(network(jax.random.key(0)), ADAM, jax.random.key(1))
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert needs.parameters + needs.optimizer_state == held
    assert needs.batch == 4 * 32 * (16 + 8)
    assert needs.outputs >= needs.parameters
    assert needs.temporaries > 0
    assert needs.devices == 1
    parts = needs.parameters + needs.optimizer_state + needs.batch + needs.temporaries
    assert needs.total == parts + needs.outputs - needs.aliased + needs.program


def test_a_state_of_arrays_and_a_model_of_shapes_tell_the_same():
    state = pn.TrainState.create(network(jax.random.key(0)), ADAM, jax.random.key(1))
    batch = jnp.ones(X.shape, X.dtype), jnp.ones(Y.shape, Y.dtype)
    assert pn.memory(state, batch, optimizer=ADAM) == pn.memory(SHAPES, (X, Y), optimizer=ADAM)


def test_an_optimizer_that_keeps_moments_needs_twice_the_parameters_more():
    few, many = (pn.memory(SHAPES, (X, Y), optimizer=o) for o in (SGD, ADAM))
    assert many.optimizer_state - few.optimizer_state == 2 * PARAMETERS + 4  # and a count


def test_the_program_is_that_of_the_step():
    before = pn.memory(SHAPES, (X, Y), optimizer=ADAM, loss=pn.mse)
    step = pn.train_step(pn.mse, ADAM)
    state = pn.TrainState.create(network(jax.random.key(0)), ADAM, jax.random.key(1))
    batch = jnp.ones(X.shape, X.dtype), jnp.ones(Y.shape, Y.dtype)
    after, _ = step(state, batch)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert pn.memory(state, batch, optimizer=ADAM, loss=pn.mse) == before


@pytest.mark.usefixtures("optimized")
def test_parts_of_a_batch_set_less_aside():
    x, y = (jax.ShapeDtypeStruct((4096, n), jnp.float32) for n in (16, 8))
    whole, parts = (
        pn.memory(SHAPES, (x, y), optimizer=ADAM, accumulate=n).temporaries for n in (1, 8)
    )
    assert parts < whole / 4


def test_the_scale_of_a_loss_and_float16_are_seen():
    half = jax.eval_shape(
        lambda key: pn.reparam(network(key), pn.cast(jnp.float16, "params")), jax.random.key(0)
    )
    state = jax.eval_shape(
        lambda model: pn.TrainState.create(model, ADAM, jax.random.key(1), pn.LossScale.create()),
        half,
    )
    x = jax.ShapeDtypeStruct(X.shape, jnp.float16)
    needs = pn.memory(state, (x, Y), optimizer=ADAM)
    assert needs.parameters == PARAMETERS + STATISTICS
    assert needs.batch == 32 * (2 * 16 + 4 * 8)


def test_it_reads_as_a_table():
    needs = StepMemory(2**20, 2**21 + 4, 500, 3 * 2**30, 0, 2**22, 2**21, 0, 8)
    assert repr(needs).splitlines() == [
        "a step of training, on each of 8 devices",
        "  parameters             1.0 MiB",
        "  optimizer state        2.0 MiB",
        "  batch                500 bytes",
        "  temporaries            3.0 GiB",
        "  outputs                4.0 MiB",
        "  - aliased              2.0 MiB",
        "  total                  3.0 GiB",
    ]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: pn.memory(jnp.ones(3), (X, Y), optimizer=ADAM),
            TypeError,
            "model must be a Model",
        ),
        (lambda: pn.memory(SHAPES, X, optimizer=ADAM), TypeError, "batch must be a pair"),
        (lambda: pn.memory(SHAPES, (X, Y), optimizer=3), TypeError, "optimizer must be an optax"),
        (
            lambda: pn.memory(SHAPES, (X, Y), optimizer=ADAM, acumulate=2),
            TypeError,
            "acumulate",
        ),
        (
            lambda: pn.memory(SHAPES, (X, Y), optimizer=ADAM, accumulate=5),
            ValueError,
            "accumulate must divide",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


TEXT = """
  %x = f32[4,6,6,3]{3,2,1,0} parameter(0)
  %k = f32[3,3,3,5]{3,2,1,0} parameter(1)
  %y = f32[4,6,6,5]{3,2,1,0} convolution(%x, %k), window={size=3x3 pad=1_1x1_1}, \
dim_labels=b01f_01io->b01f, metadata={}
  %back = f32[4,6,6,3]{3,2,1,0} convolution(%z, %k), window={size=3x3 pad=2_1x2_1 \
lhs_dilate=2x2}, dim_labels=b01f_01oi->b01f
  %z = bf16[4,3,3,5]{3,2,1,0} copy(%w)
"""


def test_what_convolutions_copy_is_read_off_the_program():
    kernel = 4 * 3 * 3 * 3 * 5
    assert convolutions(TEXT) == [4 * 4 * 8 * 8 * 3 + kernel, 2 * 4 * 8 * 8 * 5 + kernel]


def test_a_network_without_convolutions_needs_no_workspace():
    assert pn.memory(SHAPES, (X, Y), optimizer=ADAM).workspace == 0


@pytest.mark.slow
@pytest.mark.parametrize(("case", "devices"), [(["cnn"], 1), (["mlp", "fsdp"], 8)])
def test_a_run_takes_what_was_told(case, devices):
    """The numbers of all cases are in docs/scale.md."""
    told, taken = measured(*case, devices=devices)
    assert taken == pytest.approx(told, rel=0.1)


def measured(*arguments, devices=1):
    """What a process was told that it will need, and what it took."""
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    kept = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("memory_used.py")), *arguments],
        cwd=ROOT,
        env={**os.environ, **flags, **kept, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return tuple(map(int, ran.stdout.split()))
