"""How models are shown: parts by name, leaves by shape and dtype, nothing by its values."""

from typing import Any

from .filters import Place, leaf_places, places
from .layer import Layer
from .leaves import count, describe
from .model import Model
from .signatures import Wrapping, shown


def title(layer: Layer) -> str:
    """The name of a layer, with the functions of a chain."""
    return layer.apply.title(layer.name) if isinstance(layer.apply, Wrapping) else layer.name


def by_role(tree: Any) -> dict[str, list[Any]]:
    """The leaves of each role, parameters first."""
    found: dict[str, list[Any]] = {}
    for place in leaf_places(tree):
        found.setdefault(place.role or "", []).append(place.node)
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != "params", pair[0])))


def counted(model: Model) -> str:
    """What a model counts by role."""
    counts = {role: count(leaves) for role, leaves in by_role(model).items()}
    told = [f"{n:,} {'parameters' if role == 'params' else role}" for role, n in counts.items()]
    return ", ".join(told) or "no parameters"


def drawn(model: Model) -> str:
    """A line for the whole, with what it counts by role, and one for each part and each leaf."""
    rows = [_row(place) for place in places(model)[1:]]
    widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
    lines = [
        f"  {path:{widths[0]}}  {what:{widths[1]}}  {role}".rstrip() for path, what, role in rows
    ]
    return "\n".join([f"{heading(model)}  {counted(model)}", *lines])


def _row(place: Place) -> tuple[str, str, str]:
    if isinstance(place.node, Model):
        return place.path, heading(place.node), ""
    return place.path, describe(place.node), "" if place.role == "params" else str(place.role)


def heading(model: Model) -> str:
    """The title of a model's layer, and the model's static configuration."""
    told = [(name, shown(v) if callable(v) else repr(v)) for name, v in model.static]
    static = ", ".join(f"{name}={value}" for name, value in told)
    return f"{title(model.layer)}{f'({static})' if static else ''}"
