"""check_kind: the one check of what sort of thing an argument is."""

from collections.abc import Mapping
from typing import Any

WORDS = {str: "text", Mapping: "a mapping"}


def check_kind(function: str, name: str, value: Any, kind: type, cure: str = "") -> None:
    """Refuses an argument that is no instance of a class; a cure follows behind what came."""
    if not isinstance(value, kind):
        wanted = WORDS.get(kind, f"a {kind.__name__}")
        raise TypeError(f"{function}: {name} must be {wanted}, got a {type(value).__name__}{cure}")
