"""Every mutator × every format, numbered: a number is a file, the same one wherever it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.hostile.made import MADE
from tests.hostile.mutators import BYTES, NAMES, RECORDS
from tests.hostile.seeds import FORMS

__all__ = ["PAIRS", "Case", "case_of"]


@dataclass(frozen=True)
class Case:
    """`mark` is part of every path outside that the file tries to reach."""

    number: int
    form: str
    mutator: str
    name: str
    data: bytes
    mark: str


def _pairs() -> Iterator[tuple[str, str]]:
    for form in FORMS:
        yield from ((form, mutator) for mutator in (*RECORDS, *BYTES, *NAMES, *MADE.get(form, ())))


#: In a mixed order, so that any few hundred numbers in a row hold something of everything.
PAIRS = Random(0).sample(list(_pairs()), len(list(_pairs())))


def case_of(number: int) -> Case:
    """Below 0 are the good files themselves, one of each format."""
    form, mutator = PAIRS[number % len(PAIRS)] if number >= 0 else (list(FORMS)[number % len(FORMS)], "nothing")
    rng, mark = Random(f"hostile {number}"), f"studio-hostile-{number}"
    name = NAMES[mutator](rng, FORMS[form]) if mutator in NAMES else "rows" + FORMS[form].suffix
    return Case(number, form, mutator, name, _data(form, mutator, rng, mark), mark)


def _data(form_name: str, mutator: str, rng: Random, mark: str) -> bytes:
    form = FORMS[form_name]
    if mutator in MADE.get(form_name, ()):
        return MADE[form_name][mutator](rng, mark)
    records = form.records(rng)
    if mutator in RECORDS:
        records = RECORDS[mutator](rng, records)
    text = form.write(records)
    if mutator not in BYTES:
        return form.pack(text)
    if form.pack is not bytes and rng.random() < 0.5:
        return form.pack(BYTES[mutator](rng, text))
    return BYTES[mutator](rng, form.pack(text))
