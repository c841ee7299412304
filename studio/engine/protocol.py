"""The words engines and their callers share: OpenAI's requests and answers, our sampling options, and `Generator`.

Knows neither HTTP nor transformers. Requests refuse what they do not know: an option that nobody reads would be a lie.
Answers ignore unknown fields, because other servers (vLLM, remote ones) add their own.
Start at `Decoding`, then `Generator`, which a backend fulfils.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "BASE",
    "ChatChunk",
    "ChatMessage",
    "ChatRequest",
    "ChatResponse",
    "Choice",
    "ChunkChoice",
    "Completion",
    "CompletionRequest",
    "Decoding",
    "Delta",
    "ErrorBody",
    "ErrorDetail",
    "FinishReason",
    "GenerationRequest",
    "Generator",
    "LoadAdapterRequest",
    "Logprobs",
    "ModelCard",
    "ModelList",
    "Stream",
    "TextChoice",
    "TextCompletion",
    "UnloadAdapterRequest",
    "Usage",
]

BASE = "base"
"""The model name of the base without any adapter (CONTRACTS 6)."""

FinishReason = Literal["stop", "length", "cancelled"]


class Decoding(BaseModel):
    """How the next token is chosen. `temperature=0` takes the likeliest one; then nothing else but the penalty matters.

    Filters apply in this order: repetition penalty, temperature, top_k, top_p, min_p.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(0.7, ge=0, le=5, description="Divides the logits; 0 is greedy.")
    top_p: float = Field(0.9, gt=0, le=1, description="Keep the likeliest tokens that together hold this probability.")
    top_k: int = Field(0, ge=0, description="Keep this many of the likeliest tokens; 0 keeps all.")
    min_p: float = Field(0.0, ge=0, le=1, description="Drop tokens less likely than this share of the likeliest one.")
    repetition_penalty: float = Field(1.0, gt=0, le=10, description="Above 1 makes tokens already seen less likely.")
    max_tokens: int = Field(256, ge=1, description="Stop after this many new tokens.")
    seed: int | None = Field(None, ge=0, lt=2**63, description="The same seed gives the same text; none draws afresh.")


# ---- requests -------------------------------------------------------------------------------------------------------


class TextPart(BaseModel):
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    model_config = ConfigDict(frozen=True)

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[TextPart]

    def plain(self) -> dict[str, Any]:
        """The form in which chat templates take a message."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": text}


class StreamOptions(BaseModel):
    include_usage: bool = False


class WireRequest(Decoding):
    """What chat and text completions have in common. Options that we do not have are taken at their neutral value only."""

    model: str
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    stop: str | list[str] = Field(default_factory=list)
    n: Literal[1] = 1
    presence_penalty: float = Field(0, ge=0, le=0)
    frequency_penalty: float = Field(0, ge=0, le=0)
    user: str = ""

    @model_validator(mode="before")
    @classmethod
    def _spellings(cls, data: Any) -> Any:
        """Null means "not given"; `max_completion_tokens` is OpenAI's newer word for `max_tokens`."""
        if not isinstance(data, dict):
            return data
        given = {name: value for name, value in data.items() if value is not None}
        if "max_completion_tokens" in given:
            given.setdefault("max_tokens", given["max_completion_tokens"])
            del given["max_completion_tokens"]
        return given

    def decoding(self) -> Decoding:
        return Decoding.model_validate({name: getattr(self, name) for name in Decoding.model_fields})

    def stops(self) -> tuple[str, ...]:
        return tuple(stop for stop in ([self.stop] if isinstance(self.stop, str) else self.stop) if stop)


class ChatRequest(WireRequest):
    messages: list[ChatMessage] = Field(min_length=1)
    logprobs: Literal[False] = False


class CompletionRequest(WireRequest):
    """Continue `prompt` (text or token ids), or score it: `echo=true, logprobs=k, max_tokens=0`."""

    prompt: str | list[int]
    max_tokens: int = Field(Decoding.model_fields["max_tokens"].default, ge=0)
    add_special_tokens: bool = True
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=20)

    @model_validator(mode="after")
    def _scores_or_continues(self) -> Self:
        scores = (self.echo, self.logprobs is not None, self.max_tokens == 0)
        if any(scores) and (not all(scores) or self.stream):
            raise ValueError("echo, logprobs and max_tokens=0 go together and are not streamed")
        return self


class LoadAdapterRequest(BaseModel):
    lora_name: str = Field(min_length=1)
    lora_path: str = Field(min_length=1)


class UnloadAdapterRequest(BaseModel):
    lora_name: str = Field(min_length=1)


# ---- answers --------------------------------------------------------------------------------------------------------


class Usage(BaseModel):
    """`completion_tokens` counts every token the model chose, the end token too, as OpenAI and vLLM do."""

    model_config = ConfigDict(frozen=True)

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0

    @staticmethod
    def of(prompt_tokens: int, completion_tokens: int) -> Usage:
        total = prompt_tokens + completion_tokens
        return Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, total_tokens=total)


class Piece(BaseModel):
    role: str | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    index: int = 0
    delta: Piece = Piece()
    finish_reason: str | None = None


class ChatChunk(BaseModel):
    """One `data:` line of a streamed chat; the last one with usage has no choices."""

    id: str = ""
    object: str = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    choices: list[ChunkChoice] = []
    usage: Usage | None = None


class Choice(BaseModel):
    index: int = 0
    message: Piece
    finish_reason: str | None = None


class ChatResponse(BaseModel):
    id: str = ""
    object: str = "chat.completion"
    created: int = 0
    model: str = ""
    choices: list[Choice]
    usage: Usage | None = None


class Logprobs(BaseModel):
    """Natural logarithms of the raw distribution, one entry a token; the first token has none, nothing comes before it.

    `text_offset` counts characters from the start of the text. Tokens that are parts of one character share its
    offset, and all but the last of them are empty strings, so that the tokens put together are the text.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(BaseModel):
    index: int = 0
    text: str = ""
    logprobs: Logprobs | None = None
    finish_reason: str | None = None


class TextCompletion(BaseModel):
    """Whole answer of `/v1/completions`, and each `data:` line of a streamed one."""

    id: str = ""
    object: str = "text_completion"
    created: int = 0
    model: str = ""
    choices: list[TextChoice] = []
    usage: Usage | None = None


class ModelCard(BaseModel):
    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "studio"
    parent: str | None = None


class ModelList(BaseModel):
    object: str = "list"
    data: list[ModelCard] = []


class ErrorDetail(BaseModel):
    """`code` is a message key of ours, `params` fill its words; other servers put a number or their own word there."""

    message: str = ""
    type: str | None = None
    code: str | int | None = None
    param: str | None = None
    params: dict[str, Any] = {}


class ErrorBody(BaseModel):
    error: ErrorDetail


# ---- what a backend fulfils -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GenerationRequest:
    """One answer to make. Exactly one of `messages` (rendered by the chat template) and `prompt` (text or ids) is given.

    `add_special_tokens`: the tokenizer puts its beginning token before a text prompt; off for a text that has been rendered.
    """

    model: str
    decoding: Decoding
    messages: list[dict[str, Any]] | None = None
    prompt: str | list[int] | None = None
    stop: tuple[str, ...] = ()
    add_special_tokens: bool = True


@dataclass(frozen=True)
class Delta:
    """What is new since the last one. `finish_reason` and `usage` come with the last delta only; it may have no text."""

    text: str
    token_ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


@dataclass(frozen=True)
class Completion:
    """A whole answer."""

    text: str
    finish_reason: str | None
    usage: Usage | None


class Stream(Protocol):
    """Deltas of one request, read by one thread; iteration blocks until there is one and ends after the last.

    Raises EngineError while iterating when the model cannot answer.
    """

    def __iter__(self) -> Iterator[Delta]: ...

    def cancel(self) -> None:
        """Ask the backend to stop; from any thread, any number of times. The iteration ends soon after."""
        ...


class Generator(Protocol):
    """A backend behind the HTTP server. Every method may block and may be called from any thread."""

    def models(self) -> list[str]:
        """The names that requests may ask for, as far as they are known; `base` first."""
        ...

    def start(self, request: GenerationRequest) -> Stream:
        """Take in a request. Raises EngineError (unknown model, prompt too long) before anything is computed."""
        ...

    def score(self, model: str, prompt: str | list[int], *, top: int, add_special_tokens: bool = True) -> Logprobs:
        """Log-probabilities of given text, with the `top` likeliest tokens at each place."""
        ...

    def load_adapter(self, name: str, folder: str) -> None:
        """Make the adapter in `folder` answer to `name`. Raises EngineError when it does not fit the base."""
        ...

    def unload_adapter(self, name: str) -> None:
        """Forget an adapter and free its memory. Raises EngineError for a name that is not loaded or is answering."""
        ...
