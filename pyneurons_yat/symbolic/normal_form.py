"""Whether an expression is 0, decided by algebra.

Each part that is no sum, product or whole power is given a name, a new variable: exp(x), log x,
f(x), x^n, or 1 / q of a sum q. What is left is a polynomial in symbols and names, and that has one
form, in which 0 is 0. Names of powers come with a relation, t^m q = 1 for t = q^(-1/m), by which
they are taken out again. Conditions are taken out first: the expression must be 0 in each case.

Every rule holds wherever the expression is defined, so what comes out as 0 is 0. What does not may
still be 0 by a rule that is not known here, as of the gamma function.
"""

import math
from typing import Any, NamedTuple


class Names(NamedTuple):
    """The names of atoms, the names of q^(-1/m) for bases q, and the degree m."""

    atoms: dict[Any, Any]
    roots: dict[Any, Any]
    degree: int


def is_zero(sympy: Any, expression: Any) -> bool:
    """Whether an expression of SymPy is 0 wherever it is defined, as far as these rules tell."""
    if not expression.is_commutative:
        return False
    expression = _prepared(sympy, expression)
    conditions = _conditions(sympy, expression)
    if not conditions:
        return _is_zero_by_algebra(sympy, expression)
    parts = _apart(sympy, expression)
    if len(parts) > 1 and all(is_zero(sympy, part) for part in parts):
        return True
    condition = min(conditions, key=str)
    return all(
        is_zero(sympy, expression.xreplace({condition: truth, condition.negated: ~truth}))
        for truth in (sympy.true, sympy.false)
    )


def _conditions(sympy: Any, expression: Any) -> set[Any]:
    return expression.atoms(sympy.core.relational.Relational)


def _apart(sympy: Any, expression: Any) -> list[Any]:
    """Summands that share no condition. There are fewer cases of each than of all at once."""
    groups: list[tuple[set[Any], list[Any]]] = []
    for product in sympy.Add.make_args(expression):
        for term in sympy.Add.make_args(sympy.expand_mul(product, deep=False)):
            found = _conditions(sympy, term)
            joined = [group for group in groups if group[0] & found or not (group[0] or found)]
            groups = [group for group in groups if group not in joined]
            conditions = found.union(*(group[0] for group in joined))
            groups.append((conditions, [term, *(t for group in joined for t in group[1])]))
    return [sympy.Add(*terms) for _, terms in groups]


def _prepared(sympy: Any, expression: Any) -> Any:
    """With exponentials for tanh, sin and their kin, and sums of logarithms."""
    elementary = sympy.functions.elementary
    if expression.has(
        elementary.hyperbolic.HyperbolicFunction, elementary.trigonometric.TrigonometricFunction
    ):
        expression = expression.rewrite(sympy.exp)
    return sympy.expand_log(expression) if expression.has(sympy.log) else expression


def _is_zero_by_algebra(sympy: Any, expression: Any) -> bool:
    names = Names({}, {}, _degree(sympy, expression))
    named = _named(sympy, expression, names)
    parts = [named, *names.roots.keys(), *names.roots.values()]
    variables = set().union(*(part.free_symbols for part in parts))
    if not variables:
        return named == 0
    ring = sympy.ring(sorted(variables, key=str), sympy.QQ)[0]
    left = [ring.from_expr(named)]
    for base, name in reversed(names.roots.items()):  # a base has names of earlier roots alone
        place, base = ring.symbols.index(name), ring.from_expr(base)
        left = [q for p in left if p for q in _without(ring, p, place, base, names.degree)]
    return not any(left)


def _factors(sympy: Any, part: Any) -> list[tuple[Any, Any, Any]]:
    """Of a power: (base, rest, times), where it is the product of all (base^rest)^times."""
    base, exponent = part.as_base_exp()
    terms = sympy.Add.make_args(sympy.expand(exponent))
    return [(base, rest, times) for times, rest in (t.as_coeff_Mul(rational=True) for t in terms)]


def _degree(sympy: Any, expression: Any) -> int:
    """The common denominator of the numbers in exponents."""
    powers = expression.atoms(sympy.Pow, sympy.exp, type(sympy.I))
    return math.lcm(*(int(n.q) for part in powers for _, _, n in _factors(sympy, part)))


def _named(sympy: Any, part: Any, names: Names) -> Any:
    """The polynomial in symbols and names that a part of the expression is."""
    if part.is_Rational or part.is_Symbol:
        return part
    if part.is_Add or part.is_Mul:
        return part.func(*(_named(sympy, inner, names) for inner in part.args))
    if part.as_base_exp()[1] == 1:
        return _atom(sympy, part, names)
    powers = [_named_power(sympy, *factor, names) for factor in _factors(sympy, part)]
    return sympy.Mul(*powers)


def _atom(sympy: Any, key: Any, names: Names) -> Any:
    return names.atoms.setdefault(key, sympy.Dummy(f"atom{len(names.atoms)}"))


def _named_power(sympy: Any, base: Any, rest: Any, times: Any, names: Names) -> Any:
    """(base^rest)^times, by whole powers of q = base^rest, named, and of its root t."""
    q = _named(sympy, base, names) if rest == 1 else _atom(sympy, (base, rest), names)
    if times.is_Integer and times >= 0:
        return q**times
    q = sympy.expand(q)
    t = names.roots.setdefault(q, sympy.Dummy(f"root{len(names.roots)}"))
    raised = max(0, math.ceil(times))
    return q**raised * t ** int((raised - times) * names.degree)


def _without(ring: Any, polynomial: Any, place: int, q: Any, degree: int) -> list[Any]:
    """Polynomials without t, by t^m q = 1, that are all 0 only if the given one is.

    The powers of t that differ by a multiple of m are one polynomial in 1 / q, times a power of t.
    """
    found: dict[int, dict[int, dict[Any, Any]]] = {}
    for monomial, coefficient in polynomial.terms():
        whole, rest = divmod(monomial[place], degree)
        others = (*monomial[:place], 0, *monomial[place + 1 :])
        found.setdefault(rest, {}).setdefault(whole, {})[others] = coefficient
    return [
        sum(ring.from_dict(terms) * q ** (max(group) - whole) for whole, terms in group.items())
        for group in found.values()
    ]
