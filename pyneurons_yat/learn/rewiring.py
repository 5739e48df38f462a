"""rewire: the non-zeros of sparse layers, moved between the epochs of a training."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.tree_util import tree_flatten_with_path

from ..core import Filter, Model
from ..core.filters import leaf_places, takes
from ..ops.checks import check_fit
from ..ops.sparse import Rule, SparseKernel, gone_of, regrown
from .metrics import told
from .recipe import check_optimizer
from .train_step import TrainState, opt_state_of

if TYPE_CHECKING:
    import optax

Tree = TypeVar("Tree", Model, TrainState)


class Moved(NamedTuple):
    """A sparse kernel of a model, and what was moved in it.

    Attributes:
        path: JAX's keys that lead to it.
        kernel: The kernel as it is now.
        gone: Where its entries are new, booleans of the shape of its values; or None.
    """

    path: tuple[Any, ...]
    kernel: SparseKernel
    gone: jax.Array | None


def rewire(
    key: jax.Array,
    tree: Tree,
    prune: Rule,
    *,
    which: Filter = ...,
    kernel_init: Callable[..., jax.Array] = jax.nn.initializers.zeros,
    optimizer: "optax.GradientTransformation | None" = None,
) -> Tree:
    """Moves non-zeros of the sparse layers of a model: some go, and as many come elsewhere.

    Which go is decided over a whole layer. For each that goes, a new one comes to the same output,
    at an input drawn at random from those without one. So the number of non-zeros stays, of each
    output too. Only where an output has too few such inputs does a new one come to the place of one
    that went.

    Args:
        key: A PRNG key. In a callback of `fit` fold the state's step into it: then a run that is
            resumed goes on as it would have.
        tree: A model with sparse layers, or the `TrainState` of one.
        prune: Which go: `prune_magnitude(0.3)`, `prune_set(0.3)`, `prune_threshold(0.01)`, or any
            function from the values (K, O) of a layer to booleans.
        which: In which layers, a filter as for `partition`.
        kernel_init: `kernel_init(key, shape, dtype)`, what new entries begin with; it is asked for
            the shape of all values of a layer. Zeros by default, which leave the outputs as they
            are after the pruning.
        optimizer: Of a `TrainState`, what trains it. Its state for a new entry is as for a fresh
            parameter: Adam's moments are 0.

    Returns:
        The same kind of tree. It can be computed under `jax.jit`, with prune, which, kernel_init
        and optimizer closed over.

    Raises:
        TypeError: If the tree is neither, prune no function to booleans, or a `TrainState` comes
            without its optimizer or a model with one.
        ValueError: If there is no sparse layer where the filter says, what prune or kernel_init
            return has another shape, or the optimizer did not make the state.

    Example:
        >>> import jax, jax.numpy as jnp, optax, pyneurons_yat as pn
        >>> model = pn.SparseLinear(jax.random.key(0), 20, 3, density=0.2)
        >>> moved = pn.rewire(jax.random.key(1), model, pn.prune_magnitude(0.5))
        >>> int((moved.kernel.indices != model.kernel.indices).sum())
        6

        After each epoch but the last, three tenths of the weights move:

        >>> adam, x = optax.adam(1e-2), jax.random.normal(jax.random.key(2), (8, 20))
        >>> def move(epoch, state, report):
        ...     key = jax.random.fold_in(jax.random.key(3), state.step)
        ...     if epoch < 4:
        ...         return pn.rewire(key, state, pn.prune_set(0.3), optimizer=adam)
        >>> model, history = pn.fit(adam, model, x, x[:, :3], epochs=5, callback=move)

    Source:
        Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse
        connectivity inspired by network science", 2018 (SET). As many non-zeros for each output:
        Lasby et al., "Dynamic Sparse Training with Structured Sparsity", arXiv:2305.02299.
    """
    if isinstance(tree, Model):
        if optimizer is not None:
            raise TypeError(
                "rewire: optimizer must be left out for a Model, which has no state of it, got one"
            )
        return _moved(key, tree, prune, which, kernel_init)[0]
    if not isinstance(tree, TrainState):
        raise TypeError(f"rewire: tree must be a Model or a TrainState, got {told(tree)}")
    check_optimizer("rewire", optimizer)
    model, moved = _moved(key, tree.model, prune, which, kernel_init)
    fresh = opt_state_of("rewire", optimizer, model, tree.loss_scale)
    return tree._replace(model=model, opt_state=_restarted(tree.opt_state, fresh, moved))


def _is_kernel(node: Any) -> bool:
    return isinstance(node, SparseKernel)


def _moved(
    key: jax.Array, model: Model, prune: Rule, which: Filter, kernel_init: Callable[..., Any]
) -> tuple[Model, list[Moved]]:
    """The model with its kernels moved, and a list of all of them."""
    taken = takes("rewire", (which,), leaf_places(model))
    chosen = jax.tree.unflatten(jax.tree.structure(model), taken)
    flags = jax.tree.leaves(chosen, is_leaf=_is_kernel)
    pairs, structure = tree_flatten_with_path(model, is_leaf=_is_kernel)
    keys = jax.random.split(key, len(pairs))
    nodes, found = [], []
    for (path, node), flag, one in zip(pairs, flags, keys, strict=True):
        gone = None
        if _is_kernel(node) and flag.values:
            node, gone = _moved_kernel(one, node, prune, kernel_init)
        nodes.append(node)
        if _is_kernel(node):
            found.append(Moved(path, node, gone))
    if all(one.gone is None for one in found):
        raise ValueError(
            "rewire: which must take the values of a sparse layer, got "
            f"{len(found) or 'no'} sparse layers and none of them taken"
        )
    return jax.tree.unflatten(structure, nodes), found


def _moved_kernel(
    key: jax.Array, kernel: SparseKernel, prune: Rule, kernel_init: Callable[..., Any]
) -> tuple[SparseKernel, jax.Array]:
    """A kernel, or each copy of a `repeat`, with entries moved; and which these are."""

    def one(key, kernel):
        for_values, for_places = jax.random.split(key)
        values, gone = kernel.values, gone_of("rewire", prune, kernel.values)
        fresh = kernel_init(for_values, values.shape, values.dtype)
        check_fit("rewire", "the result of kernel_init", fresh, values.shape, "have")
        return regrown(for_places, kernel, gone, fresh), gone

    copies = kernel.values.shape[:-2]
    for _ in copies:
        one = jax.vmap(one)
    return one(jax.random.split(key, copies) if copies else key, kernel)


def _restarted(old: Any, fresh: Any, moved: list[Moved]) -> Any:
    """The optimizer's state, as it is in the fresh one for the entries that are new.

    What belongs to a kernel is known by its path, which ends as the kernel's in the model does.
    """
    pairs, structure = tree_flatten_with_path(old, is_leaf=_is_kernel)
    others, other = jax.tree.flatten(fresh, is_leaf=_is_kernel)
    if structure != other:
        raise ValueError(
            "rewire: optimizer must be the one that made the TrainState, got one whose state has "
            "another structure"
        )
    nodes = []
    for (path, node), new in zip(pairs, others, strict=True):
        if _is_kernel(node):
            one = _belonging(path, moved)
            if one is not None:
                node = node._replace(values=_chosen(one.gone, new.values, node.values))
        nodes.append(node)
    return jax.tree.unflatten(structure, nodes)


def _belonging(path: tuple[Any, ...], moved: list[Moved]) -> Moved | None:
    """The kernel of the model to which a place in the optimizer's state belongs."""
    ends = [one for one in moved if path[len(path) - len(one.path) :] == one.path]
    return max(ends, key=lambda one: len(one.path), default=None)


def _chosen(gone: jax.Array | None, new: Any, old: Any) -> Any:
    """The new numbers where something is gone; what has another shape is no number for each."""
    if gone is None or getattr(old, "shape", None) != gone.shape:
        return old
    return jnp.where(gone, new, old)
