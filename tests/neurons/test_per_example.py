"""Code for one example under vmap costs what code for a batch costs, for every layer.

What is looked at is the program, not the clock: its operations, and the shapes of all that it
computes, among them no gradient of a parameter for each example.
"""

from functools import cache, lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from benchmarks import vmap

BATCH = 7  # no layer has a size of 7
SUBJECTS = {subject.name: subject for subject in vmap.subjects()}
# The tests of a subject run one after another, so that its programs are traced once.
every_subject = pytest.mark.parametrize("name", SUBJECTS, scope="module")
WITHOUT_PARAMETERS = {"Dropout"}


def arrays(jaxpr):
    """The types of all arrays in a program, those in its loops and compiled parts too."""
    for equation in jaxpr.eqns:
        yield from (atom.aval for atom in equation.outvars)
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from arrays(inner)


def layers(tree):
    """The names of the layers of all models in a tree."""
    if isinstance(tree, pn.Model):
        return {tree.layer.name} | layers(tree.params)
    inside = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, pn.Model))
    return {name for one in inside if isinstance(one, pn.Model) for name in layers(one)}


@cache
def shapes(name):
    """The model of a subject with the shape of each parameter in its place."""
    return jax.eval_shape(SUBJECTS[name].make, jax.random.key(0))


@lru_cache(1)
def programs(name):
    """Of the gradient of a batch and of the one under vmap, what is traced and what is lowered."""
    x = jax.ShapeDtypeStruct((BATCH, *SUBJECTS[name].shape), float)
    both = (vmap.gradient(SUBJECTS[name], mapped) for mapped in (False, True))
    traced = [gradient.trace(shapes(name), x) for gradient in both]
    return [(program.jaxpr, program.lower()) for program in traced]


def prepare(name):
    """A model and a batch of NumPy's numbers: JAX would compile for every shape that it draws."""
    rng = np.random.default_rng(0)

    def drawn(leaf):
        if leaf.dtype.kind == "i":  # indices: different ones in each column
            return np.argsort(rng.random(leaf.shape), axis=0).astype(leaf.dtype)
        if len(leaf.shape) > 1:
            return rng.normal(0, leaf.shape[-2] ** -0.5, leaf.shape).astype(leaf.dtype)
        return rng.uniform(0.5, 1.5, leaf.shape).astype(leaf.dtype)

    return jax.tree.map(drawn, shapes(name)), rng.normal(size=(BATCH, *SUBJECTS[name].shape))


def test_every_layer_is_a_subject():
    public = {value.name for value in vars(pn).values() if isinstance(value, pn.Layer)}
    assert public - layers(list(map(shapes, SUBJECTS))) == WITHOUT_PARAMETERS


@every_subject
def test_a_vmapped_gradient_is_that_of_the_batch(name):
    (_, batch), (jaxpr, one_by_one) = programs(name)
    batched, mapped = (lowered.cost_analysis()["flops"] for lowered in (batch, one_by_one))
    assert mapped <= 1.05 * batched
    example = max(np.prod(SUBJECTS[name].shape), 1)
    kernels = {leaf.shape for leaf in jax.tree.leaves(shapes(name)) if leaf.size > example}
    computed = {aval.shape for aval in arrays(jaxpr.jaxpr)}
    assert not computed & {(BATCH, *shape) for shape in kernels}


@every_subject
def test_a_vmapped_gradient_has_the_batchs_values(name):
    arguments = prepare(name)
    batched, mapped = (lowered.compile()(*arguments) for _, lowered in programs(name))
    for one, two in zip(jax.tree.leaves(batched), jax.tree.leaves(mapped), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, two, 1e-3, 1e-3 * np.max(np.abs(one), initial=1e-3))


def test_a_gradient_for_each_example_is_seen():
    def total(kernel, x):
        each = jax.vmap(jax.grad(lambda kernel, x: jnp.sum(x @ kernel)), (None, 0))
        return jnp.sum(each(kernel, x))

    program = jax.jit(total).trace(np.ones((4, 5)), np.ones((BATCH, 4))).jaxpr
    assert (BATCH, 4, 5) in {aval.shape for aval in arrays(program.jaxpr)}
