"""A phrase as people mean it, found and blanked in texts, JSON values and files, whatever its case, width or spacing.

Compared as Unicode's NFKC, case folded, every run of white space as one blank. Knows no database.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from studio.data.encodings import detect_encoding
from studio.errors import DataError
from studio.ids import is_id

__all__ = ["PURGED", "Phrase", "folded", "leaves"]

#: What stands where a phrase was.
PURGED = "[purged]"

_CHUNK_CHARS = 1 << 20
_AROUND = 40

#: Fields in which the studio keeps words of its own: a phrase such as "train" must not break what programs read.
_OWN_FIELDS = frozenset(
    {
        *("schema", "kind", "id", "hash", "revision", "seq", "at", "attempt", "phase", "unit", "state", "key", "field", "split"),
        *("path", "manifest", "removed", "upload", "engine", "base", "base_id", "preset", "precision", "device"),
        *("format", "encoding", "shape", "refused_by_key", "finish_reason"),
    }
)

_ESCAPES = re.compile(r'((?:\\u[0-9a-fA-F]{4})+)|\\(["\\/bfnrt])|""')


def folded(text: str) -> str:
    """The form in which two texts are compared."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.casefold().split())


class Phrase:
    def __init__(self, text: str) -> None:
        self._needle = folded(text)

    @property
    def n_chars(self) -> int:
        return len(self._needle)

    def is_in(self, text: str) -> bool:
        return self._needle in folded(text)

    def is_in_value(self, value: Any) -> bool:
        """Whether a string or a number of a JSON value holds it."""
        return any(self.is_in(leaf) for leaf in leaves(value))

    # 1 Blanking

    def blank(self, text: str) -> str:
        """The text with `PURGED` in place of each occurrence."""
        if not self.is_in(text):
            return text
        parts, end = [], 0
        for start, stop in self._places(text):
            if start >= end:
                parts += [text[end:start], PURGED]
            end = max(end, stop)
        blanked = "".join([*parts, text[end:]])
        return PURGED if self.is_in(blanked) else blanked

    def blank_value(self, value: Any) -> Any:
        """A JSON value with the phrase blanked in what people wrote; ids, hashes and the studio's own words stay."""
        if isinstance(value, str):
            return value if is_id(value) or re.fullmatch("[0-9a-f]{64}", value) else self.blank(value)
        if isinstance(value, dict):
            return {name: inner if name in _OWN_FIELDS else self.blank_value(inner) for name, inner in value.items()}
        return [self.blank_value(inner) for inner in value] if isinstance(value, list) else value

    def excerpt(self, text: str) -> str:
        """The first occurrence with a little of what stands around it, on one line."""
        start, stop = next(self._places(text), (0, 0))
        before, after = max(0, start - _AROUND), stop + _AROUND
        words = " ".join(text[before:after].split())
        return f"{'…' if before else ''}{words}{'…' if after < len(text) else ''}"

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the occurrences begin and end in the text as it is written."""
        form: list[str] = []
        origins: list[tuple[int, int]] = []
        for start, stop in _clusters(text):
            for sign in unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text[start:stop]).casefold()).casefold():
                if sign.isspace() and (not form or form[-1] == " "):
                    continue
                form.append(" " if sign.isspace() else sign)
                origins.append((start, stop))
        whole, at = "".join(form), 0
        while (at := whole.find(self._needle, at)) >= 0:
            yield origins[at][0], origins[at + len(self._needle) - 1][1]
            at += len(self._needle)

    # 2 Files

    def is_in_file(self, path: Path) -> bool:
        """Whether a file holds it, of any kind and encoding, behind JSON's and CSV's escapes too; one that is gone does not."""
        kept = 8 * self.n_chars + 64  # an occurrence may lie across two chunks, six signs for each of its own
        tail = ""
        try:
            with path.open(encoding=_encoding(path), errors="replace") as file:
                while chunk := file.read(_CHUNK_CHARS):
                    text = tail + chunk
                    if self.is_in(text) or (("\\" in text or '""' in text) and self.is_in(_unescaped(text))):
                        return True
                    tail = text[-kept:]
        except OSError:
            return False
        return False

    def blanked_file(self, path: Path) -> str | None:
        """A folder's text file with the phrase blanked, by what the file is; None where nothing has to change."""
        if not self.is_in_file(path):
            return None
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            text = file.read()
        match path.suffix:
            case ".jsonl":
                blanked = "\n".join(self._blanked_json(line, None) for line in text.split("\n"))
            case ".json":
                blanked = self._blanked_json(text, 1)
            case ".yaml":
                blanked = self._blanked_yaml(text)
            case _:
                blanked = self._blanked_lines(text)
        return None if blanked == text else blanked

    def _blanked_json(self, text: str, indent: int | None) -> str:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self._blanked_lines(text)
        blanked = self.blank_value(value)
        if blanked == value:
            return text
        return json.dumps(blanked, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))

    def _blanked_yaml(self, text: str) -> str:
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            return self._blanked_lines(text)
        blanked = self.blank_value(value)
        return text if blanked == value else yaml.safe_dump(blanked, sort_keys=False, allow_unicode=True)

    def _blanked_lines(self, text: str) -> str:
        by_line = "".join(self.blank(line) for line in text.splitlines(keepends=True))
        return self.blank(by_line)  # one that goes over the end of a line


def leaves(value: Any, *, skip: Collection[str] = (), names: bool = False) -> Iterator[str]:
    """Strings and numbers of a JSON value, without the fields that `skip` names; with `names`, what its fields are called too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if names:
                yield name
            if name not in skip:
                yield from leaves(inner, skip=skip, names=names)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, skip=skip, names=names)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Pieces that are normalised each by itself: a sign with the marks, or the parts of a syllable, that join it."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not _joins(text[at]):
            yield start, at
            start = at


def _joins(sign: str) -> bool:
    if sign < "\u0300":
        return False
    first = unicodedata.normalize("NFKC", sign)[0]  # a half-width voicing mark becomes one that combines
    return unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff"


def _encoding(path: Path) -> str:
    try:
        return detect_encoding(path, path.name)
    except DataError:  # binary, or of no encoding as a whole
        return "utf-8"


def _unescaped(text: str) -> str:
    """A text as it may stand behind the escapes of JSON and CSV, without knowing where in it those begin."""
    def plain(match: re.Match[str]) -> str:
        if match[1]:
            units = bytes.fromhex(match[1].replace("\\u", ""))
            return units.decode("utf-16-be", "replace")
        return {"b": " ", "f": " ", "n": "\n", "r": "\r", "t": "\t"}.get(match[2], match[2]) if match[2] else '"'

    return _ESCAPES.sub(plain, text)
