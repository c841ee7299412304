"""What the model will see of a row, and how a tokenizer cuts a text: token by token for the eye, and counted.

Pure functions on a `Template`. Ids and mask come from `render`, the function that training calls; nothing is cut into tokens in a
second way here. Knows no database, no page and no words. Start at `seen` and `lens`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from studio.data.render import Piece, Rendered, Template, pieces, render
from studio.data.rows import Content

__all__ = ["ROLES_SHOWN", "Answer", "Lens", "Seen", "SeenPiece", "Share", "lens", "saving", "seen"]

#: Whose tokens are counted, in the order of the table: messages, plain text, and what the template writes around them.
ROLES_SHOWN = ("system", "user", "assistant", "tool", "text", "template")

#: Kinds that `render` knows. Others are conversations as well, but no training reads them.
_TRAINED_KINDS = ("chat", "text")


@dataclass(frozen=True)
class SeenPiece:
    """Tokens that are shown as one because they share a character; mostly one token. `mask` is 1 where a token's loss counts.

    `is_beyond`: at least one of them lies behind the limit.
    """

    text: str
    ids: tuple[int, ...]
    mask: tuple[int, ...]
    role: str
    is_special: bool
    is_beyond: bool

    @property
    def is_trained(self) -> bool:
        return any(self.mask)


class Share(NamedTuple):
    """Tokens of one role: all, those that are predicted and count, and those behind the limit."""

    tokens: int
    trained: int
    beyond: int


@dataclass(frozen=True)
class Answer:
    """One answer, or a whole plain text. `end` is the special token that it ends with, empty where it ends with a word.

    `stops`: the model ends its turn at that token (`Template.end_ids`). `is_cut`: it goes on behind the limit.
    """

    is_trained: bool
    end: str = ""
    stops: bool = False
    is_cut: bool = False

    @property
    def ends_well(self) -> bool:
        """The model learns to give the whole answer and then to stop."""
        return self.is_trained and self.stops and not self.is_cut


@dataclass(frozen=True)
class Seen:
    """One row under one base. A row that `is_cut` is left out of training: a cut answer teaches to stop in mid-sentence.

    `pieces` are those of the first tokens, as many as were asked for; everything else is said of the whole row.
    `control` are special tokens that somebody wrote into the row's own words: the tokenizer reads them as what they are.
    `is_read` is False for kinds that no training reads: they are shown as the conversation they are, and nothing is trained.
    """

    kind: str
    is_read: bool
    pieces: tuple[SeenPiece, ...]
    answers: tuple[Answer, ...]
    shares: Mapping[str, Share]
    control: tuple[str, ...]
    n_tokens: int
    n_targets: int
    limit: int

    @property
    def is_cut(self) -> bool:
        return self.n_tokens > self.limit

    @property
    def n_left_out(self) -> int:
        """Tokens without a piece."""
        return self.n_tokens - sum(len(piece.ids) for piece in self.pieces)

    @property
    def ends_well(self) -> bool:
        return bool(self.answers) and all(answer.ends_well for answer in self.answers)


# --- a row ------------------------------------------------------------------------------------------------------------


def seen(kind: str, content: Content, template: Template, max_seq_len: int, *, most: int | None = None) -> Seen:
    """The row as tokens, with what lies behind the first `max_seq_len` of them marked; pieces for `most` tokens at most.

    Preferences (with the preferred answer), feedback and prompts are shown as conversations. Raises DataError as `render`
    does: `kind_not_rendered` for kinds that are none (choice, label), `template_refused`, `template_unstable`; ModelError
    without a chat template.
    """
    is_read = kind in _TRAINED_KINDS
    chat = None if is_read else _conversation(kind, content)
    shown = content if chat is None else chat
    rendered = render(kind if chat is None else "chat", shown, template)
    if not is_read:
        rendered = dataclasses.replace(rendered, loss_mask=[0] * len(rendered.ids), n_targets=0)
    return Seen(
        kind=kind,
        is_read=is_read,
        pieces=tuple(_pieces(rendered, template, max_seq_len, most)),
        answers=tuple(_answers(shown, rendered, template, max_seq_len)) if is_read else (),
        shares=_shares(rendered, max_seq_len),
        control=tuple(special for special in template.special_texts if any(special in words for words in _texts(shown))),
        n_tokens=rendered.n_tokens,
        n_targets=rendered.n_targets,
        limit=max_seq_len,
    )


def _conversation(kind: str, content: Content) -> Content | None:
    """The row as a conversation; None for kinds that are none."""
    if kind == "preference":
        return {"messages": [*content["messages"], *content["chosen"]]}
    if kind == "prompt" and "answer" in content:
        return {"messages": [*content["messages"], {"role": "assistant", "content": content["answer"]}]}
    return {"messages": content["messages"]} if kind in ("prompt", "feedback") else None


def _texts(content: Content) -> list[str]:
    return [message["content"] for message in content["messages"]] if "messages" in content else [content["text"]]


def _pieces(rendered: Rendered, template: Template, limit: int, most: int | None) -> Iterator[SeenPiece]:
    special = _special_ids(template)
    at = 0
    for piece in _first(rendered, template, most):
        after = at + piece.n_tokens
        ids, mask = tuple(rendered.ids[at:after]), tuple(rendered.loss_mask[at:after])
        yield SeenPiece(piece.text, ids, mask, piece.role, ids[0] in special, after > limit)
        at = after


def _first(rendered: Rendered, template: Template, most: int | None) -> list[Piece]:
    if most is None or len(rendered.ids) <= most:
        return pieces(rendered, template)
    ids, mask, offsets = rendered.ids[:most], rendered.loss_mask[:most], rendered.offsets[:most]
    head = dataclasses.replace(rendered, ids=ids, loss_mask=mask, offsets=offsets)
    return pieces(head, template)[:-1]  # the last one may go on behind


def _special_ids(template: Template) -> frozenset[int]:
    ids = {template.tokenizer.token_to_id(text) for text in template.special_texts}
    return frozenset(id_ for id_ in ids if id_ is not None) | template.end_ids


def _answers(content: Content, rendered: Rendered, template: Template, limit: int) -> Iterator[Answer]:
    """In order. An answer whose words the template leaves out altogether comes last: it has no place."""
    special = _special_ids(template)
    found = [span for span in rendered.spans if span.role in ("assistant", "text")]
    for span in found:
        last = rendered.ids[span.end - 1]
        end = str(template.tokenizer.id_to_token(last)) if span.trained and last in special else ""
        yield Answer(span.trained, end, last in template.end_ids, span.end > limit)
    n_answers = sum(message["role"] == "assistant" for message in content.get("messages", ()))
    for _ in range(n_answers - len(found)):
        yield Answer(is_trained=False)


def _shares(rendered: Rendered, limit: int) -> dict[str, Share]:
    """Roles that have tokens, in the order of `ROLES_SHOWN`. Nothing predicts the first token, so it is never a trained one."""
    roles = ["template"] * len(rendered.ids)
    for span in rendered.spans:
        roles[span.start : span.end] = [span.role] * (span.end - span.start)
    counts = {role: [0, 0, 0] for role in ROLES_SHOWN}
    for index, (role, counts_loss) in enumerate(zip(roles, rendered.loss_mask, strict=True)):
        count = counts[role]
        count[0] += 1
        count[1] += counts_loss if index else 0
        count[2] += index >= limit
    return {role: Share(*count) for role, count in counts.items() if count[0]}


# --- a text -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lens:
    """A text as one tokenizer cuts it, without beginning and end tokens; `pieces` as of `Seen`."""

    pieces: tuple[SeenPiece, ...]
    n_tokens: int
    n_chars: int

    @property
    def n_left_out(self) -> int:
        return self.n_tokens - sum(len(piece.ids) for piece in self.pieces)

    @property
    def tokens_per_char(self) -> float:
        return self.n_tokens / self.n_chars if self.n_chars else 0.0


def lens(text: str, template: Template, *, most: int | None = None) -> Lens:
    encoding = template.tokenizer.encode(text, add_special_tokens=False)
    ids = list(encoding.ids)
    rendered = Rendered(ids, [0] * len(ids), [], text, 0, False, len(ids), list(encoding.offsets))
    return Lens(tuple(_pieces(rendered, template, len(ids), most)), len(ids), len(text))


def saving(here: int, there: int) -> float:
    """The share of the tokens `here` that is not needed `there`: 0.18 for 82 instead of 100, negative where more are needed."""
    return (here - there) / here if here else 0.0
