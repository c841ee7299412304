"""The one place where a row becomes tokens: ids, the mask of tokens whose loss counts, and which message a token is of.

On `tokenizers` and `jinja2` only, so that the web, the jobs and the engine share it without importing torch. The ids
are those of transformers' `apply_chat_template`. `Template` is what a model's folder says; start at `render`.

    text   <|im_start|> user ⏎ Hi <|im_end|> ⏎ <|im_start|> assistant ⏎ Hello . <|im_end|> ⏎
    mask             0    0  0  0          0 0            0         0 0     1 1          1 0
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from studio.errors import DataError, ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Piece", "Rendered", "Span", "Template", "pieces", "render"]

Messages = Sequence[Mapping[str, Any]]

_SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


# --- a model's template -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Template:
    """Tokenizer and chat template of one base model. Never changed after loading, so threads may share it.

    `tokenizer` gives character offsets that include white space (see `_untrimmed`) and neither cuts nor pads.
    `end_ids` are the tokens that end an answer; `context` is the longest sequence in tokens, None where unknown.
    """

    tokenizer: Tokenizer
    chat_template: str | None
    special_tokens: Mapping[str, str]
    end_ids: frozenset[int]
    context: int | None

    @classmethod
    def load(cls, folder: Path) -> Template:
        """Read what lies beside the weights. Raises ModelError: `no_tokenizer`, `tokenizer_broken`, `file_broken`."""
        tokenizer = _load_tokenizer(folder / "tokenizer.json")
        config = _read_json(folder / "tokenizer_config.json")
        special_tokens = _special_tokens(_read_json(folder / "special_tokens_map.json") | config)
        model = _read_json(folder / "config.json")
        context = model.get("max_position_embeddings") or model.get("text_config", {}).get("max_position_embeddings")
        end_ids = _end_ids(tokenizer, special_tokens, _read_json(folder / "generation_config.json"))
        return cls(tokenizer, _chat_template(folder, config), special_tokens, end_ids, context)

    def text(self, messages: Messages, *, add_generation_prompt: bool = False, tools: list[Any] | None = None) -> str:
        """The conversation as the model reads it, equal to transformers' `apply_chat_template(tokenize=False)`.

        Raises ModelError without a usable chat template, DataError where the template refuses these messages.
        """
        chat = [_with_reasoning(message) for message in messages]
        compiled = self._compiled
        try:
            return compiled.render(
                **self.special_tokens, messages=chat, tools=tools, documents=None, add_generation_prompt=add_generation_prompt
            )
        except Exception as error:  # a template is a stranger's program: it may raise anything
            raise DataError("error.data.template_refused", field="messages", reason=str(error) or type(error).__name__) from error

    def prompt_ids(self, messages: Messages, tools: list[Any] | None = None) -> list[int]:
        """The tokens after which the model begins its answer."""
        text = self.text(messages, add_generation_prompt=True, tools=tools)
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int], skip_special: bool = True) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=skip_special))

    @cached_property
    def _compiled(self) -> jinja2.Template:
        if self.chat_template is None:
            raise ModelError("error.model.no_chat_template")
        try:
            return _environment().from_string(self.chat_template)
        except jinja2.TemplateSyntaxError as error:
            raise ModelError("error.model.chat_template_broken", line=error.lineno, reason=error.message or "") from error

    @cached_property
    def eos_id(self) -> int | None:
        """The token that ends a text, None where the model has none."""
        return self.tokenizer.token_to_id(self.special_tokens.get("eos_token", ""))

    @cached_property
    def special_texts(self) -> tuple[str, ...]:
        """The texts of all special tokens, longest first, so that none is taken for the beginning of another."""
        added = self.tokenizer.get_added_tokens_decoder()
        texts = {token.content for id_, token in added.items() if token.special or id_ in self.end_ids}
        return tuple(sorted(filter(None, texts | set(self.special_tokens.values())), key=len, reverse=True))


def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer  # a tenth of a second, which a start does not need

    if not path.is_file():
        raise ModelError("error.model.no_tokenizer", folder=path.parent.name)
    try:
        config = json.loads(path.read_text("utf-8"))
        config["truncation"] = config["padding"] = None
        config["post_processor"] = _untrimmed(config.get("post_processor"))
        return Tokenizer.from_str(json.dumps(config, ensure_ascii=False))
    except Exception as error:  # `tokenizers` raises bare Exceptions
        raise ModelError("error.model.tokenizer_broken", folder=path.parent.name, reason=str(error)[:200]) from error


def _untrimmed(post_processor: Any) -> Any:
    """The same post-processor, with offsets that keep white space.

    Trimmed ones (GPT-2, Llama 3) place a token that is a space at that space's end, where it looks like the beginning of
    what follows, so that the space of a header would be trained. Ids do not change.
    """
    if isinstance(post_processor, dict):
        return {key: False if key == "trim_offsets" else _untrimmed(value) for key, value in post_processor.items()}
    if isinstance(post_processor, list):
        return [_untrimmed(item) for item in post_processor]
    return post_processor


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty where there is no such file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelError("error.model.file_broken", file=path.name, reason=str(error)) from error
    return value if isinstance(value, dict) else {}


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """Special tokens are written as texts, or as objects with `content`."""
    found = {name: config.get(name) for name in _SPECIAL_NAMES}
    texts = {name: value.get("content") if isinstance(value, dict) else value for name, value in found.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _end_ids(tokenizer: Tokenizer, special_tokens: Mapping[str, str], generation: Mapping[str, Any]) -> frozenset[int]:
    eos = generation.get("eos_token_id")
    ids = {tokenizer.token_to_id(special_tokens.get("eos_token", "")), *(eos if isinstance(eos, list) else [eos])}
    return frozenset(id_ for id_ in ids if id_ is not None)


def _chat_template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """In transformers' order: the .jinja file, the tokenizer's configuration, the .json file."""
    if (path := folder / "chat_template.jinja").is_file():
        return path.read_text("utf-8")
    found = config.get("chat_template") or _read_json(folder / "chat_template.json").get("chat_template")
    if isinstance(found, list):
        found = {item.get("name"): item.get("template") for item in found if isinstance(item, dict)}
    if isinstance(found, dict):
        found = found.get("default")
    return found if isinstance(found, str) else None


# --- chat templates: Jinja as transformers sets it up -----------------------------------------------------------------


def _environment() -> jinja2.Environment:
    """What a chat template may use; the same names and settings as in transformers' chat_template_utils.py, 5.23."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {
        "raise_exception": _raise_exception,
        "strftime_now": lambda form: datetime.now().strftime(form),
        "dict": lambda *args, **named: dict(*args, **named),  # a function, so that no class can be reached through it
        "namespace": _SafeNamespace,
    }
    return environment


class _GenerationBlock(jinja2.ext.Extension):
    """`{% generation %}` marks the assistant's words for transformers' own mask; here it only passes them through."""

    tags = {"generation"}

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


class _SafeNamespace(Namespace):
    """Jinja's namespace without underscore names, which would reach into Python."""

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError(f"a namespace cannot hold {name!r}")
        super().__setitem__(name, value)


def _tojson(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
    # Jinja's own filter escapes HTML, which is wrong in a prompt.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _with_reasoning(message: Mapping[str, Any]) -> dict[str, Any]:
    """gpt-oss templates read `thinking` where others read `reasoning_content`."""
    reasoning = message.get("reasoning_content")
    return dict(message) if reasoning is None else {"thinking": reasoning, **message}


# --- rows to tokens ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """Tokens `start` ≤ i < `end` are the words of one message; an assistant's trained span includes its end token."""

    start: int
    end: int
    role: str
    trained: bool


@dataclass(frozen=True)
class Rendered:
    """A row as tokens; T = len(ids).

    `loss_mask` (T,) is 1 where a token's loss counts. `offsets` (T, 2) are the characters of `text` that a token stands
    for. `n_targets` counts masked tokens after the first, which nothing predicts. `n_tokens` is the length before
    `max_seq_len` cut it; `text` is never cut.
    """

    ids: list[int]
    loss_mask: list[int]
    spans: list[Span]
    text: str
    n_targets: int
    is_cut: bool
    n_tokens: int
    offsets: list[tuple[int, int]] = field(repr=False)


@dataclass(frozen=True)
class _Part:
    """Characters `start` ≤ i < `end` of the text are the words of one message."""

    start: int
    end: int
    role: str
    trained: bool


def render(kind: str, content: dict[str, Any], template: Template, *, max_seq_len: int | None = None) -> Rendered:
    """The tokens of one row and the mask of those whose loss counts.

    `chat`: every assistant message with its end-of-turn token; not its header, not the white space after it. `text`:
    everything, and an end-of-text token behind it. A row longer than `max_seq_len` is cut at its end and says so: the
    caller refuses it, for a cut answer teaches to stop in mid-sentence.

    Raises DataError: `kind_not_rendered`, `template_refused`, `template_unstable`; ModelError without a chat template.
    """
    if kind == "chat":
        text = template.text(content["messages"], tools=content.get("tools"))
        encoding = template.tokenizer.encode(text, add_special_tokens=False)
        parts = _chat_parts(text, content, template)
        return _rendered(text, list(encoding.ids), list(encoding.offsets), parts, max_seq_len)
    if kind == "text":
        return _render_text(content["text"], template, max_seq_len)
    raise DataError("error.data.kind_not_rendered", field="kind", kind=kind)


def _render_text(text: str, template: Template, max_seq_len: int | None) -> Rendered:
    """Plain text: what the tokenizer itself puts before it (a beginning-of-text token), the text, one end-of-text token."""
    encoding = template.tokenizer.encode(text)
    ids, offsets = list(encoding.ids), list(encoding.offsets)
    if template.eos_id is not None and ids[-1:] != [template.eos_id]:
        ids.append(template.eos_id)
        offsets.append((len(text), len(text)))
    parts = [_Part(0, len(text) + 1, "text", True)]  # + 1: the end token stands behind the last character
    return _rendered(text, ids, offsets, parts, max_seq_len)


def _rendered(text: str, ids: list[int], offsets: list[tuple[int, int]], parts: list[_Part], max_seq_len: int | None) -> Rendered:
    n_tokens = len(ids)
    kept = n_tokens if max_seq_len is None else min(n_tokens, max_seq_len)
    spans = _spans(parts, offsets[:kept])
    mask = [0] * kept
    for span in spans:
        if span.trained:
            mask[span.start : span.end] = [1] * (span.end - span.start)
    return Rendered(ids[:kept], mask, spans, text, sum(mask[1:]), kept < n_tokens, n_tokens, offsets[:kept])


def _spans(parts: list[_Part], offsets: list[tuple[int, int]]) -> list[Span]:
    """Characters to tokens: a token belongs to the part in which it begins, so that one across a border trains no header."""
    spans = []
    index = 0
    for part in parts:
        while index < len(offsets) and offsets[index][0] < part.start:
            index += 1
        start = index
        while index < len(offsets) and offsets[index][0] < part.end:
            index += 1
        if index > start:
            spans.append(Span(start, index, part.role, part.trained))
    return spans


def _chat_parts(text: str, content: dict[str, Any], template: Template) -> list[_Part]:
    """Where each message's words stand in the rendered text, in order. Raises DataError where the last answer is unstable."""
    roles = [message["role"] for message in content["messages"]]
    answers = {index: _answer_part(text, content, index, template) for index, role in enumerate(roles) if role == "assistant"}
    if answers and answers[max(answers)] is None:
        raise DataError("error.data.template_unstable", field="messages")
    trained = {index: part for index, part in answers.items() if part is not None}
    return sorted([*trained.values(), *_untrained_parts(text, content, set(trained), template)], key=lambda part: part.start)


def _untrained_parts(text: str, content: dict[str, Any], trained: set[int], template: Template) -> list[_Part]:
    """The other messages. A search for their words alone would find `Hi` in a header or a default system prompt.

    So the conversation is rendered once more with a mark in place of each, and what stands between marks is skipped.
    """
    messages = content["messages"]
    marks = {index: f"\ue000{index}\ue001" for index in range(len(messages)) if index not in trained}
    marked_messages = [message | {"content": marks.get(index, message["content"])} for index, message in enumerate(messages)]
    try:
        marked = template.text(marked_messages, tools=content.get("tools"))
    except DataError:
        return []
    parts: list[_Part] = []
    position = 0
    for index, mark in marks.items():
        between, is_there, rest = marked.partition(mark)
        start = text.find(between, position)
        if not is_there or start < 0:
            continue
        marked, position = rest, start + len(between)
        written = messages[index]["content"]
        words = written if text.startswith(written, position) else written.strip()
        if words and text.startswith(words, position):
            parts.append(_Part(position, position + len(words), messages[index]["role"], False))
            position += len(words)
    return parts


def _answer_part(text: str, content: dict[str, Any], index: int, template: Template) -> _Part | None:
    """The answer of `messages[index]`, from the end of its generation prompt to its end-of-turn token.

    None where the whole conversation shows the turn otherwise than it was when the model had to answer (templates that
    drop the reasoning of earlier turns): training it would teach a prompt that never comes.
    """
    messages, tools = content["messages"], content.get("tools")
    try:
        prompt = template.text(messages[:index], add_generation_prompt=True, tools=tools)
        turn = template.text(messages[: index + 1], tools=tools)
    except DataError:
        return None
    # A template may close a conversation (Phi-3 writes <|endoftext|> at its end): peel that off an earlier turn.
    while not text.startswith(turn) and len(shorter := _without_tail(turn, template)) < len(turn):
        turn = shorter
    if not (text.startswith(prompt) and turn.startswith(prompt) and text.startswith(turn)):
        return None
    return _Part(len(prompt), len(prompt) + _end_of_turn(turn[len(prompt) :], template), "assistant", True)


def _end_of_turn(answer: str, template: Template) -> int:
    """Where the end-of-turn token ends: the first special token after the answer's words; without one, where they end."""
    special_end = None
    while len(shorter := _without_tail(answer, template)) < len(answer):
        if not answer[len(shorter) :].isspace():
            special_end = len(answer)
        answer = shorter
    return special_end or len(answer)


def _without_tail(text: str, template: Template) -> str:
    """The text without the white space at its end, or else without the special token there."""
    if (shorter := text.rstrip()) != text:
        return shorter
    return next((text[: -len(special)] for special in template.special_texts if text.endswith(special)), text)


# --- rows for the eye -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A token as it is shown. Tokens that share a character are one piece: `token_id` is the first of `n_tokens`.

    `role` is that of the message, "text" for plain text, "template" for what the template writes around messages.
    """

    text: str
    trained: bool
    role: str
    token_id: int
    n_tokens: int = 1


def pieces(rendered: Rendered, template: Template) -> list[Piece]:
    """The row token by token. Without end and beginning tokens of plain text, the pieces joined are the rendered text."""
    roles = ["template"] * len(rendered.ids)
    for span in rendered.spans:
        roles[span.start : span.end] = [span.role] * (span.end - span.start)
    result: list[Piece] = []
    shown = 0
    for first, after in _whole_characters(rendered.offsets):
        end = max(rendered.offsets[first][1], rendered.offsets[after - 1][1], shown)
        text = rendered.text[shown:end] or template.tokenizer.id_to_token(rendered.ids[first]) or ""
        trained = any(rendered.loss_mask[first:after])
        result.append(Piece(text, trained, roles[first], rendered.ids[first], after - first))
        shown = end
    return result


def _whole_characters(offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Groups `first` ≤ i < `after` of tokens that share characters, such as the three bytes of one Chinese character."""
    groups: list[tuple[int, int]] = []
    reached = -1
    for index, (start, end) in enumerate(offsets):
        if groups and start < reached:
            groups[-1] = (groups[-1][0], index + 1)
        else:
            groups.append((index, index + 1))
        reached = max(reached, end)
    return groups
