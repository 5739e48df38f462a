"""Trained weights that come with the package, and what is told of each."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..core import Model
from ..io import load
from ..ops.checks import check_choice

FOLDER = Path(__file__).with_name("weights")


def model_cards() -> dict[str, dict[str, Any]]:
    """What is told of each trained model of the package.

    Returns:
        By name, a dictionary: "inputs" and "outputs" in words, "parameters", "data" and how they
        were divided, "steps" of training, "figures" that were measured on data that it was not
        trained with, "license" of the weights and "data_license", the "command" that trains it
        again, "sha256" of the file. Some tell more, such as the mean and deviation of the inputs.

    Example:
        >>> from pyneurons_yat.zoo import model_cards
        >>> model_cards()["digits-mlp"]["parameters"]
        9610
    """
    return json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))


def pretrained(name: str) -> Model:
    """A trained model that comes with the package: read from its folder, without a network.

    Args:
        name: One of `model_cards()`. It says what each takes, returns and was trained with.

    Returns:
        The model, ready to be called, or trained on.

    Raises:
        ValueError: If there is no such model, or its file is damaged.
        ImportError: If safetensors is absent; the extra `io` brings it.

    Example:
        >>> import jax.numpy as jnp
        >>> from pyneurons_yat.zoo import pretrained
        >>> model = pretrained("digits-mlp")
        >>> model(jnp.zeros((5, 64))).shape
        (5, 10)
    """
    cards = model_cards()
    check_choice("pretrained", "name", name, list(cards))
    path = FOLDER / f"{name}.safetensors"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != cards[name]["sha256"]:
        raise ValueError(
            f"pretrained: {path.name} must have the sha256 {cards[name]['sha256']}, got {found}; "
            "install the package again"
        )
    try:
        return load(path)
    except ImportError as error:
        raise ImportError(
            "pretrained: safetensors must be installed, got none; pip install 'pyneurons_yat[io]'"
        ) from error
