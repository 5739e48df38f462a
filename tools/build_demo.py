"""Writes `docs/demo/weights.js`, the weights of the page that runs, from a saved model.

The page opens as a file too, where a browser reads scripts and no other files; so the weights are a
script, which holds 32-bit floats in base64:

    python tools/build_demo.py
    python tools/build_demo.py --name digits-mlp --out weights.js

Any model of the zoo will do that has one hidden layer of Yat neurons and a linear one, on 8 x 8
pixels.
"""

import argparse
import base64
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np

import pyneurons_yat as pn
from pyneurons_yat.zoo import model_cards, pretrained

NAME = "drawn-digits"
EPSILON = inspect.signature(pn.yat).parameters["epsilon"].default
WEIGHTS = Path(__file__).parents[1] / "docs" / "demo" / "weights.js"
HEAD = """\
/* The weights of a network. Written by tools/build_demo.py; do not edit. */
const WEIGHTS = {};

if (typeof module !== "undefined") module.exports = WEIGHTS;
"""


def base64_of(array: Any) -> str:
    """32-bit floats, the least byte first, in base64."""
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode()


def script(name: str = NAME) -> str:
    """The text of the script for a model of the zoo."""
    model, card = pretrained(name), model_cards()[name]
    hidden, logits = model["hidden"], model["logits"]
    inputs, outputs = hidden.kernel.shape[0], logits.kernel.shape[1]
    told = {
        "name": name,
        "inputs": inputs,
        "outputs": outputs,
        "epsilon": dict(hidden.static).get("epsilon", EPSILON),
        **{key: card[key] for key in ("mean", "deviation")},
        "figures": {key: figure["value"] for key, figure in card["figures"].items()},
        "prototypes": base64_of(hidden.kernel.T),
        "alpha": base64_of(hidden.alpha),
        "votes": base64_of(logits.kernel),
        "bias": base64_of(logits.bias),
    }
    return HEAD.format(json.dumps(told, indent=2))


def main() -> None:
    """Writes the script for the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", choices=list(model_cards()), default=NAME)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    given.out.write_text(script(given.name), encoding="utf-8")


if __name__ == "__main__":
    main()
