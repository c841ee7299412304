"""HTML that was left in the text when it was copied from the web."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Sequence

from studio.data.checks.base import Mark, RowView, Spot, TextCheck, code_spans
from studio.data.checks.html_text import ENTITY, MARKUP, STRONG, is_entity, markup_text
from studio.data.checks.settled import settled
from studio.data.rows import NewRow

__all__ = ["Html"]

#: Said anywhere in a row: it is about the web's languages, and its tags are what it speaks of.
_ABOUT = re.compile(
    r"(?<![\w./])(?:X?HTML[45]?|XML|XSLT|SGML|CSS3?|JSX|ASP\.NET|XPath|SSML|(?-i:DOM)|innerHTML|Beautiful ?Soup|divs?|iframes?"
    r"|href|onclick|markup languages?|hypertext)(?![A-Za-z0-9_])|超文本|标记语言",
    re.IGNORECASE,
)

#: Asked or ordered in a row: the same. A page itself says "enable JavaScript" and "visit our website".
_ASKED = re.compile(
    r"(?<![\w./])(?:JavaScript|TypeScript|jQuery|React(?:\.?js| (?:app|component|hook|native)\w*)|Vue(?:\.?js)?|AngularJS"
    r"|PHP|JSP|XSS|Markdown|Jinja2?|Django|Flask"
    r"|web ?(?:dev\w*|design\w*|forms?|scrap\w+)|front-?end|hyperlinks?"
    r"|(?<!skin )(?<!price )tags?|unescap\w+|escap(?:e|ed|ing) (?:char|sequence|string|code)\w*|angle brackets?"
    r"|(?:build|creat|mak|writ|design|cod|develop|generat)\w*\b[^.?!\n]{0,50} (?:web ?)?(?:page|site|form|button)s?)"
    r"(?![A-Za-z0-9_])"
    r"|网页|(?:写|做|创建|制作|开发|设计|生成|实现)[^。？！\n]{0,15}(?:网站|页面|表单|登录页|按钮)"
    r"|标签|前端|爬虫|超链接|转义|尖括号",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>\"']+")

#: Tags within tags within entities: no page is escaped more often.
_ROUNDS = 6


class Html(TextCheck):
    """Tags by the names of HTML's elements, comments and character entities (&nbsp;) outside code. A name that is a word as well
    (<summary>, <b>) counts with an attribute, beside another tag or, of one letter, with its end. Rows that speak of HTML, XML,
    CSS or other languages of the web, and questions about pages and tags, are left.
    """

    key = "html"
    certain = True

    def spots(self, view: RowView) -> Sequence[Spot]:
        found = super().spots(view)
        return [] if found and _is_about_the_web(view) else found

    def marks(self, text: str) -> Sequence[Mark]:
        return [Mark(*match.span(), _what(match)) for match in _found(text)]

    def mend(self, text: str) -> str:
        for _ in range(_ROUNDS):
            if not (found := _found(text)):
                break
            text = markup_text(text, found)
        return text

    def mended(self, row: NewRow) -> list[NewRow]:
        if not self.spots(RowView(row)):
            return [row]
        return [kept for new in super().mended(row) for kept in settled(self, row, new)]


def _found(text: str) -> list[re.Match[str]]:
    """The markup of a text, in order."""
    if "<" not in text and "&" not in text:
        return []
    tags = list(MARKUP.finditer(text)) if "<" in text else []
    entities = [match for match in ENTITY.finditer(text) if is_entity(match[0])] if "&" in text else []
    if not tags and not entities:
        return []
    code = code_spans(text)
    tags = _counted([match for match in tags if not _within(match.start(), code)], text)
    spans = [match.span() for match in tags]
    entities = [match for match in entities if not _within(match.start(), code) and not _within(match.start(), spans)]
    return sorted(tags + entities, key=re.Match.start)


def _counted(tags: list[re.Match[str]], text: str) -> list[re.Match[str]]:
    """Those tags that can be nothing but HTML."""
    begun = {match["name"].lower() for match in tags if match["name"] and not match["end"]}
    ended = {match["name"].lower() for match in tags if match["end"]}
    paired = {name for name in ended if len(name) == 1 and (name != "s" or name in begun)}  # </s> is a template's
    tags = [match for match in tags if not _is_cell_break(match, text)]
    sure = any(not match["name"] or match["attributes"] or _is_sure(match["name"], paired) for match in tags)
    return tags if sure else []


def _is_sure(name: str, paired: set[str]) -> bool:
    return name in STRONG or (name != "P" and name.lower() in STRONG) or name.lower() in paired


def _is_cell_break(match: re.Match[str], text: str) -> bool:
    """<br> in a row of a Markdown table, where a line break has no other form."""
    if (match["name"] or match["loose"] or "").lower() != "br":
        return False
    begin = text.rfind("\n", max(0, match.start() - 2_000), match.start()) + 1
    return text[begin : begin + 8].lstrip().startswith("|")


def _within(at: int, spans: list[tuple[int, int]]) -> bool:
    """Of spans in order, none of which overlaps another."""
    before = bisect_right(spans, (at, sys.maxsize)) - 1
    return before >= 0 and at < spans[before][1]


def _what(match: re.Match[str]) -> str:
    if match[0][0] == "&":
        return "entity"
    return "comment" if match["comment"] or match["unread"] else "tag"


def _is_about_the_web(view: RowView) -> bool:
    for words in view.words:
        plain = _ADDRESS.sub(" ", MARKUP.sub(" ", ENTITY.sub(" ", words.text)))
        if _ABOUT.search(plain) or (words.role in ("user", "system") and _ASKED.search(plain)):
            return True
    return False
