"""What `python -m benchmarks scale` writes: tables and pictures of docs/scale.md."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..page import grid
from ..report import quantity
from . import drawing, layer, virtual
from .network import ONE
from .scaling import BEST, COUNTS, Study, end, studies

LABEL = "share of the peak"


def write(folder: Path, rows: Sequence[virtual.Row] | None) -> Path:
    """Writes pictures, tables and numbers into a folder; what was measured, if it was."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {kind: studies(kind) for kind in ("strong", "weak")}
    for kind, found in kinds.items():
        panels = [(one.title, one.curves) for one in found]
        drawing.lines(folder / f"{kind}.svg", panels, label=LABEL)
        (folder / f"{kind}.md").write_text("\n".join(scaling(found)) + "\n")
    (folder / "layer.md").write_text("\n".join(layers()) + "\n")
    if rows is not None:
        (folder / "virtual.md").write_text("\n".join(compared(rows)) + "\n")
        numbers = [{**one._asdict(), "off": one.off} for one in rows]
        (folder / "virtual.json").write_text(json.dumps(numbers, indent=1) + "\n")
    return folder


def scaling(found: Sequence[Study]) -> Iterator[str]:
    """A table for each network on each cluster: the fastest plan on so many chips."""
    head = ("chips", "tokens", "plan", "step", "use", "copies", "sums", "ring", "memory")
    for one in found:
        yield from ("", f"**{one.title}**", "")
        yield from grid(head, (line(one, chips) for chips in COUNTS))
        ends = {name: end(curve) for name, curve in one.curves.items()}
        told = ", ".join(f"{name} {n:,}" if n else f"{name} never" for name, n in ends.items())
        yield from ("", f"Chips that are used at three quarters of the best use or more: {told}.")


def line(study: Study, chips: int) -> tuple[str, ...]:
    """The fastest plan on so many chips."""
    one, tokens = study.curves[BEST][chips], f"{study.tokens(chips):,}"
    if one is None:
        return f"{chips:,}", tokens, "finds no room", *[""] * 6
    time = one.seconds
    parts = [quantity(value, "s") for value in (time.copies, time.model, time.sequence)]
    memory = f"{time.memory / 2**30:.0f} GiB"
    step = quantity(time.total, "s")
    return f"{chips:,}", tokens, one.plan.name, step, f"{time.use:.0%}", *parts, memory


def layers() -> Iterator[str]:
    """The costs of the feed-forward layer of the smaller network, on one sequence."""
    found = layer.costs(ONE.length, ONE.features, ONE.hidden)
    head = ("layer", "products", "others", "others / products", "transcendentals", "traffic")
    yield from grid(head, (cells(one) for one in found))


def cells(one: layer.Cost) -> tuple[str, ...]:
    """A cost as cells of a table."""
    giga = [f"{n / 1e9:.3g} GFLOP" for n in (one.products, one.others)]
    share = f"{one.others / one.products:.2%}"
    traffic = quantity(one.traffic, "bytes")
    return one.name, *giga, share, f"{one.transcendentals / 1e6:.3g} M", traffic


def compared(rows: Sequence[virtual.Row]) -> Iterator[str]:
    """Foretold and found, a line for each layout on so many devices."""
    kinds = list(dict.fromkeys(one.what for one in rows))
    head = ("layout", "devices", *kinds)
    found: dict[tuple[str, int], dict[str, virtual.Row]] = {}
    for one in rows:
        found.setdefault((one.layout, one.devices), {})[one.what] = one

    def both(one: virtual.Row) -> str:
        spread = f" [{one.spread[0]:.3g}, {one.spread[1]:.3g}]" if one.spread else ""
        return f"{one.foretold:.3g} / {one.found:.3g}{spread}"

    yield from grid(
        head,
        (
            (layout, str(devices), *(both(each[kind]) for kind in kinds))
            for (layout, devices), each in found.items()
        ),
    )
    worst = max(rows, key=lambda one: one.off)
    yield ""
    yield (
        f"Furthest off: {worst.what} of {worst.layout} on {worst.devices} devices, by "
        f"{worst.off:.0%}; {sum(one.off <= 0.25 for one in rows)} of {len(rows)} within 25%."
    )
