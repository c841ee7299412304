"""Rows that are longer than the model will be given, under the tokenizer and template of the chosen base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from studio.data.checks.base import Area, Context, RowCheck, RowView, Spot
from studio.data.render import Template, render
from studio.data.rows import Content, NewRow
from studio.errors import StudioError

__all__ = ["TooLong"]

#: What a template writes around messages, at most, in tokens: a default system message and a header for each.
_FRAME, _HEADER = 64, 16


class TooLong(RowCheck):
    """Rows of more tokens than the limit. Training leaves them out: an answer that is cut would teach to stop in mid-sentence.
    Mended, a conversation of several questions becomes several rows, each with the system message; a row that is one long
    answer is left for a person.
    """

    key = "too_long"
    area: ClassVar[Area] = "quantity"
    certain = True

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(context)
        self.params: dict[str, Any] = {"base": self.context.base, "limit": self.context.max_seq_len}  # type: ignore[misc]

    @property
    def missing(self) -> str:
        return "" if self.context.template is not None else "doctor.not_run.no_base"

    def spots(self, view: RowView) -> Sequence[Spot]:
        """What would be cut: from the place of the limit to the end of the text that it falls in."""
        template, limit = self.context.template, self.context.max_seq_len
        # No token is less than a byte, so that most rows are known to be short enough without counting.
        n_bytes = sum(len(words.text.encode()) + _HEADER for words in view.words) + _FRAME
        if template is None or (n_bytes <= limit and "tools" not in view.row.content):
            return []
        shown = _as_trained(view.row)
        if shown is None:
            return []
        try:
            if _n_tokens(*shown, template) <= limit:
                return []
            rendered = render(*shown, template)
        except StudioError:  # told by "what the model sees" and by training, each with its reason
            return []
        return [_cut_at(view, rendered.text, rendered.offsets[limit][0])]

    def mended(self, row: NewRow) -> list[NewRow]:
        if row.kind != "chat" or self.context.template is None:
            return [row]
        parts = self._parts(row.content["messages"], row.content)
        if len(parts) < 2:
            return [row]
        group = row.group_key or f"long-{RowView(row).content_hash[:12]}"
        new = [replace(row, content=row.content | {"messages": part}, group_key=group) for part in parts]
        return [*(replace(part, references=[], rule=None) for part in new[:-1]), new[-1]]

    def _parts(self, messages: list[dict[str, Any]], content: Content) -> list[list[dict[str, Any]]]:
        """As many turns in each part as fit; [] where a single turn does not."""
        assert self.context.template is not None
        system = messages[:1] if messages[0]["role"] == "system" else []
        said = messages[len(system) :]
        starts = [at for at in range(1, len(said)) if said[at]["role"] == "user" and said[at - 1]["role"] == "assistant"]
        if said[0]["role"] != "user":
            starts = starts[1:]  # a greeting goes with the first question
        turns = [said[begin:end] for begin, end in zip([0, *starts], [*starts, len(said)], strict=True)]
        parts: list[list[dict[str, Any]]] = []
        for turn in turns:
            if parts and self._fits([*parts[-1], *turn], content, self.context.template):
                parts[-1] = [*parts[-1], *turn]
            elif self._fits([*system, *turn], content, self.context.template):
                parts.append([*system, *turn])
            else:
                return []
        return parts

    def _fits(self, messages: list[dict[str, Any]], content: Content, template: Template) -> bool:
        try:
            return _n_tokens("chat", content | {"messages": messages}, template) <= self.context.max_seq_len
        except StudioError:
            return False


def _n_tokens(kind: str, content: Content, template: Template) -> int:
    """`render(…).n_tokens` without finding out which of them are trained, which renders a conversation several times."""
    if kind == "text":
        return render(kind, content, template).n_tokens
    text = template.text(content["messages"], tools=content.get("tools"))
    return len(template.tokenizer.encode(text, add_special_tokens=False).ids)


def _as_trained(row: NewRow) -> tuple[str, Content] | None:
    """The row as training renders it; of a preference the longer of its two conversations counts."""
    if row.kind in ("chat", "text"):
        return row.kind, row.content
    if row.kind == "feedback":
        return "chat", {"messages": row.content["messages"]}
    if row.kind == "preference":
        longer = max(row.content["chosen"], row.content["rejected"], key=lambda said: sum(len(one["content"]) for one in said))
        return "chat", {"messages": [*row.content["messages"], *longer]}
    return None


def _cut_at(view: RowView, text: str, limit: int) -> Spot:
    """The text of the row in which a character of the rendered text lies, from that character on."""
    position = 0
    last = Spot("", 0, 0)
    for words in view.words:
        start = text.find(words.text.strip(), position)
        if start < 0:
            continue
        position = start + len(words.text.strip())
        what = "answer" if words.role == "assistant" else "question"
        last = Spot(words.where, len(words.text), len(words.text), what)
        if position > limit:
            return Spot(words.where, max(0, limit - start), len(words.text), what)
    return last
