"""What a row is to a training: sequences of tokens and which of them are learned, by the training's stage. No torch.

    sft    chat, text, the chosen answer of a pair, a good answer      every answer of it is a target
    text   text, in pieces of the longest row                          everything is a target
    dpo    preference: a prompt and two answers                        both answers are targets
    kto    feedback: a prompt, an answer, good or bad; a pair is two   the answer is a target
    grpo   prompt, or a chat without its last answer                   answers are written, and rewarded
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from studio.data.render import Rendered, Template, render
from studio.errors import DataError, StudioError

__all__ = ["Example", "Purpose", "Reading", "examples_of", "examples_or_refused"]

Purpose = Literal["sft", "text", "dpo", "kto", "grpo"]

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class Reading:
    """How rows are read: `system` stands before conversations that have no system message of their own."""

    purpose: Purpose = "sft"
    max_seq_len: int = 512
    system: str = ""


@dataclass(frozen=True)
class Example:
    """`prompt`, and each of `answers` behind it, are one sequence; `mask` (of a single answer without prompt) marks its targets,
    else all tokens of answers are targets. `label`: whether the answer is good. `messages` and `expected`: what is asked, and
    the answer that is known.
    """

    prompt: list[int]
    answers: tuple[list[int], ...]
    mask: list[int] | None = None
    label: bool | None = None
    messages: Messages | None = None
    expected: str | None = None

    @property
    def width(self) -> int:
        """Tokens of its longest sequence."""
        return len(self.prompt) + max((len(answer) for answer in self.answers), default=0)

    @property
    def n_tokens(self) -> int:
        """Of all its sequences."""
        return sum(len(self.prompt) + len(answer) for answer in self.answers) or len(self.prompt)

    @property
    def n_targets(self) -> int:
        """Learned tokens; the first one of a sequence is never predicted."""
        if self.mask is not None:
            return sum(self.mask[1:])
        return sum(len(answer) - (not self.prompt) for answer in self.answers)

    @property
    def last_target(self) -> int | None:
        if self.mask is not None:
            return next((token for token, counts in zip(self.answers[0][::-1], self.mask[::-1], strict=True) if counts), None)
        return self.answers[0][-1] if self.answers and self.answers[0] else None


def examples_or_refused(
    kind: str, content: dict[str, Any], template: Template, reading: Reading, *, is_locked: bool = False
) -> tuple[list[Example], None] | tuple[None, str]:
    """The row's examples, or the message key of the reason why it is not trained on."""
    if is_locked:
        return None, "data.refused.locked_test"
    try:
        found = examples_of(kind, content, template, reading)
    except StudioError as error:
        return None, error.key
    if any(example.width > reading.max_seq_len for example in found):
        return None, "data.refused.too_long"
    if reading.purpose != "grpo" and sum(example.n_targets for example in found) == 0:
        return None, "data.refused.no_targets"
    return found, None


def examples_of(kind: str, content: dict[str, Any], template: Template, reading: Reading) -> list[Example]:
    """Of one row, uncut. Raises StudioError with the reason where the row is none of the stage's, or cannot be rendered."""
    return {"sft": _answers, "text": _pieces, "dpo": _pair, "kto": _judged, "grpo": _task}[reading.purpose](
        kind, content, template, reading
    )


def _answers(kind: str, content: dict[str, Any], template: Template, reading: Reading) -> list[Example]:
    if kind == "preference":
        kind, content = "chat", {"messages": [*content["messages"], *content["chosen"]]}
    elif kind == "feedback":
        if not content["label"]:
            raise DataError("data.refused.bad_answer")
        kind = "chat"
    elif kind == "prompt" and content.get("answer"):
        kind, content = "chat", {"messages": [*content["messages"], _answer(content["answer"])]}
    rendered = render(kind, _with_system(content, reading.system) if kind == "chat" else content, template)
    return [Example([], (rendered.ids,), rendered.loss_mask)]


def _pieces(kind: str, content: dict[str, Any], template: Template, reading: Reading) -> list[Example]:
    """A text of any length, cut where a piece is full: a piece begins where the one before it ends."""
    if kind != "text":
        raise DataError("data.refused.no_text")
    ids = render("text", content, template).ids
    size = reading.max_seq_len
    parts = [ids[at : at + size] for at in range(0, len(ids), size)]
    return [Example([], (part,), [1] * len(part)) for part in parts if len(part) > 1]


def _pair(kind: str, content: dict[str, Any], template: Template, reading: Reading) -> list[Example]:
    if kind != "preference":
        raise DataError("data.refused.no_pair")
    chosen, rejected = (_continued(content["messages"], content[side], template, reading) for side in ("chosen", "rejected"))
    if chosen == rejected:
        raise DataError("data.refused.same_answers")
    if chosen[0] != rejected[0]:
        raise DataError("error.data.template_unstable", field="messages")
    return [Example(chosen[0], (chosen[1], rejected[1]))]


def _judged(kind: str, content: dict[str, Any], template: Template, reading: Reading) -> list[Example]:
    if kind == "preference":
        found = []
        for side, label in (("chosen", True), ("rejected", False)):
            prompt, answer = _continued(content["messages"], content[side], template, reading)
            found.append(Example(prompt, (answer,), label=label))
        return found
    if kind != "feedback":
        raise DataError("data.refused.no_label")
    messages = content["messages"]
    if not messages or messages[-1]["role"] != "assistant":
        raise DataError("data.refused.no_targets")
    prompt, answer = _continued(messages[:-1], messages[-1:], template, reading)
    return [Example(prompt, (answer,), label=bool(content["label"]))]


def _task(kind: str, content: dict[str, Any], template: Template, reading: Reading) -> list[Example]:
    messages, expected = content.get("messages"), None
    if kind == "prompt":
        expected = content.get("answer")
    elif kind == "chat" and messages and messages[-1]["role"] == "assistant":
        messages, expected = messages[:-1], messages[-1]["content"]
    elif kind == "preference":
        expected = content["chosen"][-1]["content"] if content["chosen"] else None
    else:
        raise DataError("data.refused.no_prompt")
    if not messages:
        raise DataError("data.refused.no_prompt")
    asked = _with_system({"messages": messages}, reading.system)["messages"]
    return [Example(template.prompt_ids(asked), (), messages=asked, expected=expected)]


def _continued(messages: Messages, answer: Messages, template: Template, reading: Reading) -> tuple[list[int], list[int]]:
    """The tokens before the last answer, and those of it with its end token, as the supervised stage would learn them."""
    if not answer or answer[-1]["role"] != "assistant":
        raise DataError("data.refused.no_targets")
    rendered = render("chat", _with_system({"messages": [*messages, *answer]}, reading.system), template)
    last = _last_answer(rendered)
    return rendered.ids[: last[0]], rendered.ids[last[0] : last[1]]


def _last_answer(rendered: Rendered) -> tuple[int, int]:
    found = [(span.start, span.end) for span in rendered.spans if span.trained]
    if not found:
        raise DataError("data.refused.no_targets")
    return found[-1]


def _with_system(content: Mapping[str, Any], system: str) -> dict[str, Any]:
    messages: Sequence[Mapping[str, Any]] = content["messages"]
    if not system or (messages and messages[0]["role"] == "system"):
        return dict(content)
    return dict(content) | {"messages": [{"role": "system", "content": system}, *messages]}


def _answer(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}
