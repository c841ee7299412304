"""What a bulk change does to one row: pure functions, a class for each. Knows no database, no filter and no other row.

`Operation.ready(settings)` is the function that is called for every row. It gives what stands in the row's place afterwards: the
same row, a changed one, several, or none. For most it is `rows`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import regex
from pydantic import BaseModel, ConfigDict, Field, model_validator

from studio.data.checks import CHECKS, check_of
from studio.data.checks.base import SetCheck
from studio.data.doctor import after_mend
from studio.data.filters import check_repeats
from studio.data.review import accepted, flagged
from studio.data.rows import MAX_LABEL, SPLITS, Content, NewRow, check_storable
from studio.data.store import StoredRow
from studio.data.templates import context_of
from studio.errors import DataError
from studio.settings import Settings

__all__ = ["Accept", "Cut", "Delete", "Flag", "Mend", "Merge", "Operation", "Replace", "Split", "System", "Tag", "Topic", "Where"]

Where = Literal["all", "answers", "questions", "system"]
Message = dict[str, Any]

#: A pattern that needs longer for one text would need hours for a dataset: it is told instead.
_PATTERN_S = 1.0

#: Characters of a text that a revision's summary repeats.
_SHOWN = 60


class _Operation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def rows(self, old: StoredRow) -> list[NewRow]:
        """What stands in the place of `old`; the first keeps its position."""
        raise NotImplementedError

    def ready(self, settings: Settings) -> Callable[[StoredRow], list[NewRow]]:
        """`rows`, with what it needs of this studio at hand."""
        return self.rows

    def summary(self) -> tuple[str, dict[str, Any]]:
        """Key and parameters of the message that tells what was done; the number of rows, {n}, is added at the end."""
        raise NotImplementedError


class Replace(_Operation):
    """`put` in the place of `find`, in the texts of one role or in all.

    Without `match_case`, letters match under Unicode's full case folding: "STRASSE" finds "straße", "σας" finds "ΣΑΣ". A
    pattern (`regex`) may name its groups in `put` as `\\1` or `\\g<name>`. The JSON of tool calls is never touched.
    """

    do: Literal["replace"] = "replace"
    find: str
    put: str = ""
    regex: bool = False
    match_case: bool = False
    where: Where = "all"

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not self.find:
            raise DataError("error.data.nothing_to_find", field="find")
        check_storable(self.put, "put")
        _swap(self.find, self.put, self.regex, self.match_case)
        return self

    def rows(self, old: StoredRow) -> list[NewRow]:
        swap = _swap(self.find, self.put, self.regex, self.match_case)
        return [replace(old.as_new(), content=_with_texts(old.content, self.where, swap))]

    def summary(self) -> tuple[str, dict[str, Any]]:
        return "data.revision.replace", {"find": _short(self.find), "put": _short(self.put)}


@functools.lru_cache(maxsize=64)
def _swap(find: str, put: str, is_pattern: bool, match_case: bool) -> Callable[[str], str]:
    """The replacement as a function on texts. Raises DataError for a pattern, or a reference to a group, that is not right."""
    if not is_pattern and match_case:
        return lambda text: text.replace(find, put)
    flags = 0 if match_case else regex.IGNORECASE | regex.FULLCASE
    try:
        if is_pattern:
            check_repeats(find)
        pattern = regex.compile(find if is_pattern else regex.escape(find, special_only=True, literal_spaces=True), flags)
    except regex.error as error:
        raise DataError("error.find.bad_pattern", field="find", pattern=find, position=(error.pos or 0) + 1) from None
    except (OverflowError, RecursionError, MemoryError):  # nested too deep, or repeated more often than can be counted
        raise DataError("error.find.bad_pattern", field="find", pattern=find, position=1) from None
    if not is_pattern:
        return lambda text: _within_time(pattern, lambda _: put, text)
    try:  # references are looked up at the first match only: this one always matches, and has the same groups
        regex.compile(f"(?:{find}\n)|", flags).sub(put, "", count=1)
    except (regex.error, IndexError) as error:
        raise DataError("error.data.bad_replacement", field="put", reason=str(error)) from None
    return lambda text: _within_time(pattern, put, text)


def _within_time(pattern: Any, put: Any, text: str) -> str:
    try:
        return str(pattern.sub(put, text, timeout=_PATTERN_S))
    except TimeoutError:
        raise DataError("error.find.slow_pattern", field="find", pattern=pattern.pattern) from None


def _with_texts(content: Content, where: Where, swap: Callable[[str], str]) -> Content:
    """The same content with other words in it; what it was made of is left as it was."""
    new = dict(content)
    for name in ("messages", "chosen", "rejected"):
        if name in content:
            new[name] = [_with_message(message, where, swap) for message in content[name]]
    for name, role in (("answer", "answers"), ("question", "questions"), ("text", ""), ("label", "")):
        if where in ("all", role) and isinstance(content.get(name), str):
            new[name] = swap(content[name])
    if where == "all" and "options" in content:
        new["options"] = [swap(option) for option in content["options"]]
    return new


def _with_message(message: Message, where: Where, swap: Callable[[str], str]) -> Message:
    """Role, name and tool calls stay; what an assistant thought belongs to its answer."""
    if where not in ("all", {"assistant": "answers", "user": "questions", "system": "system"}.get(message["role"])):
        return message
    return message | {name: swap(message[name]) for name in ("content", "reasoning_content") if name in message}


class System(_Operation):
    """The system message of rows that have messages: added where there is none, set in all, or removed."""

    do: Literal["system"] = "system"
    text: str = ""
    when: Literal["missing", "always", "remove"] = "missing"

    def rows(self, old: StoredRow) -> list[NewRow]:
        messages: list[Message] = old.content.get("messages", [])
        has_one = bool(messages) and messages[0]["role"] == "system"
        if not messages or (has_one and self.when == "missing"):
            return [old.as_new()]
        first = [] if self.when == "remove" else [{"role": "system", "content": self.text}]
        return [replace(old.as_new(), content=old.content | {"messages": [*first, *messages[has_one:]]})]

    def summary(self) -> tuple[str, dict[str, Any]]:
        return f"data.revision.system_{self.when}", {"text": _short(self.text)}


class Delete(_Operation):
    do: Literal["delete"] = "delete"

    def rows(self, old: StoredRow) -> list[NewRow]:
        return []

    def summary(self) -> tuple[str, dict[str, Any]]:
        return "data.revision.delete", {}


class Tag(_Operation):
    """Tags that rows get, behind those they have, and tags that they lose."""

    do: Literal["tag"] = "tag"
    add: list[str] = Field(default_factory=list)
    remove: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for tag in self.add:
            _check_label(tag, "add")
        return self

    def rows(self, old: StoredRow) -> list[NewRow]:
        tags = [tag for tag in old.tags if tag not in self.remove]
        return [replace(old.as_new(), tags=[*tags, *(tag for tag in dict.fromkeys(self.add) if tag not in tags)])]

    def summary(self) -> tuple[str, dict[str, Any]]:
        signs = [*(f"+{tag}" for tag in self.add), *(f"−{tag}" for tag in self.remove)]
        return "data.revision.tag", {"tags": _short(" ".join(signs))}


class Split(_Operation):
    do: Literal["split"] = "split"
    split: str | None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.split not in (None, *SPLITS):
            raise DataError("error.data.unknown_split", field="split", found=self.split, expected=", ".join(SPLITS))
        return self

    def rows(self, old: StoredRow) -> list[NewRow]:
        return [replace(old.as_new(), split=self.split)]

    def summary(self) -> tuple[str, dict[str, Any]]:
        return f"data.revision.to_{self.split or 'none'}", {}


class Flag(_Operation):
    """Why rows are to be looked at; null takes the flag away. `check` names the doctor's, where it is one that asks."""

    do: Literal["flag"] = "flag"
    flag: str | None
    check: str = ""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.flag is not None:
            _check_label(self.flag, "flag")
        if self.check and self.check not in CHECKS:
            raise DataError("error.doctor.no_check", field="check", found=self.check)
        return self

    def rows(self, old: StoredRow) -> list[NewRow]:
        return [flagged(old.as_new(), self.flag, self.check)]

    def summary(self) -> tuple[str, dict[str, Any]]:
        return ("data.revision.unflag", {}) if self.flag is None else ("data.revision.flag", {"flag": _short(self.flag)})


class Topic(_Operation):
    do: Literal["topic"] = "topic"
    topic: str | None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.topic is not None:
            _check_label(self.topic, "topic")
        return self

    def rows(self, old: StoredRow) -> list[NewRow]:
        return [replace(old.as_new(), topic=self.topic)]

    def summary(self) -> tuple[str, dict[str, Any]]:
        return ("data.revision.no_topic", {}) if self.topic is None else ("data.revision.topic", {"topic": _short(self.topic)})


class Cut(_Operation):
    """A `chat` of more than `max_turns` questions becomes several rows, each with the system message and the tools of the whole.

    A turn begins with a question that follows an answer, so each part ends with an answer. Every answer is in exactly one
    part and is trained as often as before; what was said in earlier parts is no longer its context. References and rule
    judge the last answer and go with it. All parts share a group, so that no split divides them.
    """

    do: Literal["cut"] = "cut"
    max_turns: int = Field(ge=1)

    def rows(self, old: StoredRow) -> list[NewRow]:
        parts = self._parts(old.content["messages"]) if old.kind == "chat" else []
        if len(parts) < 2:
            return [old.as_new()]
        group = old.group_key or f"row-{old.position}"
        new = [replace(old.as_new(), content=old.content | {"messages": part}, group_key=group) for part in parts]
        return [*(replace(part, references=[], rule=None) for part in new[:-1]), new[-1]]

    def _parts(self, messages: list[Message]) -> list[list[Message]]:
        system = messages[:1] if messages[0]["role"] == "system" else []
        said = messages[len(system) :]
        starts = [at for at in range(1, len(said)) if said[at]["role"] == "user" and said[at - 1]["role"] == "assistant"]
        if said[0]["role"] != "user":
            starts = starts[1:]  # a greeting goes with the first question
        ends = [*starts[self.max_turns - 1 :: self.max_turns], len(said)]
        return [[*system, *said[begin:end]] for begin, end in zip([0, *ends], ends, strict=False)]

    def summary(self) -> tuple[str, dict[str, Any]]:
        return "data.revision.cut", {"turns": self.max_turns}


class Merge(_Operation):
    """Rows of other datasets, as they are now, behind all rows; whatever is filtered or ticked. See `bulk`."""

    do: Literal["merge"] = "merge"
    datasets: list[str] = Field(min_length=1)

    def summary(self) -> tuple[str, dict[str, Any]]:
        return "data.revision.merge", {}


class Accept(_Operation):
    """A person has looked at the rows and said yes: they wait no longer (see `review`)."""

    do: Literal["accept"] = "accept"

    def rows(self, old: StoredRow) -> list[NewRow]:
        return [accepted(old.as_new())]

    def summary(self) -> tuple[str, dict[str, Any]]:
        return "data.revision.accept", {}


class Mend(_Operation):
    """What a check of the doctor does to the rows that it finds, under a base and a limit; the others stay. See `checks`."""

    do: Literal["mend"] = "mend"
    check: str
    base: str = ""
    max_seq_len: int = Field(512, ge=1)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.check not in CHECKS or not check_of(self.check).has_mend:
            raise DataError("error.doctor.no_mend", field="check", found=self.check)
        return self

    @property
    def compares_rows(self) -> bool:
        """Whether the check cannot tell from a row alone: only rows that it has found and that stand as they did are mended."""
        return isinstance(check_of(self.check), SetCheck)

    def ready(self, settings: Settings) -> Callable[[StoredRow], list[NewRow]]:
        check = check_of(self.check, context_of(settings, self.base, self.max_seq_len))

        def rows(old: StoredRow) -> list[NewRow]:
            row = old.as_new()
            new = after_mend(check, row)
            return [row] if new is None else new

        return rows

    def summary(self) -> tuple[str, dict[str, Any]]:
        return f"check.{self.check}.done", {}


Operation = Annotated[
    Replace | System | Delete | Tag | Split | Flag | Topic | Cut | Merge | Mend | Accept, Field(discriminator="do")
]


def _check_label(value: str, field: str) -> None:
    check_storable(value, field)
    if not value.strip():
        raise DataError("error.data.empty_text", field=field, where=field)
    if len(value) > MAX_LABEL:
        raise DataError("error.data.label_too_long", field=field, where=field, n=len(value), limit=MAX_LABEL)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
