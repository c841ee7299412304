"""What a row is found by: the tokens that the search index keeps of it, and the MATCH that asks for them.

Every three characters in a row of the folded text, whatever they are, and the row's facets (kind, split, length, tags, ...),
which are longer than any three characters. Both sides stand here so that they agree.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from studio.data.filters import Filter, fold

__all__ = ["TOKEN_SIGNS", "expression", "length_facet", "length_range", "length_step", "lengths_like", "tokens"]

#: Terms of a text that are asked for; more of them would narrow nothing, the rows themselves are looked at anyway.
_MAX_TERMS = 16

#: Characters of a row; the lengths above are told apart by the rows themselves.
_VERY_LONG = 1 << 17

# Quotes and white space separate tokens or end them; other characters stand for them. The end of a text is marked, so that
# its last two characters begin a term like all others.
_WRITTEN = {ord(sign): "\2" for sign in "\0\t\n\r "} | {ord("'"): "\3", ord('"'): "\4"}
_END = "\1\1"
_FACET = "\6"
TOKEN_SIGNS = "".join(sign for sign in map(chr, range(1, 128)) if not sign.isalnum() and ord(sign) not in _WRITTEN)


_PLAIN = re.compile("[a-z0-9]{1,20}")
_ROLES = re.compile(r'"role":"(\w+)"')


def _written(text: str) -> str:
    return fold(text).translate(_WRITTEN)


def tokens(row: Any) -> str:
    """Of a row with the columns `IndexWriter.COLUMNS`, JSON as text."""
    text = _written(row.search_text) + _END
    grams = {text[at : at + 3] for at in range(len(text) - 2)}
    facets = [
        _facet("kind", row.kind),
        _facet("split", row.split or "none"),
        length_facet(row.n_chars),
        _facet("since", str(row.since)),
        _facet("edited", str(int(row.since > 1))),
        _facet("flagged", str(int(row.flag is not None))),
    ]
    facets += [_facet("role", role) for role in set(_ROLES.findall(row.content))]
    if row.topic is not None:
        facets.append(_facet("topic", row.topic))
    if row.tags != "[]":
        facets += [_facet("tag", tag) for tag in json.loads(row.tags)]
    if row.origin is not None and (origin := (json.loads(row.origin) or {}).get("type")) is not None:
        facets.append(_facet("origin", str(origin)))
    return " ".join([*grams, *facets])


def _facet(name: str, value: str) -> str:
    """What people named goes by its hash: a name may hold any character."""
    if _PLAIN.fullmatch(value) is None:
        value = "-" + hashlib.sha256(value.encode("utf-8")).hexdigest()[:12]
    return f"{_FACET}{name}:{value}"


def length_step(n_chars: int) -> int:
    """Four steps for each power of two, and one for all that is very long."""
    if n_chars < 8:
        return n_chars
    bits = min(n_chars, _VERY_LONG).bit_length()
    return bits * 4 - 8 + (min(n_chars, _VERY_LONG) >> (bits - 3) & 3)


def lengths_like(n_chars: int) -> range:
    """All lengths of the same step."""
    if n_chars < 8:
        return range(n_chars, n_chars + 1)
    if n_chars >= _VERY_LONG:
        return range(_VERY_LONG, 2**31)
    width = n_chars.bit_length() - 3
    return range(n_chars >> width << width, ((n_chars >> width) + 1) << width)


def length_facet(n_chars: int) -> str:
    return _facet("length", str(length_step(n_chars)))


def expression(wanted: Filter, since: int | None = None) -> str | None:
    """The MATCH that every row of the filter meets, and of the revision `since`; None where it says nothing."""
    terms = [] if wanted.regex else _text_terms(wanted.text)
    named = {name: getattr(wanted, name) for name in ("kind", "role", "topic", "tag", "origin", "split")}
    named |= {name: None if value is None else str(int(value)) for name, value in _switches(wanted)}
    named["since"] = None if since is None else str(since)
    terms += [f'"{_facet(name, value)}"' for name, value in named.items() if value is not None]
    if terms and (wanted.min_chars is not None or wanted.max_chars is not None):
        shortest, longest = length_range(wanted)
        steps = range(length_step(shortest), length_step(longest) + 1)
        terms.append("(" + " OR ".join(f'"{_facet("length", str(step))}"' for step in steps) + ")")
    return " AND ".join(terms) or None


def _switches(wanted: Filter) -> Iterable[tuple[str, bool | None]]:
    return (("flagged", wanted.flagged), ("edited", wanted.edited))


def length_range(wanted: Filter) -> tuple[int, int]:
    """Characters that a row may have, both included; no row has 2^31."""
    most = 2**31 - 1
    shortest = min(wanted.min_chars or 0, most)
    return shortest, min(most if wanted.max_chars is None else wanted.max_chars, most)


def _text_terms(text: str) -> list[str]:
    written = _written(text)
    if len(written) < 3:
        return [f'"{written}" *'] if written else []
    places = list(range(len(written) - 2))
    if len(places) > _MAX_TERMS:  # from one end to the other
        places = [round(number * places[-1] / (_MAX_TERMS - 1)) for number in range(_MAX_TERMS)]
    return [f'"{gram}"' for gram in dict.fromkeys(written[at : at + 3] for at in places)]
