"""Runs exported programs where there is jax and no more: `python -I bare_process.py FOLDER`.

For each NAME.jax the arguments are the arrays of NAME.npz, calls one after another, and what comes
out is written to NAME.out.npz.
"""

import sys
from pathlib import Path

import jax
import jax.export
import numpy as np


def main():
    sys.modules["pyneurons_yat"] = None  # importing it is an error
    for path in sorted(Path(sys.argv[1]).glob("*.jax")):
        program = jax.export.deserialize(bytearray(path.read_bytes()))
        with np.load(path.with_suffix(".npz")) as file:
            leaves = [file[str(i)] for i in range(len(file.files))]
        size = len(program.in_avals)
        found = []
        for start in range(0, len(leaves), size):
            args, options = jax.tree.unflatten(program.in_tree, leaves[start : start + size])
            found += jax.tree.leaves(program.call(*args, **options))
        np.savez(path.with_suffix(".out.npz"), *found)
    print([name for name, module in sys.modules.items() if "pyneurons" in name and module])


if __name__ == "__main__":
    main()
