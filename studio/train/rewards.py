"""Rewards by rule for answers that a model writes while it trains (GRPO): pure functions from an answer to [0, 1].

A line of the spec names one, with what it needs and how much it weighs:

    exact                      2 × regex: ^[A-D]\\b            length: 20-200
    format: think, answer      json_schema: {"required": ["dose"]}

A new one is a function with a line in `REWARDS`; its words are `reward.<name>.help` in the catalogues. No torch.
"""

from __future__ import annotations

import itertools
import json
import math
import re as plain_re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import regex

from studio.errors import ConfigError

__all__ = ["REWARDS", "Reward", "mean_reward", "named", "rewards_of"]

#: Seconds that a pattern may take for one answer: people write patterns that never end.
_PATTERN_S = 0.2

_LINE = plain_re.compile(r"(?:(?P<weight>\d+(?:\.\d+)?)\s*[×x*]\s*)?(?P<name>\w+)\s*(?:[:：]\s*(?P<given>.*))?$", plain_re.DOTALL)


@dataclass(frozen=True)
class Reward:
    """`of(answer, expected)` in [0, 1]; None where there is nothing to compare with, which counts for nothing."""

    name: str
    weight: float
    of: Callable[[str, str | None], float | None]


def rewards_of(lines: Sequence[str]) -> list[Reward]:
    """Raises ConfigError for a line that names none, or whose argument cannot be read."""
    found = []
    for line in lines:
        match = _LINE.match(line.strip())
        name = match["name"] if match else line
        if match is None or name not in REWARDS:
            raise ConfigError("error.train.unknown_reward", field="rewards", line=line[:80], known=", ".join(REWARDS))
        weight = float(match["weight"] or 1)
        found.append(Reward(name, weight, REWARDS[name]((match["given"] or "").strip())))
    if not found or not any(reward.weight for reward in found):
        raise ConfigError("error.train.no_reward", field="rewards", known=", ".join(REWARDS))
    return found


def _unreadable(name: str, given: str) -> ConfigError:
    return ConfigError("error.train.bad_reward", field="rewards", name=name, given=given[:80])


def _exact(given: str) -> Callable[[str, str | None], float | None]:
    """The known answer, white space, case and punctuation at its end aside; of numbers, the last one in the answer."""

    def of(answer: str, expected: str | None) -> float | None:
        if expected is None:
            return None
        number = _number(expected)
        if number is not None:
            return float(_last_number(answer) == number)
        return float(_plain(answer) == _plain(expected))

    return of


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(text.split()).rstrip(".。!！?？ ")


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "").rstrip(".。%"))
    except ValueError:
        return None


def _last_number(text: str) -> float | None:
    found = plain_re.findall(r"-?\d[\d,]*(?:\.\d+)?", unicodedata.normalize("NFKC", text))
    return _number(found[-1]) if found else None


def _regex(given: str) -> Callable[[str, str | None], float | None]:
    """Whether the pattern is found in the answer."""
    try:
        pattern = regex.compile(given)
    except regex.error as error:
        raise _unreadable("regex", given) from error
    if not given:
        raise _unreadable("regex", given)

    return lambda answer, expected: float(_is_found(pattern, answer))


def _is_found(pattern: regex.Pattern[str], text: str) -> bool:
    try:
        return pattern.search(text, timeout=_PATTERN_S) is not None
    except TimeoutError:
        return False


def _length(given: str) -> Callable[[str, str | None], float | None]:
    """1 within so many characters; outside it falls in proportion: half of the least, or twice the most, is one half."""
    match = plain_re.fullmatch(r"(\d+)\s*[-–~]\s*(\d+)", given)
    if match is None or int(match[1]) > int(match[2]) or int(match[2]) == 0:
        raise _unreadable("length", given)
    low, high = int(match[1]), int(match[2])

    def of(answer: str, expected: str | None) -> float:
        n = len(answer.strip())
        return n / low if n < low else high / n if n > high else 1.0

    return of


def _format(given: str) -> Callable[[str, str | None], float | None]:
    """The share of tags `<name>…</name>` that stand there once, opened and closed; 1 needs all of them in their order."""
    names = [name for name in plain_re.split(r"[,，\s]+", given or "think, answer") if name]
    if not all(plain_re.fullmatch(r"\w+", name) for name in names):
        raise _unreadable("format", given)

    def of(answer: str, expected: str | None) -> float:
        places = []
        for name in names:
            opened, closed = answer.find(f"<{name}>"), answer.find(f"</{name}>")
            once = answer.count(f"<{name}>") == answer.count(f"</{name}>") == 1 and opened < closed
            places.append((opened, closed) if once else None)
        good = [place for place in places if place is not None]
        in_order = all(one[1] < other[0] for one, other in itertools.pairwise(good))
        return len(good) / len(names) * (1.0 if in_order else 0.5)

    return of


def _json_schema(given: str) -> Callable[[str, str | None], float | None]:
    """1 for JSON that the schema allows, one half for other JSON, 0 for none; a fence of backticks around it is no harm.

    A reference leads to another place of the schema: nothing is fetched.
    """
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    try:
        schema = json.loads(given or "{}")
        Draft202012Validator.check_schema(schema)
        resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
        for reference in _references(schema):
            resolver.lookup(reference)
    except (ValueError, SchemaError, Unresolvable) as error:
        raise _unreadable("json_schema", given) from error
    timed = validators.extend(Draft202012Validator, {"pattern": _pattern_of_schema})
    validator = timed(schema, registry=Registry())

    def of(answer: str, expected: str | None) -> float:
        fenced = plain_re.fullmatch(r"\s*```(?:json)?\s*(.*?)```\s*", answer, plain_re.DOTALL)
        try:
            value = json.loads(fenced[1] if fenced else answer)
        except (ValueError, RecursionError):
            return 0.0
        try:
            return 1.0 if validator.is_valid(value) else 0.5
        except RecursionError:  # a schema that is about itself alone
            return 0.5

    return of


def _references(schema: Any) -> Iterator[str]:
    """Every `$ref` in a schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        for name, item in schema.items():
            if name in ("$ref", "$dynamicRef") and isinstance(item, str):
                yield item
            else:
                yield from _references(item)


def _pattern_of_schema(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    """`pattern` with a limit of time."""
    from jsonschema.exceptions import ValidationError

    if isinstance(value, str) and not _is_found(regex.compile(pattern), value):
        yield ValidationError(pattern)


#: By name, what makes the function of an argument.
REWARDS: dict[str, Callable[[str], Callable[[str, str | None], float | None]]] = {
    "exact": _exact,
    "regex": _regex,
    "length": _length,
    "format": _format,
    "json_schema": _json_schema,
}


def mean_reward(rewards: Sequence[Reward], answer: str, expected: str | None) -> float:
    """Σ weight · reward / Σ weight over those that say something, in [0, 1]; NaN where none does."""
    told = [(reward.weight, reward.of(answer, expected)) for reward in rewards]
    said = [(weight, value) for weight, value in told if value is not None]
    total = sum(weight for weight, _ in said)
    return sum(weight * value for weight, value in said) / total if total else math.nan


def named(reward: Reward) -> Callable[..., list[float | None]]:
    """As TRL calls reward functions: over all answers of a batch, with the rows' columns beside them."""

    def function(completions: Sequence[str], expected: Sequence[str | None], **_: Any) -> list[float | None]:
        return [reward.of(answer, known) for answer, known in zip(completions, expected, strict=True)]

    function.__name__ = reward.name
    return function
