"""Trains a model of `pyneurons_yat.zoo.pretrained` and writes it, with its card, to the package.

Each model has a recipe in `tools/recipes`, a module with a function `train(folder, seed)`. The same
machine and versions make the same bytes again. The model of seed 0 is written; the other seeds
tell the spread of its figures:

    python tools/train_zoo.py digits-mlp
    python tools/train_zoo.py mnist-cnn --data FOLDER --seeds 3

The folder holds the files that the recipe names; PYNEURONS_YAT_DATA names one by default.
"""

import argparse
import hashlib
import importlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

import pyneurons_yat as pn
from pyneurons_yat.zoo.trained import FOLDER

INDEX = FOLDER / "index.json"
RECIPES = sorted(
    path.stem.replace("_", "-")
    for path in Path(__file__).with_name("recipes").glob("*.py")
    if not path.stem.startswith("_")
)


def spread(figures: list[dict[str, float]]) -> dict[str, Any]:
    """Each figure of the model that is written, and its mean and deviation over the seeds."""
    told: dict[str, Any] = {}
    for name, value in figures[0].items():
        told[name] = {"value": round(value, 4), "seeds": len(figures)}
        if len(figures) > 1:
            values = [each[name] for each in figures]
            told[name]["mean"] = round(float(np.mean(values)), 4)
            told[name]["deviation"] = round(float(np.std(values, ddof=1)), 4)
    return told


def write(name: str, model: pn.Model, card: dict[str, Any], command: str) -> None:
    """Writes the weights, and the card to the index."""
    path = pn.save(FOLDER / f"{name}.safetensors", model)
    index = json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.exists() else {}
    index[name] = {
        **card,
        "parameters": pn.count(model),
        "license": "Apache-2.0",
        "command": command,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    text = json.dumps(dict(sorted(index.items())), indent=2, ensure_ascii=False)
    INDEX.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Trains and writes the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--data", type=Path, default=os.environ.get("PYNEURONS_YAT_DATA"))
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    recipe = importlib.import_module(f"recipes.{given.name.replace('-', '_')}")
    runs = [recipe.train(given.data, seed) for seed in range(given.seeds)]
    model, card = runs[0]
    card["figures"] = spread([told["figures"] for _, told in runs])
    options = "" if given.data is None else " --data FOLDER"
    options += f" --seeds {given.seeds}" if given.seeds > 1 else ""
    write(given.name, model, card, f"python tools/train_zoo.py {given.name}{options}")
    print(json.dumps(card["figures"], indent=2))


if __name__ == "__main__":
    main()
