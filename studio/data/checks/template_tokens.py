"""Markers of chat templates that stand in the text as words: a conversation was rendered once, and imported as it came out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from studio.data.checks.base import Context, Mark, TextCheck, code_spans

__all__ = ["TemplateTokens"]

_ROLE = r"(?:system|user|assistant|model|tool|human|gpt|ipython|bot)"

#: Of ChatML, Llama 2 and 3, Gemma, Phi, DeepSeek, Mistral, Alpaca and Vicuna, as their templates write them. A header goes with
#: its role and the line break behind it.
_MARKERS = "|".join(
    (
        rf"<\|start_header_id\|>\s*{_ROLE}\s*<\|end_header_id\|>\s*",
        rf"(?:<?\|?im_start\|?>?|<start_of_turn>)[ \t]*{_ROLE}\b[ \t]*\n?",
        r"<\|[A-Za-z0-9_]{2,32}\|>",
        r"<\uff5c[^\uff5c<>\n]{1,40}\uff5c>",
        r"<?\|im_(?:start|end)\b\|?>?|im_(?:start|end)\|>?|(?<![\w.])im_(?:start|end)\b(?!\s*[(=])|\bim_end\s*\Z",  # cut ones
        r"<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>",
        r"\[/?INST\]|<</?SYS>>",
        r"\A\s*<s>|</s>|<s>(?=\s*\[INST\])",
        r"^###[ \t]*(?:Instruction|Response|Input)[ \t]*:[ \t]*\n?",
        r"\A\s*(?:Human|USER|User|ASSISTANT|Assistant)[ \t]*:[ \t]*(?=\S)",
        r"(?<=\n)(?:Human|USER|ASSISTANT|Assistant)[ \t]*:[ \t]*",
        r"(?<![\w\"'])(?:USER|ASSISTANT):[ \t]",
    )
)
_FOUND = re.compile(_MARKERS, re.MULTILINE)

#: A text without these has none of them.
_HINTS = ("<", "[", "im_", "###", "uman", "ssistant", "USER", "ASSISTANT", "User")


class TemplateTokens(TextCheck):
    """Markers such as <|im_start|>, [INST], </s>, "### Response:" or a leading "Assistant:" outside code, and the special tokens
    of the chosen base.
    """

    key = "template_tokens"
    certain = True

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(context)
        template = self.context.template
        own = [special for special in (template.special_texts if template else ()) if not _FOUND.fullmatch(special)]
        self._own = tuple(special for special in own if len(special) > 3 and not special.isalnum())
        self._found = re.compile("|".join([*map(re.escape, self._own), _MARKERS]), re.MULTILINE) if self._own else _FOUND

    def marks(self, text: str) -> Sequence[Mark]:
        if not any(hint in text for hint in _HINTS) and not any(special in text for special in self._own):
            return []
        found = [match.span() for match in self._found.finditer(text)]
        code = code_spans(text) if found else []
        return [
            Mark(begin, end)
            for begin, end in found
            if not any(first <= begin < last for first, last in code) and not _strikes_out(text, begin, end)
        ]

    def mend(self, text: str) -> str:
        while marks := self.marks(text):  # what a marker has held apart may make another
            for mark in reversed(marks):
                before, behind = text[: mark.start], text[mark.end :]
                text = before + (behind.lstrip(" \t") if not before or before[-1].isspace() else behind)
            text = text.strip()
        return text


def _strikes_out(text: str, begin: int, end: int) -> bool:
    """Whether </s> ends something that HTML strikes out, and is another check's."""
    return text[begin:end].strip() == "</s>" and "<s>" in text[1:begin]
