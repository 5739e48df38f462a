"""What linear attention and the feature maps should compute, loop by loop in float64 NumPy."""

import itertools
import math

import numpy as np


def linear_attention(query, key, value, is_causal=False, mask=None, guard=1e-3):
    """Every query with every key it sees, one pair at a time."""
    y = np.zeros((*query.shape[:-1], value.shape[-1]))
    for place in np.ndindex(query.shape[:-1]):
        *batch, t, head = place
        number, below, bound = np.zeros(value.shape[-1]), 0.0, 0.0
        for s in range(key.shape[-3]):
            if (is_causal and s > t) or (mask is not None and not mask[(*batch, s)]):
                continue
            k = key[(*batch, s, head)]
            weight = float((query[place] * k).sum())
            number += weight * value[(*batch, s, head)]
            below += weight
            bound += guard * np.linalg.norm(query[place]) * np.linalg.norm(k)
        below = max(below, bound)
        y[place] = number / below if below > 0 else 0
    return y


def linear_state(key, value):
    """The sums over the keys, one key at a time; a column for the keys alone."""
    *batch, length, heads, features = key.shape
    sums = np.zeros((*batch, heads, features, value.shape[-1] + 1))
    for place in np.ndindex(*batch, length, heads):
        *rest, _, head = place
        sums[(*rest, head)] += np.outer(key[place], np.append(value[place], 1.0))
    return sums


def linear_attention_step(sums, lengths, query, key, value, guard=1e-3):
    """The queries after the keys that are in the sums already."""
    y = np.zeros(value.shape)
    for place in np.ndindex(query.shape[:-1]):
        *batch, t, head = place
        total = np.zeros(value.shape[-1] + 1)
        bound = lengths[(*batch, head)]
        for f, size in enumerate(query[place]):
            total += size * sums[(*batch, head, f)]
        for s in range(t + 1):
            k = key[(*batch, s, head)]
            total += (query[place] * k).sum() * np.append(value[(*batch, s, head)], 1.0)
            bound += np.linalg.norm(k)
        below = max(total[-1], guard * np.linalg.norm(query[place]) * bound)
        y[place] = total[:-1] / below if below > 0 else 0
    return y


def _over_rows(function):
    def rows(x, *arrays, **options):
        flat = [function(row, *arrays, **options) for row in x.reshape(-1, x.shape[-1])]
        count = len(function(np.ones(x.shape[-1]), *arrays, **options))
        return np.reshape(flat, (*x.shape[:-1], count))

    return rows


def _unit(x):
    size = math.sqrt((x**2).sum())
    return x / size if size else x


def monomials(x, degree):
    """sqrt(multinomial) x_i x_j ..., over i <= j <= ..."""
    found = []
    for order in itertools.combinations_with_replacement(range(len(x)), degree):
        ways = len(set(itertools.permutations(order)))
        found.append(math.sqrt(ways) * math.prod(x[i] for i in order))
    return found


@_over_rows
def yat_features(
    x, amplitudes, rates, directions, tilts, decays, scales, phases=None, normalize=False
):
    """The formulas of the docstring, one feature after another."""
    x = _unit(x) if normalize else x
    square, highest, count = (x**2).sum(), len(directions), amplitudes.shape[1]
    found = []
    for column in range(count):
        for node, rate in enumerate(rates):
            radial = amplitudes[node, column] * math.exp(-rate * square / 2)
            found += [radial * m for m in monomials(x, highest - count + column)]
    for m, scale in enumerate(scales):
        product = math.prod((directions[p, m] * x).sum() for p in range(highest))
        along = (tilts[m] * x).sum()
        wave = math.exp(along) if phases is None else math.cos(along + phases[m])
        found.append(scale * product * wave * math.exp(-decays[m] * square))
    return found


@_over_rows
def anchor_features(x, anchors, directions, rates, amplitudes):
    """Node by node, anchor by anchor."""
    x = _unit(x)
    return [
        amplitudes[r] * (a * x).sum() ** 2 * math.exp(math.sqrt(rate) * (w * x).sum() - rate / 2)
        for r, rate in enumerate(rates)
        for a in anchors
        for w in directions[r]
    ]


@_over_rows
def maclaurin_features(x, signs, scales, degrees):
    """Feature by feature, factor by factor."""
    x = _unit(x)
    return [
        scale * math.prod((signs[n, m] * x).sum() for n in range(degrees[m]))
        for m, scale in enumerate(scales)
    ]


@_over_rows
def radial_features(x, left, right, offsets, frequencies, phases, amplitudes):
    """Product by product, cosine by cosine."""
    x = _unit(x)
    return [
        ((left[m] * x).sum() + offsets[0, m])
        * ((right[m] * x).sum() + offsets[1, m])
        * amplitudes[r]
        * math.cos((frequencies[r, j] * x).sum() + phases[r, j])
        for m in range(len(left))
        for r, j in np.ndindex(*phases.shape)
    ]
