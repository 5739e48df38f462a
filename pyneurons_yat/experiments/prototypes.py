"""Yat prototypes survive a change of every weight's sign, linear ones do not.

One layer from 784 pixels to 10 classes is trained by cross entropy; the ten columns of its kernel
are the prototypes. Then signs are changed, and nothing is trained again. A Yat neuron answers

    alpha (x.w + b)^2 / (|x - w|^2 + epsilon),    and with -w in place of w
    alpha (x.w - b)^2 / (|x + w|^2 + epsilon).

So two things can move its answer: the bias in the numerator, and the term 2 x.w of the distance,
whose share of |x|^2 + |w|^2 + epsilon is `rho`. The sign of the bias alone moves only the first,
the signs of kernel and bias together move only the second.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core import Model, bind, replace
from ..data import Split
from ..learn import accuracy, cross_entropy
from ..neurons import Linear, YatDense
from .report import percent
from .seeds import fit_stacked, keys
from .sources import mnist
from .study import Row, Study

PAPER = "arXiv:2411.08085"
EPSILONS = (1e-5, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
SCALES = (0.06, 0.25, 4.0)


class Swept(NamedTuple):
    """A Yat layer with an epsilon that is a number of its own, so that runs differ in it."""

    neurons: Model
    epsilon: jax.Array


def create(
    key: jax.Array, *, epsilon: float = 1e-5, scale: float = 1.0, use_alpha: bool = True
) -> Swept:
    """A fresh Yat layer for MNIST, its kernel times `scale`."""
    again = jax.random.clone(key)
    layer = YatDense(again, 784, 10, epsilon=epsilon, use_alpha=use_alpha)
    plain = YatDense(key, 784, 10, use_alpha=use_alpha)
    return Swept(replace(plain, "kernel", scale * layer.kernel), jnp.float32(epsilon))


def apply(params: Swept, x: jax.Array) -> jax.Array:
    """Applies the layer to x (*B, 784)."""
    return params.neurons(x, epsilon=params.epsilon)


SweptYat = bind("SweptYat", create, apply, roles={"epsilon": "constants"})


class Case(NamedTuple):
    """One setting: what it is called, options of the layer, norm of the images, learning rate."""

    label: str
    options: dict[str, Any]
    unit: bool = False
    rate: float = 3e-3

    def kind(self) -> tuple[Any, ...]:
        """What cases must share to run at once."""
        return "use_alpha" in self.options, self.unit, self.rate


class Outcome(NamedTuple):
    """By seed (S,): accuracies before, after the signs of kernel, bias, both; |w|^2 and rho.

    `numerators` is the accuracy of the numerators alone, as an epsilon beyond all distances gives.
    """

    before: jax.Array
    kernel: jax.Array
    bias: jax.Array
    both: jax.Array
    numerators: jax.Array
    norm: jax.Array
    rho: jax.Array


def negated(model: Model, *names: str) -> Model:
    """The model with the signs of these parameters changed, where it has them."""
    for name in names:
        value = getattr(model, name)
        model = model if value is None else replace(model, name, -value)
    return model


@jax.jit
@partial(jax.vmap, in_axes=(0, None, None))
def tested(model: Model, x: jax.Array, y: jax.Array) -> Outcome:
    """What a trained Yat layer makes of images (N, 784) before and after the changes of signs."""
    layer = model.neurons

    def accurate(*names: str) -> jax.Array:
        return accuracy(replace(model, "neurons", negated(layer, *names))(x), y)

    squares = jnp.square(layer.kernel).sum(0)[y]
    dots = jnp.take_along_axis(x @ layer.kernel, y[:, None], 1)[:, 0]
    rho = 2 * dots / (jnp.square(x).sum(1) + squares + model.epsilon)
    alone = accuracy(replace(model, "epsilon", jnp.full_like(model.epsilon, 1e9))(x), y)
    return Outcome(
        before=accurate(),
        kernel=accurate("kernel"),
        bias=accurate("bias"),
        both=accurate("kernel", "bias"),
        numerators=alone,
        norm=squares.mean(),
        rho=jnp.abs(rho).mean(),
    )


@jax.jit
@partial(jax.vmap, in_axes=(0, None, None))
def tested_linear(model: Model, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The accuracies of a linear layer before, and after the signs of its kernel."""
    return accuracy(model(x), y), accuracy(negated(model, "kernel")(x), y)


def cases(epsilons: tuple[float, ...], scales: tuple[float, ...]) -> list[Case]:
    """The settings: each epsilon, other initial kernels, no alpha, a rate, images of norm 1."""
    found = [Case(f"epsilon {e:g}", {"epsilon": e}) for e in epsilons]
    found += [Case(f"initial kernel times {s:g}", {"scale": s}) for s in scales]
    found += [Case("no alpha", {"use_alpha": False}), Case("learning rate 0.01", {}, rate=0.01)]
    found += [Case(f"images of norm 1, epsilon {e:g}", {"epsilon": e}, True) for e in (1e-5, 10.0)]
    return found


def measured(
    case_list: list[Case], train: Split, test: Split, seeds: int, fit: Callable[..., Any]
) -> dict[str, tuple[Model, Outcome]]:
    """Models and outcomes by label. Cases of one structure and the same images run at once."""
    found = {}
    for kind in dict.fromkeys(case.kind() for case in case_list):
        group = [case for case in case_list if case.kind() == kind]
        sets = [_unit(s) if group[0].unit else s for s in (train, test)]
        made = [jax.vmap(partial(SweptYat, **case.options))(keys(seeds)) for case in group]
        stacked = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *made)
        models, _ = fit(group[0].rate, stacked, *sets[0])
        outcomes = tested(models, *map(jnp.asarray, sets[1]))
        for place, case in enumerate(group):
            rows = slice(place * seeds, (place + 1) * seeds)
            found[case.label] = jax.tree.map(lambda leaf, r=rows: leaf[r], (models, outcomes))
    return {case.label: found[case.label] for case in case_list}


def _unit(split: Split) -> Split:
    return Split(split.x / np.linalg.norm(split.x, axis=1, keepdims=True), split.y)


def study(
    data: Path | None,
    seeds: int = 5,
    *,
    epsilons: tuple[float, ...] = EPSILONS,
    scales: tuple[float, ...] = SCALES,
    epochs: int = 20,
    batch_size: int = 128,
    examples: int | None = None,
) -> Study:
    """Accuracy of linear and Yat prototypes before and after the change of signs."""
    train, test = (Split(s.x[:examples].reshape(-1, 784), s.y[:examples]) for s in mnist(data))
    adam = cache(optax.adam)

    def fit(rate: float, models: Model, x: Any, y: Any) -> tuple[Model, jax.Array]:
        runs = jax.random.clone(jnp.tile(keys(seeds), len(jax.tree.leaves(models)[0]) // seeds))
        how = {"loss": cross_entropy, "epochs": epochs, "batch_size": batch_size}
        return fit_stacked(adam(rate), models, runs, x, y, **how)

    fresh = jax.vmap(partial(Linear, inputs=784, outputs=10))(keys(seeds))
    linear, _ = fit(3e-3, fresh, *train)
    ends = tested_linear(linear, *map(jnp.asarray, test))
    found = measured(cases(epsilons, scales), train, test, seeds, fit)
    rows = [
        Row("linear, before", "%", percent(ends[0]), 91.88, PAPER),
        Row("linear, signs of the kernel changed", "%", percent(ends[1]), 0.01, PAPER),
    ]
    for label, (_, outcome) in found.items():
        rows += rows_of(label, outcome, first=label == next(iter(found)))
    settings = {"seeds": seeds, "epochs": epochs, "batch_size": batch_size, "optimizer": "adam"}
    settings |= {"rate": 3e-3, "epsilons": [*epsilons], "scales": [*scales]}
    settings |= {"training images": len(train.x), "test images": len(test.x)}
    notes = (
        "rho is the mean over test images of |2 x.w| / (|x|^2 + |w|^2 + epsilon), w the prototype "
        "of the image's class: how far the change of signs moves the distance.",
        "The numerators alone, alpha (x.w + b)^2, are what a very large epsilon leaves at the "
        "test; up to the bias they do not feel the change of signs.",
        "The published figures do not say at which epsilon; they stand at the library's own.",
    )
    picture = partial(draw, linear=linear, found=found, epsilons=epsilons)
    question = "What do prototypes of MNIST still know once the sign of every weight is changed?"
    return Study("prototypes", question, tuple(rows), settings, picture, notes)


def rows_of(label: str, outcome: Outcome, *, first: bool) -> list[Row]:
    """What is told of a Yat layer; all of it for the first, to which the paper's figures belong."""
    before, after, source = (92.18, 87.87, PAPER) if first else (None, None, "")
    rows = [
        Row(f"Yat, {label}, before", "%", percent(outcome.before), before, source),
        Row(
            f"Yat, {label}, signs of the kernel changed",
            "%",
            percent(outcome.kernel),
            after,
            source,
        ),
    ]
    if first:
        for what, values in (("bias", outcome.bias), ("kernel and bias", outcome.both)):
            rows.append(Row(f"Yat, {label}, signs of the {what} changed", "%", percent(values)))
    return [
        *rows,
        Row(f"Yat, {label}, numerators alone", "%", percent(outcome.numerators)),
        Row(f"Yat, {label}, squared norm of w", "", tuple(outcome.norm)),
        Row(f"Yat, {label}, rho", "", tuple(outcome.rho)),
    ]


# ----------------------------------------------------------------------------------- pictures


def draw(figure: Any, linear: Model, found: Any, epsilons: tuple[float, ...]) -> None:
    """Accuracy over epsilon, accuracy over rho, and the prototypes of the first seed."""
    figure.set_size_inches(9, 7.2)
    panels = figure.subplot_mosaic([["epsilon", "rho"], ["images"] * 2], height_ratios=(3, 2))
    _over_epsilon(panels["epsilon"], [found[f"epsilon {e:g}"][1] for e in epsilons], epsilons)
    _over_rho(panels["rho"], found)
    kernels = {"linear": linear.kernel[0]}
    for epsilon in (epsilons[0], epsilons[-2]):
        label = f"epsilon {epsilon:g}"
        kernels[f"Yat,\n{label}"] = found[label][0].neurons.kernel[0]
    _images(panels["images"], kernels)


def _over_epsilon(axes: Any, outcomes: list[Outcome], epsilons: tuple[float, ...]) -> None:
    lines = {
        "before": ("o-", "before"),
        "kernel": ("s--", "signs of the kernel changed"),
        "both": ("^:", "signs of kernel and bias changed"),
        "bias": ("d-.", "signs of the bias changed"),
    }
    for number, (name, (style, label)) in enumerate(lines.items()):
        values = 100 * np.array([getattr(outcome, name) for outcome in outcomes])
        mean, spread = values.mean(1), values.std(1, ddof=min(1, values.shape[1] - 1))
        look = {"color": f"{0.18 * number:.2f}", "capsize": 3, "markersize": 5}
        axes.errorbar(epsilons, mean, spread, fmt=style, label=label, **look)
    for level, when in ((92.18, "before"), (87.87, "after")):
        axes.axhline(level, color="0.5", linewidth=0.8)
        words = f"published, {when}"
        axes.text(epsilons[0], level - 0.2, words, fontsize="small", color="0.3", va="top")
    axes.set(xscale="log", xlabel="epsilon", ylabel="test accuracy, %", title="Yat prototypes")
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(0, 0.62))


def _over_rho(axes: Any, found: dict[str, tuple[Model, Outcome]]) -> None:
    groups = {"epsilon": "o", "initial kernel": "s", "no alpha": "^", "learning rate": "v"}
    groups |= {"images of norm 1": "d"}
    for start, marker in groups.items():
        chosen = [outcome for label, (_, outcome) in found.items() if label.startswith(start)]
        rho = np.concatenate([np.asarray(outcome.rho) for outcome in chosen])
        lost = np.concatenate([np.asarray(o.before - o.kernel) for o in chosen])
        look = {"color": "white", "markeredgecolor": "black", "markersize": 5}
        axes.plot(rho, 100 * lost, marker, label=start, **look)
    axes.set(xlabel="rho: share of the distance that changes sign")
    axes.set(ylabel="accuracy lost, points", title="What decides it: one mark per run")
    axes.legend(fontsize="small", title="varied")


def _images(axes: Any, kernels: dict[str, jax.Array]) -> None:
    rows = []
    for kernel in kernels.values():
        images = np.asarray(kernel).T.reshape(-1, 28, 28)
        images = images / np.abs(images).max()
        rows.append(np.hstack([np.pad(i, 1, constant_values=np.nan) for i in images]))
    drawn = axes.imshow(np.vstack(rows), cmap="gray", vmin=-1, vmax=1)
    axes.set(yticks=15 + 30 * np.arange(len(rows)), yticklabels=list(kernels))
    axes.set(xticks=15 + 30 * np.arange(len(rows[0][0]) // 30), xticklabels=range(10))
    axes.set(xlabel="class", title="Prototypes of the first seed")
    axes.tick_params(length=0)
    axes.figure.colorbar(drawn, ax=axes, label="weight / largest", fraction=0.02, aspect=12)
