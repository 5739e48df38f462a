"""char-gpt: a GPT of Yat neurons that writes Shakespeare, character by character."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp

import pyneurons_yat as pn
from pyneurons_yat.experiments.char_gpt import SIZES
from pyneurons_yat.experiments.language import loss, read
from pyneurons_yat.experiments.language import train as trained

SIZE = SIZES["small"]
SLICE = 100
"""Windows of the figure that a test can check in little time."""


def train(folder: Path | None, seed: int) -> tuple[pn.Model, dict[str, Any]]:
    """The model in float16, and what its card tells of it. The folder holds the text."""
    text = read(folder)
    model = pn.cast(jnp.float16)(trained(text, SIZE, seed).model)
    wide = pn.cast(jnp.float32)(model)
    whole, part = (loss(wide, text.validation, SIZE.length, n) for n in (None, SLICE))
    return model, {
        "inputs": "integers (*B, T) from 0 to 64: the places of characters in `symbols`; it was "
        f"trained on windows of {SIZE.length}",
        "outputs": "(*B, T, 65): logits of the next character",
        "symbols": text.vocabulary.symbols,
        "dtype": "float16; pn.cast(jnp.float32)(model) computes faster on a CPU",
        "data": "Tiny Shakespeare: the first 90% of its 1,115,394 characters to train with, the "
        "last 10% to validate with",
        "data_license": "public domain",
        "steps": SIZE.steps,
        "figures": {"loss": whole, f"loss of the first {SLICE} windows": part},
    }
