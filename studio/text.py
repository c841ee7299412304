"""Words: one message catalogue per language, and one formatter for numbers, bytes, durations and dates.

`studio/` returns keys and parameters; whoever shows them calls `text(lang, key, **params)`.
"""

from __future__ import annotations

import functools
import json
import math
import re
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

from studio.errors import StudioError

__all__ = [
    "LANGS",
    "Lang",
    "bytes_text",
    "device_text",
    "duration_text",
    "error_text",
    "has_text",
    "is_plain",
    "lang_of",
    "number_text",
    "text",
]

Lang = Literal["en", "zh"]
LANGS: tuple[Lang, ...] = ("en", "zh")

#: Kinds of characters that no name has: control characters, what is not seen or turns the line round, line breaks.
_NOT_PLAIN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # not seen either, but Persian words and many emoji are written with them

_MESSAGES = Path(__file__).resolve().parent.parent / "assets" / "messages"


@functools.cache
def catalogue(lang: Lang) -> dict[str, str]:
    """All messages of one language: flat keys `area.thing.word`."""
    return cast("dict[str, str]", json.loads((_MESSAGES / f"{lang}.json").read_text("utf-8")))


def lang_of(wanted: str | None, default: Lang = "en") -> Lang:
    """The language that a cookie, `LANG` or an Accept-Language header asks for."""
    code = (wanted or "").lower()[:2]
    return code if code in LANGS else default


def is_plain(name: str) -> bool:
    """Whether a name that everybody sees can be shown as it was typed: one line, nothing invisible, nothing that reverses what
    stands beside it (U+202E and its like), no escape sequence for a terminal.
    """
    return all(unicodedata.category(char) not in _NOT_PLAIN or char in _JOINERS for char in name)


def has_text(key: str) -> bool:
    return key in catalogue("en")


def text(lang: Lang, key: str, /, **params: Any) -> str:
    """The message under `key`. Numbers are written as a person writes them; other values as they are.

    Raises KeyError for an unknown key: a screen without its words is a defect that a test must find.
    """
    message = catalogue(lang)[key]
    if not params:
        return message
    words = {name: number_text(value) if isinstance(value, int | float) else value for name, value in params.items()}
    return message.format(**words)


#: Parameters of errors that are shown by their words, and where these stand.
_WORDS_OF = {
    "role": "role.{}",
    "split": "split.{}",
    "method": "enum.Method.{}",
    "stage": "enum.Stage.{}",
    "setting": "field.TrainSpec.{}.label",
}


def error_text(lang: Lang, error: StudioError | dict[str, Any]) -> str:
    """An error in words: what happened, where, what to do. `*_bytes` and `*_s` parameters are written with their unit, a
    role, a split, a training's method, stage and settings by their words, a `reason` that is a message by its words.
    """
    value = error.as_dict() if isinstance(error, StudioError) else error
    params = {
        name: bytes_text(item) if name.endswith("_bytes") else duration_text(lang, item) if name.endswith("_s") else item
        for name, item in value.get("params", {}).items()
    }
    for name, pattern in _WORDS_OF.items():
        if has_text(key := pattern.format(params.get(name))):
            params[name] = text(lang, key)
    if has_text(str(params.get("reason"))):
        params["reason"] = error_text(lang, {"key": params["reason"], "params": {}})
    if not has_text(value["key"]):
        return text(lang, "error.unknown", key=value["key"])
    return text(lang, value["key"], **params)


def number_text(value: float | bool) -> str:
    """`12,345`, `0.0312`, `2e-05`: four significant digits below a thousand, groups of three above."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 9_999.5:  # from there on .4g would round up to 1e+04
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 1 else f"{value:.3g}"


def bytes_text(value: float) -> str:
    """Binary units, three significant digits: `3.21 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{_three_digits(value)} {unit}"
        value /= 1024
    return f"{_three_digits(value)} TiB"


def _three_digits(value: float) -> str:
    """At least three significant digits, never an exponent: .3g would write 1,000 KiB as 1e+03."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def device_text(lang: Lang, name: str) -> str:
    """A device as jobs and facts name it: cards by their maker's name, `2 CPU cores` in the reader's words."""
    cores = re.fullmatch(r"(\d+) CPU cores", name)
    return text(lang, "devices.cpu", n=int(cores[1])) if cores else name


def duration_text(lang: Lang, seconds: float | None) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`; a dash for an unknown duration."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = max(0, round(seconds))
    units = {"en": (" h", " min", " s"), "zh": (" 小时", " 分", " 秒")}[lang]
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}{units[0]} {minutes}{units[1]}"
    return f"{minutes}{units[1]} {rest}{units[2]}" if minutes else f"{rest}{units[2]}"


def date_text(moment: datetime) -> str:
    """Shown where a browser cannot put its own zone in (CLI, exports): ISO-like, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")
