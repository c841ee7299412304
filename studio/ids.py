"""Ids and times, spelled in one way everywhere (CONTRACTS 1)."""

from __future__ import annotations

import os
import re
import threading
import time
from datetime import UTC, datetime
from typing import Literal

__all__ = ["Prefix", "is_id", "new_id", "now", "parse_time", "time_text"]

Prefix = Literal["ds", "drf", "run", "job", "wrk", "eng", "lnk", "usr", "cht", "ans", "exm", "swp"]

# Crockford's alphabet without i, l, o, u: nothing that is read for something else.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_making = threading.Lock()
_last = 0
_ID = re.compile(rf"[a-z]{{2,4}}_[{_ALPHABET}]{{26}}")


def new_id(prefix: Prefix) -> str:
    """`<prefix>_` and 26 characters: 48 bits of milliseconds, room for a carry, 81 random bits; so ids sort by their time. Those
    that a process makes within one millisecond sort in the order of their making: each is a random number above the one before.
    """
    global _last
    with _making:
        number = (time.time_ns() // 1_000_000) << 82 | int.from_bytes(os.urandom(11), "big") >> 7
        if number >> 82 == _last >> 82:
            number = _last + 1 + int.from_bytes(os.urandom(8), "big")
        _last = number
    letters = []
    for _ in range(26):
        letters.append(_ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(letters))}"


def is_id(text: str, prefix: Prefix | None = None) -> bool:
    return (prefix is None or text.startswith(f"{prefix}_")) and _ID.fullmatch(text) is not None


def now() -> datetime:
    """This moment in UTC, cut to milliseconds so that it is the same after a round trip through a file."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def time_text(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
