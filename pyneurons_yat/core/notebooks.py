"""How notebooks show models: as a tree that unfolds, in HTML or by treescope."""

from collections.abc import Mapping
from html import escape
from typing import Any

from .description import counted, heading
from .filters import places
from .leaves import describe
from .model import Model, branches
from .paths import Keys, children, text

BOX = '<div style="font-family:monospace;white-space:nowrap">'
INDENTED = '<div style="margin-left:1.5em">'


def html(model: Model) -> str:
    """The parts of a model, each with what it holds; leaves by shape, dtype and role."""
    roles = {at.keys: at.role for at in places(model)}
    return f"{BOX}{_part(model, (), '', roles)}</div>"


def _part(model: Model, keys: Keys, name: str, roles: Mapping[Keys, str | None]) -> str:
    line = f"{escape(name)} <b>{escape(heading(model))}</b> {escape(counted(model))}".strip()
    rows = [_row(node, (*keys, *more), text(more), roles) for more, node in branches(model)]
    if not rows:
        return f"<div>{line}</div>"
    opened = "" if keys else " open"
    inside = "".join(rows)
    return f"<details{opened}><summary>{line}</summary>{INDENTED}{inside}</div></details>"


def _row(node: Any, keys: Keys, name: str, roles: Mapping[Keys, str | None]) -> str:
    if isinstance(node, Model):
        return _part(node, keys, name, roles)
    role = roles[keys]
    told = "" if role == "params" else f" <i>{escape(str(role))}</i>"
    return f"<div>{escape(name)} {escape(describe(node))}{told}</div>"


def treescope(model: Model, path: str | None, render: Any) -> Any:
    """What treescope shows of a model; `render` is its renderer of what the model holds."""
    from treescope import rendering_parts as parts
    from treescope.formatting_util import color_from_string

    rows = []
    for key, child in children(model)[0]:
        inner = None if path is None else path + (key.shown or key.plain)
        label = (key.shown or key.plain).removeprefix(".")
        rows.append(parts.siblings_with_annotations(f"{label}=", render(child, path=inner)))
    return parts.build_foldable_tree_node_from_children(
        prefix=f"{heading(model)}(",
        children=rows,
        suffix=")",
        comma_separated=True,
        path=path,
        background_color=color_from_string(model.layer.name),
    )
