"""Answers that refuse what they were asked for. The phrases are in `refusal_phrases`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from studio.data.checks.answers import AnswerCheck
from studio.data.checks.base import Mark, is_chinese
from studio.data.checks.refusal_phrases import HINTS, HONEST, NOT_MEANT, REFUSES
from studio.data.checks.sentences import sentences

__all__ = ["Refusals"]

#: A refusal stands in the first sentences of an answer, and little stands behind it.
_SENTENCES = 3
_HELP, _CHINESE_HELP = 400, 150

#: Characters in which the first sentences stand.
_HEAD = 800


class Refusals(AnswerCheck):
    """Found are answers that say in one of their first three sentences that they will not or must not do what was asked, as "I
    cannot assist with that" or 我无法提供 does.

    Clean is: an "I don't know" (the document does not say, something is missing, a question back), a refusal with a "but I can"
    or with 400 characters of help behind it (150 in Chinese), what others refuse, what is quoted or said by a figure in a
    dialogue, and a letter. Nothing is mended: whether a model should refuse is for people to decide.
    """

    key = "refusals"
    area = "bias"
    has_mend = False
    params = {"sentences": _SENTENCES, "help": _HELP, "chinese_help": _CHINESE_HELP}

    def marks(self, text: str) -> Sequence[Mark]:
        head = text[:_HEAD]
        hints = [hint for hint in HINTS if hint in head]
        if not hints or _LETTER.match(head):
            return []
        first = list(islice(sentences(head), _SENTENCES + 1))
        for at, (start, end) in enumerate(first[:_SENTENCES]):
            sentence = head[start:end]
            if not any(hint in sentence for hint in hints) or not _refuses(sentence):
                continue
            following = head[slice(*first[at + 1])] if at + 1 < len(first) else ""
            if not HONEST.search(f"{sentence} {following}"):
                help_ = text[end:].strip()
                is_helped = len(help_) >= _CHINESE_HELP and len(help_) >= (_CHINESE_HELP if is_chinese(help_) else _HELP)
                return [] if is_helped else [Mark(start, end)]
        return []


_LETTER = re.compile(r"\s*(?:Dear\b|Subject:|To:|尊敬的|亲爱的|主题[:：])")
_SPEAKER = re.compile(r"\W*(?!Answer|Assistant|AI\b|Response|A:)[A-Z][\w .']{0,24}:|\W*(?!回答|答|助手)[^\s，。]{1,8}[:：]")


def _refuses(sentence: str) -> bool:
    if NOT_MEANT.search(sentence) or _SPEAKER.match(sentence):
        return False
    found = next((found for pattern in REFUSES if (found := pattern.search(sentence))), None)
    return found is not None and not _is_quoted(sentence[: found.start()])


def _is_quoted(before: str) -> bool:
    return before.count('"') % 2 == 1 or any(before.count(pair[0]) > before.count(pair[1]) for pair in ("“”", "「」", "『』"))
