"""What an experiment gives: numbers by seed, beside those that were published."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One quantity: what was measured, in which unit, and what a paper says of it.

    Attributes:
        label: What it is, such as `"Yat, test accuracy"`.
        unit: Of the values, such as `"%"`; empty for a plain number.
        values: One number per seed; or one alone, where no seed enters. NaN where a run diverged.
        published: The figure of the source, in the same unit; None if there is none.
        source: Where it was published.
    """

    label: str
    unit: str
    values: tuple[float, ...]
    published: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        """Refuses a row without a value, or with a figure that nobody published."""
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        if not self.values:
            raise ValueError(f"Row: values must be at least one number, got none for {self.label}")
        if (self.published is None) != (not self.source):
            raise ValueError(
                f"Row: published and source must come together, got published {self.published} "
                f"and source {self.source!r} for {self.label}"
            )


@dataclass(frozen=True)
class Study:
    """The result of an experiment.

    Attributes:
        name: As on the command line.
        question: What the experiment asks, one sentence.
        rows: What was measured.
        settings: Sizes, steps, rates as they were used: numbers, strings, or lists of them.
        picture: Draws on a matplotlib `Figure` that has no axes yet; None if there is no picture.
        notes: What the numbers do not say, a sentence each.
        seconds: How long it took; the command measures it.
    """

    name: str
    question: str
    rows: tuple[Row, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    picture: Callable[[Any], None] | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
