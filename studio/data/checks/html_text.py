"""The words of a text that was once a web page: its tags gone, its paragraphs and lists kept.

Knows which element is a paragraph and which is a word's dress, nothing of nesting rules or style sheets: what stands in training
data are shreds of pages, seldom whole ones.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

__all__ = ["ENTITY", "MARKUP", "STRONG", "is_entity", "markup_text"]

#: Elements (WHATWG HTML, "Index", and the obsolete ones of 16.2) whose names are no words: <tbody> means nothing else.
_NO_WORDS = (
    "p br hr div span h1 h2 h3 h4 h5 h6 ul ol li dl dt table thead tbody tfoot tr td th colgroup strong em font img sup sub"
    " blockquote pre script style iframe html meta noscript svg textarea strike nobr wbr tt center figcaption o:p"
)
STRONG = frozenset(_NO_WORDS.split())

#: Those that are words, placeholders or names of XML as well: <summary>, <b>, <title>, <input>.
_ALSO_WORDS = (
    "a b i u s q abbr acronym address area article aside audio base big body button canvas caption cite code col data dd del"
    " details dfn embed fieldset figure footer form frame frameset head header i input ins kbd label legend link main map mark"
    " menu nav object option output param picture rp rt ruby samp section select small source summary template time title track"
    " var video"
)

#: What stands by itself, and what has a line of its own.
_APART = (
    "p h1 h2 h3 h4 h5 h6 dl table blockquote hr title article section header footer main nav aside figure form fieldset"
)
_ON_LINES = "div tr dt dd caption figcaption option legend address center summary details menu body head html"
_PARAGRAPHS, _LINES = frozenset(_APART.split()), frozenset(_ON_LINES.split())

_NAMES = "|".join(sorted({*_NO_WORDS.split(), *_ALSO_WORDS.split()}, key=len, reverse=True))
_ALONE = "disabled|checked|selected|hidden|required|readonly|multiple|controls|autoplay|loop|muted|async|defer|nowrap"

#: Small letters or capitals: <Button> is a component, and <Del> a key. An attribute needs its equals sign: a <b and c> d.
_ATTRIBUTES = rf"(?P<attributes>\s++(?:[\w:@.-]++\s*+=[^<>]*+|(?:{_ALONE})\b[^<>]*+))?"
MARKUP = re.compile(
    r"(?P<comment><!--(?:(?!<!--|-->).)*+-->|<!--(?:\[if[^\]\n]*\]>)?|<!\[endif\](?:-->)?|<!DOCTYPE\b[^<>]*>|<!doctype\b[^<>]*>)"
    r"|(?P<unread><(?P<un>script|style|noscript|SCRIPT|STYLE|NOSCRIPT)\b[^<>]*>(?:(?!</?(?P=un)\b).)*+</(?P=un)\s*>)"
    rf"|<(?P<end>/?)(?P<name>{_NAMES}|{_NAMES.upper()})(?=[\s/>]){_ATTRIBUTES}\s*+/?\s*+>"
    r"|<\s(?P<loose>br)\s*+/?\s*+>",
    re.DOTALL,
)

#: What stands for a character; without its semicolon it is as well a parameter of an address.
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")

_SPACES = "\u00a0\u2002\u2003\u2009"
_NOTHING = "\u00ad\u200b\ufeff"
_RAISED = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")


def is_entity(text: str) -> bool:
    """Of what `ENTITY` matches, whether it is one: &T; is not."""
    return text[1] == "#" or text[1:] in html5


def markup_text(text: str, found: list[re.Match[str]]) -> str:
    """The text without these tags, comments and entities, which are in order."""
    made = _Text()
    at = 0
    for match in found:
        made.words(text[at : match.start()])
        at = match.end()
        if match[0][0] == "&":
            made.entity(html.unescape(match[0]))
        elif name := (match["name"] or match["loose"] or "").lower():
            made.tag(name, ends=bool(match["end"]))
        else:
            made.dropped()
    made.words(text[at:])
    return made.finished()


class _Text:
    """What has been written, and the break that is due before the next word."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._breaks = 0  # line breaks due
        self._bullet = False
        self._lists = 0
        self._cells = 0
        self._after = ""  # the kind of what has just been left out
        self._marks: list[tuple[str, int]] = []  # an open <pre>, <code> or <sup>, and where its text begins

    def words(self, text: str) -> None:
        if self._inside("pre"):
            self._written.append(text)
            return
        if self._breaks or self._bullet or (self._after and not self._written):
            bare = text.lstrip()
            self._breaks = max(self._breaks, min(2, text[: len(text) - len(bare)].count("\n"))) if self._breaks else 0
            if not bare:
                return
            self._flush()
            text = bare
        elif self._after and text[:1] == " " and self._last() in " \n\t":
            text = text.lstrip(" ") if self._after == "space" else text[1:]
        if text:
            self._after = ""
            self._written.append(text)

    def entity(self, char: str) -> None:
        if self._inside("pre") or char not in _SPACES + _NOTHING:
            self.words(char.replace("\u00a0", " "))
        elif char in _SPACES:
            if self._written and not self._breaks and self._last() not in " \n\t":
                self._written.append(" ")
            self._after = "space"

    def dropped(self) -> None:
        self._after = self._after or "tag"

    def tag(self, name: str, *, ends: bool) -> None:
        if name == "pre":
            self._preformatted(ends)
        elif name == "br":
            self._break(min(2, self._breaks + 1), together=False)
        elif name == "li":
            self._break(1)
            self._breaks, self._bullet = (1, False) if ends else (self._breaks, True)
        elif name in ("ul", "ol"):
            self._lists = max(0, self._lists - 1) if ends else self._lists
            self._break(2 if ends and not self._lists else 1)
            self._lists += not ends
        elif name in ("td", "th"):
            self._cell(ends)
        elif name in _PARAGRAPHS:
            self._break(2)
        elif name in _LINES:
            self._cells = 0
            self._break(1)
        elif name in ("code", "sup"):
            self._marked(name, ends)
        self.dropped()

    def finished(self) -> str:
        self._close_pre()
        text = "".join(self._written)
        return text.rstrip() if self._after or self._breaks else text

    def _break(self, n: int, *, together: bool = True) -> None:
        if self._inside("pre"):
            if not together:
                self._written.append("\n")
            return
        if self._bullet and together:
            return
        while self._written and not (kept := self._written[-1].rstrip()):
            n = max(n, min(2, self._written.pop().count("\n")))
        if self._written:
            n = max(n, min(2, self._written[-1][len(kept) :].count("\n")))
            self._written[-1] = kept
        self._breaks = max(self._breaks, n)

    def _flush(self) -> None:
        if self._written:
            self._written.append("\n" * self._breaks)
        if self._bullet:
            self._written.append("  " * (self._lists - 1) + "- ")
        self._breaks, self._bullet = 0, False

    def _cell(self, ends: bool) -> None:
        if ends:
            self._cells += 1
        elif self._cells and self._written and not self._breaks:
            self._written[-1] = self._written[-1].rstrip()
            self._written.append(" | ")
            self._after = "space"

    def _preformatted(self, ends: bool) -> None:
        if ends:
            self._close_pre()
        elif not self._inside("pre"):
            self._break(2)
            self._flush()
            self._written.append("```\n")
            self._marks = [("pre", len(self._written))]

    def _close_pre(self) -> None:
        if self._inside("pre"):
            _, begin = self._marks.pop()
            code = "".join(self._written[begin:]).strip("\n")
            self._written[begin:] = [code, "\n```"]
            self._breaks = 2

    def _marked(self, name: str, ends: bool) -> None:
        """Code between back ticks, and what is raised in characters that are: 10<sup>9</sup> is not 109."""
        if self._inside("pre"):
            return
        if not ends:
            if self._breaks or self._bullet:
                self._flush()
            self._marks = [(name, len(self._written))]
        elif self._inside(name):
            _, begin = self._marks.pop()
            text = "".join(self._written[begin:])
            self._written[begin:] = [_written_as(name, text)] if text else []

    def _inside(self, name: str) -> bool:
        return bool(self._marks) and self._marks[-1][0] == name

    def _last(self) -> str:
        return next((part[-1] for part in reversed(self._written) if part), "\n")


def _written_as(name: str, text: str) -> str:
    if name == "code":
        return text if "`" in text or "\n" in text or not text.strip() else f"`{text}`"
    raised = text.translate(_RAISED)
    if not set(raised) & set(text):
        return raised
    is_power = text.isascii() and text.isalnum() and (len(text) == 1 or not text.isalpha())  # 1st and ™ are none
    return f"^{text}" if is_power else text
