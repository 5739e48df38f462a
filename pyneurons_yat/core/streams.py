"""streams: independent keys by name."""

import zlib

import jax


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
        raise ValueError("streams: at least one name must be given")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"streams: a name must be text, but a {type(name).__name__} came")
        if names.count(name) > 1:
            raise ValueError(f"streams: names must differ, but {name!r} came twice")
    return {name: jax.random.fold_in(key, zlib.crc32(name.encode())) for name in names}
