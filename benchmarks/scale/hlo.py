"""What a compiled program does on each device: collectives and products, read off its HLO text.

XLA's own cost analysis counts the body of a loop once, however often it runs, and tells nothing of
what goes between devices. Here every instruction counts as often as it is executed: the compiler
writes down the number of turns of each loop that comes of a `jax.lax.scan`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64, "c64": 64, "c128": 128}
SCATTERED = "all-reduce-scatter"
KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$")
ARRAY = re.compile(r"\b([a-z]+\d*(?:e\d+m\d+\w*)?)\[([\d,]*)\]")
CALLED = re.compile(r"(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
TURNS = re.compile(r'known_trip_count"?:\{"?n"?:"?(\d+)')
GROUPS = re.compile(r"replica_groups=(?:\[(\d+),(\d+)\]|\{\{([\d,]+)\})")
MESH = re.compile(r"replica_groups=mesh\[([^\]]*)\]\s*\{([^}]*)\}")


class Instruction(NamedTuple):
    """One instruction of a computation.

    Attributes:
        name: Its name.
        shape: The text of its shape, of all parts where it is a tuple.
        kind: What it does.
        rest: What follows the opening bracket of its operands.
    """

    name: str
    shape: str
    kind: str
    rest: str


class Collective(NamedTuple):
    """What some devices exchange.

    Attributes:
        kind: Of `KINDS`.
        bytes: Of the whole: what is reduced, or what is gathered, on one device.
        group: How many devices take part.
    """

    kind: str
    bytes: int
    group: int

    @property
    def sent(self) -> float:
        """Bytes that each device sends, where they go round in a ring."""
        share = (self.group - 1) / self.group
        if self.kind == "all-reduce":
            return 2 * self.bytes * share
        return self.bytes if self.kind == "collective-permute" else self.bytes * share


class Work(NamedTuple):
    """What a program does on each device.

    Attributes:
        collectives: How often each is executed.
        products: Floating-point operations of its matrix products.
    """

    collectives: Counter[Collective]
    products: int

    @property
    def sent(self) -> float:
        """Bytes that each device sends in all."""
        return sum(one.sent * count for one, count in self.collectives.items())

    @property
    def exchanges(self) -> int:
        """How many collectives are executed."""
        return sum(self.collectives.values())

    def by_kind(self) -> dict[str, float]:
        """Bytes that each device sends, by kind."""
        found: dict[str, float] = dict.fromkeys(KINDS, 0.0)
        for one, count in self.collectives.items():
            found[one.kind] += one.sent * count
        return found


def work(text: str) -> Work:
    """What a program does, of the text of its HLO: `compiled.as_text()`."""
    computations, entry = parsed(text)
    collectives: Counter[Collective] = Counter()
    products = 0
    for name, times in executions(computations, entry).items():
        shapes = {one.name: one.shape for one in computations[name]}
        for one in computations[name]:
            if found := collective(one, scattered=name.startswith(SCATTERED)):
                collectives[found] += times
            elif one.kind == "dot":
                products += times * multiplied(one, shapes)
    return Work(collectives, products)


def parsed(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """The computations of a module by name, and which is its entry."""
    computations: dict[str, list[Instruction]] = {}
    entry, name = "", ""
    for line in text.splitlines():
        if header := COMPUTATION.match(line):
            name = header[2]
            computations[name] = []
            entry = name if header[1] else entry
        elif name and (found := INSTRUCTION.match(line)):
            computations[name].append(Instruction(*found.groups()))
    if not entry:
        raise ValueError("work: text must be that of a compiled module, got none with an entry")
    return computations, entry


def executions(computations: dict[str, list[Instruction]], entry: str) -> Counter[str]:
    """How often each computation is executed. Of a conditional, each branch counts."""
    found: Counter[str] = Counter()

    def visit(name: str, times: int) -> None:
        found[name] += times
        for one in computations[name]:
            for inner in called(one):
                if inner in computations:
                    visit(inner, times * turns(one, computations))

    visit(entry, 1)
    return found


def called(one: Instruction) -> Iterator[str]:
    """The computations that an instruction calls; not what a collective reduces by."""
    if one.kind.removesuffix("-start") in KINDS:
        return
    yield from CALLED.findall(one.rest)
    for listed in BRANCHES.findall(one.rest):
        yield from (name.strip().removeprefix("%") for name in listed.split(","))


def turns(one: Instruction, computations: dict[str, list[Instruction]]) -> int:
    """How often a loop goes round; 1 for what is no loop, or whose number is unknown.

    Where the compiler does not write it down it is what the counter is compared with.
    """
    if one.kind != "while":
        return 1
    if found := TURNS.search(one.rest):
        return int(found[1])
    named = re.search(r"condition=%?([\w.\-]+)", one.rest)
    condition = computations.get(named[1], []) if named else []
    if [each.kind for each in condition if each.kind in ("compare", "fusion")] != ["compare"]:
        return 1
    limits = [each.rest for each in condition if each.kind == "constant"]
    limit = re.match(r"\d+", limits[0]) if len(limits) == 1 else None
    return int(limit[0]) if limit else 1


def collective(one: Instruction, *, scattered: bool = False) -> Collective | None:
    """The collective that an instruction is; one that ends what another began is none.

    On a TPU a scattered sum is one computation of a sum and a cut.
    """
    kind = one.kind.removesuffix("-start")
    if kind not in KINDS:
        return None
    sizes = [size(*found) for found in ARRAY.findall(one.shape)]
    if one.kind != kind and kind in ("all-gather", "collective-permute"):
        sizes = sizes[1:2]  # operand, result, and what the device keeps beside
    group = group_of(one.rest)
    if scattered and kind == "all-reduce":
        return Collective("reduce-scatter", sum(sizes), group)
    whole = sum(sizes) * (group if kind == "reduce-scatter" else 1)
    return Collective(kind, whole, group) if group > 1 else None


def group_of(rest: str) -> int:
    """How many devices take part in a collective."""
    if on_mesh := MESH.search(rest):
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", on_mesh[1]))
        return math.prod(int(sizes[name]) for name in re.findall(r"'([^']+)'", on_mesh[2]))
    found = GROUPS.search(rest)
    if not found:  # a permutation names pairs
        return 2 if "source_target_pairs" in rest else 1
    return int(found[2]) if found[2] else found[3].count(",") + 1


def size(dtype: str, shape: str) -> int:
    """Bytes of an array."""
    digits = re.search(r"\d+", dtype)
    bits = BITS.get(dtype) or (int(digits[0]) if digits else 0)
    return math.prod(int(n) for n in shape.split(",") if n) * bits // 8


def multiplied(one: Instruction, shapes: dict[str, str]) -> int:
    """The floating-point operations of a product: two for each pair of factors."""
    (_, result), *_ = ARRAY.findall(one.shape)
    left, right = operands(one, shapes)[:2]
    listed = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", one.rest)
    sizes = [int(n) for n in left.split(",") if n]
    axes = [int(n) for n in listed[1].split(",") if n] if listed else []
    return 2 * elements(result) * math.prod(sizes[axis] for axis in axes)


def operands(one: Instruction, shapes: dict[str, str]) -> list[str]:
    """The shapes of the operands of an instruction, as text."""
    inside = one.rest.split(")", 1)[0]
    names = re.findall(r"%([\w.\-]+)", inside) or [n.strip() for n in inside.split(",")]
    return [ARRAY.findall(shapes[name])[0][1] for name in names]


def elements(shape: str) -> int:
    """The number of entries of an array."""
    return math.prod(int(n) for n in shape.split(",") if n)
