"""Many events from a few real ones, honestly.  Pure.

Plain copies would compress away and make every cache look good.  So whole events are drawn with
replacement, turned by one random angle around the beam (an exact symmetry of the detector) and
mirrored along it, every continuous quantity is smeared by 1 %, and the result is rounded to the
source column's own mantissa precision, since NanoAOD truncates mantissas: sizes and compression
stay those of the real file.

What stays the source's: integers, flags and multiplicities.  The statistical power is that of the
source's events, however many are made.  The mirror acts on eta only, and missing energy is not
computed anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMEAR = 0.01
"""Relative width of the smearing; absolute for eta."""
MANTISSA = 23
"""Bits of a float32's mantissa."""
SCALED = {"pt", "mass", "rawFactor", "sumEt"}
CONTINUOUS = 20
"""A float column with more distinct values than this is continuous, unless it is a weight."""
EVENT_IDS = {"event": 2**40, "luminosityBlock": 4000}
"""Identifiers are drawn anew, below these bounds."""

Values = NDArray[Any]


@dataclass(frozen=True)
class Column:
    """One branch of the source."""

    name: str
    collection: str
    """Its collection, e.g. ``Jet`` of ``Jet_pt``; "" for one value an event."""
    values: Values
    """All values, flattened; shape (events,) or (sum of the collection's counts,)."""
    bits: int
    """Mantissa bits in use; 23 for other types than float32."""
    continuous: bool

    @property
    def field(self) -> str:
        """Name within the collection: ``pt`` of ``Jet_pt``, "" of a bare list."""
        return self.name[len(self.collection) + 1 :] if self.collection else self.name


def column(name: str, collection: str, values: Values) -> Column:
    """Return a column with its precision found out."""
    if values.dtype != np.float32 or not len(values):
        return Column(name, collection, values, MANTISSA, continuous=False)
    distinct = len(np.unique(values)) > CONTINUOUS and "eight" not in name
    return Column(name, collection, values, mantissa_bits(values), continuous=distinct)


@dataclass(frozen=True)
class Source:
    """A real file's events in memory."""

    events: int
    columns: tuple[Column, ...]
    counts: Mapping[str, Values]
    """Entries of each event, by collection; shape (events,)."""


def mantissa_bits(values: Values) -> int:
    """Return how many leading mantissa bits the float32 ``values`` use."""
    used = int(np.bitwise_or.reduce(values.view(np.uint32) & np.uint32(2**MANTISSA - 1)))
    trailing = (used & -used).bit_length() - 1 if used else MANTISSA
    return MANTISSA - trailing


def quantise(values: Values, bits: int) -> Values:
    """Return float32 ``values`` rounded to ``bits`` mantissa bits."""
    if bits >= MANTISSA:
        return values
    drop = np.uint32(MANTISSA - bits)
    half = np.uint32(1 << (int(drop) - 1))
    whole = np.ascontiguousarray(values).view(np.uint32) + half
    return ((whole >> drop) << drop).view(np.float32)


@dataclass(frozen=True)
class Block:
    """Some generated events."""

    flat: Mapping[str, Values]
    """Values by branch name, flattened."""
    counts: Mapping[str, Values]
    """Entries of each event, by collection."""


def amplify(source: Source, events: int, random: np.random.Generator) -> Block:
    """Return ``events`` new events made from the source's."""
    drawn = random.integers(0, source.events, events)
    turn = random.uniform(-np.pi, np.pi, events).astype(np.float32)
    mirror = np.where(random.random(events) < 0.5, -1, 1).astype(np.float32)
    counts, where, owner = {}, {"": drawn}, {"": np.arange(events)}
    for name, number in source.counts.items():
        counts[name] = number[drawn]
        owner[name] = np.repeat(np.arange(events), counts[name])
        where[name] = _positions(number, drawn)
    flat = {}
    for one in source.columns:
        event = owner[one.collection]
        taken = one.values[where[one.collection]]
        flat[one.name] = _changed(one, taken, turn[event], mirror[event], random)
    return Block(flat, counts)


def _positions(number: Values, drawn: Values) -> Values:
    """Return where the entries of the drawn events lie among all entries of a collection."""
    first = np.cumsum(number) - number
    taken = number[drawn]
    ends = np.cumsum(taken)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - taken, taken)
    return np.asarray(np.repeat(first[drawn], taken) + within, dtype=np.int64)


def _changed(
    one: Column, values: Values, turn: Values, mirror: Values, random: np.random.Generator
) -> Values:
    if one.name in EVENT_IDS:
        new = random.integers(1, EVENT_IDS[one.name], len(values))
        return (np.sort(new) if one.name == "luminosityBlock" else new).astype(values.dtype)
    if values.dtype != np.float32:
        return values
    kind = one.name.rpartition("_")[2]
    if kind == "phi":
        turned = np.mod(values + turn + np.pi, 2 * np.pi) - np.pi
        return quantise(turned.astype(np.float32), one.bits)
    noise = random.standard_normal(len(values), dtype=np.float32) * np.float32(SMEAR)
    if kind == "eta":
        return quantise(values * mirror + noise, one.bits)
    if kind in SCALED:
        return quantise(values * (1 + noise), one.bits)
    return _smeared(one, values, noise) if one.continuous else values


def _smeared(one: Column, values: Values, noise: Values) -> Values:
    """Smear within the column's range; defaults such as 0, -1, -99 and the limits stay."""
    low, high = one.values.min(), one.values.max()
    special = (values <= -1) & (values == np.round(values))
    keep = (values == 0) | special | (values == low) | (values == high)
    new = np.clip(values * (1 + noise), low, high)
    return np.where(keep, values, quantise(new, one.bits))
