"""What a check is: it looks at rows, says which are broken and where, by a rule that can be read, and knows what mends them.

Pure functions over plain values. Knows no database, no page and no other check.

    RowCheck    looks at one row       spots(row) ─► where it is broken      mended(row) ─► what should stand in its place
    TextCheck   … at one text          marks(text) ─► places in it           mend(text) ─► the text without them
    SetCheck    compares rows          groups(rows) ─► rows that belong together, and the one among them that stays

Words of a check are messages: `check.<key>.name`, `.found` ({n}), `.rule` (with the check's `params`), `.why`, `.mend` (the
button) and `.done` ({n}, in the history); a check without a mend has neither of the last two. `Spot.what` names a message
`check.<key>.what.<what>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from studio.data.near_duplicates import asked, folded
from studio.data.rows import Content, NewRow, content_hash, last_answer

if TYPE_CHECKING:
    from studio.data.render import Template

__all__ = [
    "Area",
    "Check",
    "Context",
    "Group",
    "Mark",
    "RowCheck",
    "RowView",
    "SetCheck",
    "Spot",
    "TextCheck",
    "Words",
    "code_spans",
    "is_chinese",
    "with_words",
    "words_of",
]

Area = Literal["quality", "diversity", "quantity", "consistency", "bias"]


class Words(NamedTuple):
    """One text of a row. `where` is its path (`messages[2].content`); `role` that of its message, "text" outside of messages,
    "rejected" for answers that are there to be avoided.
    """

    where: str
    role: str
    text: str


class Spot(NamedTuple):
    """Characters `start` ≤ i < `end` of the text at `where` are what was found; an empty span stands for the whole text."""

    where: str
    start: int
    end: int
    what: str = ""


class Mark(NamedTuple):
    """Characters `start` ≤ i < `end` of a text."""

    start: int
    end: int
    what: str = ""


@dataclass(frozen=True)
class Context:
    """For what model the rows are meant: a base's tokenizer and template, and the limit in tokens. Without a base, checks that
    need one find nothing and say so.
    """

    base: str = ""
    template: Template | None = None
    max_seq_len: int = 512


@dataclass(frozen=True)
class RowView:
    """A row as checks look at it: its texts are taken apart once for all of them."""

    row: NewRow

    @cached_property
    def content_hash(self) -> str:
        return content_hash(self.row.content)

    @cached_property
    def words(self) -> list[Words]:
        return words_of(self.row.content)

    @cached_property
    def question(self) -> str:
        """What the row asks, folded: no case, no width, no punctuation."""
        return folded(asked(self.row.kind, self.row.content), None)

    @property
    def system(self) -> str:
        """The system message, or ""."""
        first = next(iter(self.row.content.get("messages", ())), None)
        return str(first["content"]) if first is not None and first["role"] == "system" else ""

    @cached_property
    def answer(self) -> str:
        """What it answers, folded; "" for a row without one."""
        said = last_answer(self.row.kind, self.row.content) or ""
        return folded(said, None) if said else ""


class Check:
    """`certain`: the rule cannot be wrong about a row (an HTML tag is one), so mending needs no look at each row."""

    key: ClassVar[str]
    area: ClassVar[Area] = "quality"
    certain: ClassVar[bool] = False
    has_mend: ClassVar[bool] = True
    #: What the message of the rule says of its numbers.
    params: ClassVar[dict[str, Any]] = {}

    def __init__(self, context: Context | None = None) -> None:
        self.context = context or Context()

    @property
    def missing(self) -> str:
        """The message key of what it lacks to look at anything, or ""."""
        return ""


class RowCheck(Check):
    def spots(self, view: RowView) -> Sequence[Spot]:
        """Where the row is broken; nothing for one that is not."""
        raise NotImplementedError

    def mended(self, row: NewRow) -> list[NewRow]:
        """What should stand in the row's place: [row] itself where a person has to decide, [] where it should go."""
        return [row]


class TextCheck(RowCheck):
    """A check that looks at one text after the other, those of the `roles`."""

    roles: ClassVar[frozenset[str]] = frozenset({"system", "user", "assistant", "text"})

    def marks(self, text: str) -> Sequence[Mark]:
        raise NotImplementedError

    def mend(self, text: str) -> str:
        """The text without what `marks` finds; the same text where a person has to decide."""
        return text

    def spots(self, view: RowView) -> Sequence[Spot]:
        found: list[Spot] = []
        for words in view.words:
            if words.role in self.roles:
                found += [Spot(words.where, *mark) for mark in self.marks(words.text)]
        return found

    def mended(self, row: NewRow) -> list[NewRow]:
        def swap(words: Words) -> str:
            return self.mend(words.text) if words.role in self.roles else words.text

        return [replace(row, content=with_words(row.content, swap))]


@dataclass(frozen=True)
class Group:
    """Rows that belong together, by their numbers. `found` are those that the check has something against, `kept` is the one
    that the mend leaves as it is. None, and for the `unsettled` among those found: a person decides.
    """

    found: list[int]
    kept: int | None = None
    unsettled: Set[int] = frozenset()


class SetCheck(Check):
    """A check that compares rows. `add` sees each of them once, in order; then `groups` tells what it found."""

    def add(self, number: int, view: RowView) -> None:
        raise NotImplementedError

    def groups(self, on_step: Callable[[], None]) -> Iterable[Group]:
        """`on_step` is called all the while and may raise to end it."""
        raise NotImplementedError

    def mended(self, row: NewRow) -> list[NewRow]:
        """What should stand in the place of a row in `Group.found`, when its group is settled."""
        return []


# --- the texts of a row -----------------------------------------------------------------------------------------------


def words_of(content: Content) -> list[Words]:
    """Every text that a model reads or learns from, in order."""
    found: list[Words] = []
    for name in ("messages", "chosen", "rejected"):
        for at, message in enumerate(content.get(name, ())):
            role = "rejected" if name == "rejected" else message["role"]
            where = f"{name}[{at}]"
            if message.get("reasoning_content"):
                found.append(Words(f"{where}.reasoning_content", role, message["reasoning_content"]))
            found.append(Words(f"{where}.content", role, message["content"]))
    for name, role in (("question", "user"), ("text", "text"), ("answer", "assistant")):
        if isinstance(content.get(name), str):
            found.append(Words(name, role, content[name]))
    found += [Words(f"options[{at}]", "text", option) for at, option in enumerate(content.get("options", ()))]
    return found


def with_words(content: Content, swap: Callable[[Words], str]) -> Content:
    """The same content with other words in the same places."""
    new = {words.where: swap(words) for words in words_of(content)}
    made = dict(content)
    for name in ("messages", "chosen", "rejected"):
        if name in content:
            made[name] = [_with_message(message, f"{name}[{at}]", new) for at, message in enumerate(content[name])]
    for name in ("question", "text", "answer"):
        if name in new:
            made[name] = new[name]
    if "options" in content:
        made["options"] = [new[f"options[{at}]"] for at in range(len(content["options"]))]
    return made


def _with_message(message: dict[str, Any], where: str, new: dict[str, str]) -> dict[str, Any]:
    names = ("content", "reasoning_content")
    return message | {name: new[f"{where}.{name}"] for name in names if f"{where}.{name}" in new}


#: Letters of Chinese, Japanese and Korean, and the radicals that stand for them.
_CJK = re.compile("[\u2e80-\u2fdf\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_LETTERS = re.compile(r"[^\W\d_]")


def is_chinese(text: str) -> bool:
    """Whether a text is written in Chinese letters: a third of its letters are enough, for terms are quoted in Latin ones."""
    if text.isascii():
        return False
    n_letters = len(_LETTERS.findall(text))
    return n_letters > 0 and 3 * len(_CJK.findall(text)) >= n_letters


_CODE = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?(?:^(?P=fence)[ \t]*$|\Z)|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def code_spans(text: str) -> list[tuple[int, int]]:
    """Where Markdown says that code stands: between fences, an open one to the end, and between back ticks."""
    return [found.span() for found in _CODE.finditer(text)] if "`" in text or "~~~" in text else []
