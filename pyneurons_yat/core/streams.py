"""streams: independent keys by name."""

import zlib

import jax

from .checks import check_kind


def streams(key: jax.Array, *names: str) -> dict[str, jax.Array]:
    """Makes independent keys from one, by name: the counterpart of nnx's named random streams.

    From one key a name always gives the same key, whatever other names are asked for.

    Args:
        key: A PRNG key.
        *names: Different names.

    Returns:
        A mapping from each name to its key.

    Raises:
        ValueError: If a name comes twice, or no name at all.
        TypeError: If a name is not text.

    Example:
        >>> import jax, pyneurons_yat as pn
        >>> keys = pn.streams(jax.random.key(0), "params", "dropout")
        >>> model = pn.Linear(keys["params"], 3, 2)
        >>> sorted(keys)
        ['dropout', 'params']
    """
    if not names:
        raise ValueError("streams: names must be at least one, got none")
    for name in names:
        check_kind("streams", "a name", name, str)
        if names.count(name) > 1:
            raise ValueError(f"streams: names must differ, got {name!r} twice")
    return {name: jax.random.fold_in(key, zlib.crc32(name.encode())) for name in names}
