"""What the reverse pass keeps of a computation that it can do again, by name."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from .checks import check_flag
from .jaxprs import labels

Function = Callable[..., Any]
Policy = Callable[..., bool]
Remat = bool | str | Policy

EVERYTHING, NOTHING = "everything", "nothing"
KEPT: dict[str, Policy] = {
    EVERYTHING: jax.checkpoint_policies.everything_saveable,
    NOTHING: jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_saveable,
    "dots_no_batch": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "dots_on_host": jax.checkpoint_policies.offload_dot_with_no_batch_dims("device", "pinned_host"),
}
"""What is kept: all, none, matrix products, those without batch axes, these in the host's memory.

Products without batch axes are those with weights; those of attention are among the others.
"""

NAMES = "names"
"""A policy that lists labels: only what `name` has marked with one of them is kept."""


def check_remat(function: str, remat: Any) -> None:
    """Refuses what is no flag, no name of a policy and no policy."""
    if isinstance(remat, str):
        policy_of(function, remat)
    elif not callable(remat):
        check_flag(function, "remat", remat, ", the name of a policy or one of jax.checkpoint")


def rematerialized(function: str, step: Function, remat: Remat) -> Function:
    """A function whose insides the reverse pass computes again, as far as `remat` asks for it.

    Args:
        function: Whose option `remat` is, for errors.
        step: What is differentiated.
        remat: True or False, the name of a policy, or a policy.
    """
    if remat is False or remat == EVERYTHING:
        return step
    policy = policy_of(function, NOTHING if remat is True else remat)
    again = jax.checkpoint(step, policy=policy, prevent_cse=False)
    names = names_in(remat)
    return _checked(function, step, names, again) if names else again


@functools.cache
def policy_of(function: str, remat: str | Policy) -> Policy:
    """The policy that a name means; the same object for the same name, so that JAX knows it."""
    if not isinstance(remat, str):
        return remat
    kind, _, names = remat.partition(":")
    if kind in KEPT and not names:
        return KEPT[kind]
    if kind == NAMES and names_in(remat):
        return jax.checkpoint_policies.save_only_these_names(*names_in(remat))
    known = [*KEPT, f"{NAMES}:LABEL,..."]
    raise ValueError(f"{function}: remat must be one of {', '.join(known)}, got {remat!r}")


def names_in(remat: Remat) -> tuple[str, ...]:
    """The labels that the name of a policy lists, as in "names:hidden,gate"."""
    listed = remat.partition(":")[2] if isinstance(remat, str) else ""
    return tuple(filter(None, map(str.strip, listed.split(","))))


def _checked(function: str, step: Function, names: tuple[str, ...], again: Function) -> Function:
    """The function `again`, which refuses labels that mark nothing in what it computes."""

    def checked(*args: Any) -> Any:
        met = set(labels(jax.make_jaxpr(step)(*args).jaxpr))
        unmet = [name for name in names if name not in met]
        if unmet:
            raise ValueError(
                f"{function}: remat must name values that are marked by pn.name inside of the "
                f"copies, {', '.join(sorted(met)) or 'of which there is none'}, got "
                f"{', '.join(unmet)}"
            )
        return again(*args)

    return checked
