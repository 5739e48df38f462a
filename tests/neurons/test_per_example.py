"""Code for one example under vmap costs what code for a batch costs, for every layer.

What is looked at is the program, not the clock: its operations, and the shapes of all that it
computes, among them no gradient of a parameter for each example.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pyneurons_yat as pn
from benchmarks import vmap

BATCH = 7  # no layer has a size of 7
SUBJECTS = {subject.name: subject for subject in vmap.subjects()}
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


def test_every_layer_is_a_subject():
    public = {value.name for value in vars(pn).values() if isinstance(value, pn.Layer)}
    made = [jax.eval_shape(subject.make, jax.random.key(0)) for subject in SUBJECTS.values()]
    assert public - layers(made) == WITHOUT_PARAMETERS


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_vmapped_gradient_is_that_of_the_batch(name):
    subject = SUBJECTS[name]
    model, x = vmap.prepare(subject, BATCH)
    traced = [vmap.gradient(subject, mapped).trace(model, x) for mapped in (False, True)]
    batched, mapped = (t.lower().cost_analysis()["flops"] for t in traced)
    assert mapped <= 1.05 * batched
    example = max(np.prod(subject.shape), 1)
    shapes = {leaf.shape for leaf in jax.tree.leaves(model) if leaf.size > example}
    computed = {aval.shape for aval in arrays(traced[1].jaxpr.jaxpr)}
    assert not computed & {(BATCH, *shape) for shape in shapes}


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_vmapped_gradient_has_the_batchs_values(name):
    subject = SUBJECTS[name]
    model, x = vmap.prepare(subject, 3)
    batched, mapped = (vmap.gradient(subject, mapped)(model, x) for mapped in (False, True))
    for one, two in zip(jax.tree.leaves(batched), jax.tree.leaves(mapped), strict=True):
        np.testing.assert_allclose(one, two, 1e-3, 1e-3 * jnp.max(jnp.abs(one), initial=1e-3))


def test_a_gradient_for_each_example_is_seen():
    def total(kernel, x):
        each = jax.vmap(jax.grad(lambda kernel, x: jnp.sum(x @ kernel)), (None, 0))
        return jnp.sum(each(kernel, x))

    program = jax.jit(total).trace(jnp.ones((4, 5)), jnp.ones((BATCH, 4))).jaxpr
    assert (BATCH, 4, 5) in {aval.shape for aval in arrays(program.jaxpr)}
