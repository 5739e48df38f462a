"""One pass over the data, batch by batch, in a compiled loop or in one outside of what is compiled.

Either gives its results in pieces of about a quarter of a second, so that a pass can be watched and
broken off. What a batch computes does not depend on where a piece ends. The numbers of a brief
piece need not be there yet: who asks for the next one before reading them keeps the device busy.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np

from ..ops.sharding import rows_of
from .batches import Arrays, Stream, examples_of
from .convolutions import slow_in_loops
from .placing import batch_on, whole
from .programs import compiled
from .recipe import Recipe

SECONDS = 0.25  # that a piece takes
BRIEF = 0.02  # seconds; pieces that take less are handed on before they are computed
MOST = 4096  # batches in a piece
ROOM = 1 << 26  # bytes of what is seen in it
TOGETHER = 16  # batches in a piece where several processes compute them
AHEAD = 2  # batches handed to the device while it computes the one before them


class Work(NamedTuple):
    """What is done with every batch; static.

    Attributes:
        take: `take(recipe, carry, x, y) -> (carry, seen)`.
        check: `check(old, new) -> sound`, of what is carried before and after some batches.
    """

    take: Callable[[Recipe, Any, Any, Any], tuple[Any, Any]]
    check: Callable[[Any, Any], Any]


class Piece(NamedTuple):
    """Some batches of a pass.

    Attributes:
        carry: What is carried from batch to batch, after them.
        sizes: How many examples each batch had.
        done: How many batches of the pass are behind it.
        numbers: `numbers() -> (seen, sound)`, waits for them: a list of what was seen, each of
            one batch or several, along a new first axis; and what the check found.
    """

    carry: Any
    sizes: list[int]
    done: int
    numbers: Callable[[], tuple[list[Any], Any]]


Pass = Callable[[Any, int, Any], Iterator[Piece]]
Call = Callable[[Any], tuple[Any, Any, Any]]


def passes(
    recipe: Recipe, work: Work, data: Arrays | Stream, carry: Any, *, singly: bool = False
) -> Pass:
    """A function `(carry, begin, order) -> pieces` that goes over the data from batch `begin` on.

    Args:
        recipe: What is static. The caller holds it.
        work: What is done with a batch.
        data: The batches. Of arrays, `order` tells in which order the examples come.
        carry: What will be carried; here only its shapes count.
        singly: Whether every batch must be seen by itself.
    """
    if isinstance(data, Stream):
        return lambda carry, begin, _: _outside(_streamed(recipe, work, data, begin), carry, begin)
    program, usual = compiled(_at, recipe, "work", "size"), jnp.arange(data.examples)
    at = partial(program, work=work)
    known = _known(program, jax.tree.structure(carry), data.size)
    if known.slow is None:
        examples = carry, (data.x, data.y), usual, 0
        traced = program.trace(*examples, work=work, size=data.size)
        known.slow, seen = slow_in_loops(traced), jax.tree.leaves(traced.out_info[1])
        known.room = ROOM // max(1, sum(one.size * one.dtype.itemsize for one in seen))
    full = 0 if singly or known.slow else data.examples // data.size
    inside = _inside(recipe, work, data, known)

    def over(carry: Any, begin: int, order: Any) -> Iterator[Piece]:
        order = usual if order is None else order
        for piece in inside(carry, range(begin, full), order):
            yield piece
            carry, begin = piece.carry, piece.done
        yield from _outside(_placed(at, data, order, begin), carry, begin)

    return over


@dataclass
class Known:
    """What earlier passes have found out of a step.

    Attributes:
        slow: Whether it is slow in a compiled loop; None if nobody has looked.
        room: What is seen of so many batches finds room in a table.
        paces: Seconds per batch in the loop: of a first call, which compiles, and of the last one.
    """

    slow: bool | None = None
    room: int = MOST
    paces: list[float] = field(default_factory=list)


_found: WeakKeyDictionary[Any, dict[Any, Known]] = WeakKeyDictionary()


def _known(program: Any, *shapes: Any) -> Known:
    """What is known of a program on some shapes, for as long as it is kept."""
    return _found.setdefault(program, {}).setdefault(shapes, Known())


def _inside(
    recipe: Recipe, work: Work, data: Arrays, known: Known
) -> Callable[..., Iterator[Piece]]:
    """Passes in a compiled loop, over batches of one size."""
    paces, most = known.paces, max(1, min(MOST, known.room, data.examples // data.size))
    static = {"work": work, "size": data.size, "most": most}
    program = partial(compiled(_many, recipe, *static), **static)

    def over(carry: Any, batches: range, order: Any) -> Iterator[Piece]:
        begin = batches.start
        while begin < batches.stop:
            number = max(1, min(_at_once(paces), most, batches.stop - begin))
            start = time.perf_counter()
            carry, *found = program(carry, (data.x, data.y), order, begin, begin + number)
            if len(paces) < 2 or number * paces[-1] > BRIEF:
                found = jax.device_get(found)
                paces[1 if paces else 0 :] = [(time.perf_counter() - start) / number]
            begin += number
            yield Piece(carry, [data.size] * number, begin, partial(_rows, number, found))

    return over


def _at_once(paces: list[float]) -> int:
    """How many batches a piece takes. Processes that work together must all choose the same."""
    if jax.process_count() > 1:
        return TOGETHER
    return (1, 8)[len(paces)] if len(paces) < 2 else int(SECONDS / paces[-1])


def _rows(number: int, found: Any) -> tuple[list[Any], Any]:
    """The rows of a table that so many batches have filled, and what the check found."""
    table, sound = jax.device_get(found)
    return [jax.tree.map(lambda column: column[:number], table)], sound


def _outside(calls: Iterable[tuple[int, Call]], carry: Any, done: int) -> Iterator[Piece]:
    """A pass with a call for every batch, made before the one before has ended."""
    seen, sizes, sounds, start = [], [], [], time.perf_counter()
    for size, call in calls:
        carry, found, sound = call(carry)
        seen, sizes, sounds = [*seen, found], [*sizes, size], [*sounds, sound]
        jax.block_until_ready(seen[: len(seen) - AHEAD][-1:])
        if time.perf_counter() - start > SECONDS:
            yield _piece(carry, seen, sizes, sounds, done)
            done += len(seen)
            seen, sizes, sounds, start = [], [], [], time.perf_counter()
    if seen:
        yield _piece(carry, seen, sizes, sounds, done)


def _piece(carry: Any, seen: list[Any], sizes: list[int], sounds: list[Any], done: int) -> Piece:
    seen, sounds = jax.device_get((seen, sounds))
    rows = [jax.tree.map(lambda one: np.asarray(one)[None], batch) for batch in seen]
    return Piece(carry, sizes, done + len(seen), lambda: (rows, all(sounds)))


def _placed(
    at: Callable[..., Any], data: Arrays, order: Any, begin: int
) -> Iterator[tuple[int, Call]]:
    for first, size in map(data.places, range(begin, data.steps)):
        yield size, partial(_noting, at, data, order, first, size)


def _noting(
    at: Callable[..., Any], data: Arrays, order: Any, first: int, size: int, carry: Any
) -> Any:
    """The call for one batch; an error in a last smaller one says so."""
    try:
        return at(carry, (data.x, data.y), order, first, size=size)
    except Exception as error:
        if size < data.size:
            error.add_note(
                f"in the last batch, of {size} of {data.examples} examples; remainder='drop' "
                "leaves it out, another batch_size makes it larger"
            )
        raise


def _streamed(recipe: Recipe, work: Work, data: Stream, begin: int) -> Iterator[tuple[int, Call]]:
    one = partial(compiled(_one, recipe, "work"), work=work)
    for batch in data.batches(begin):
        x, y = batch_on(recipe.function, recipe.place, *batch)
        yield examples_of(recipe.function, "a batch", x, y), partial(one, x=x, y=y)


def _one(recipe: Recipe, carry: Any, *, x: Any, y: Any, work: Work) -> tuple[Any, Any, Any]:
    """The work on a batch."""
    x, y = batch_on(recipe.function, recipe.place, x, y)
    after, seen = work.take(recipe, carry, x, y)
    return after, *whole(recipe.place, (seen, work.check(carry, after)))


def _at(
    recipe: Recipe, carry: Any, data: Any, order: Any, first: Any, *, work: Work, size: int
) -> tuple[Any, Any, Any]:
    """The work on the batch whose examples begin at some place of an order."""
    rows = jax.lax.dynamic_slice_in_dim(order, first, size)
    x, y = jax.tree.map(lambda leaf: rows_of(leaf, rows), data)
    return _one(recipe, carry, x=x, y=y, work=work)


def _many(
    recipe: Recipe,
    carry: Any,
    data: Any,
    order: Any,
    begin: Any,
    end: Any,
    *,
    work: Work,
    size: int,
    most: int,
) -> tuple[Any, Any, Any]:
    """The work on the batches from `begin` to `end`, and a table of what was seen in them."""
    at = partial(compiled(_at, recipe, "work", "size"), work=work, size=size)
    seen = jax.eval_shape(at, carry, data, order, begin)[1]
    table = jax.tree.map(lambda one: jnp.zeros((most, *one.shape), one.dtype), seen)

    def body(loop: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        i, carry, table = loop
        carry, seen, _ = at(carry, data, order, i * size)
        write = partial(jax.tree.map, lambda column, one: column.at[i - begin].set(one))
        return i + 1, carry, write(table, seen)

    _, after, table = jax.lax.while_loop(lambda loop: loop[0] < end, body, (begin, carry, table))
    return after, table, whole(recipe.place, work.check(carry, after))
