"""Talks to any server that speaks OpenAI's HTTP API: our engine, vLLM, a remote endpoint. Imports no torch.

Every failure is an EngineError: an error of our own engine comes back with the key and the parameters it was raised with.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from studio.engine.protocol import (
    ChatResponse,
    ChunkChoice,
    Completion,
    Decoding,
    ErrorBody,
    Logprobs,
    ModelList,
    TextCompletion,
    Usage,
)
from studio.errors import EngineError

__all__ = ["Chunk", "EngineClient"]

Message = dict[str, Any]
Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class Chunk:
    """A piece of a streamed answer. `finish_reason` and `usage` come once each, near the end, maybe without text."""

    text: str
    finish_reason: str | None = None
    usage: Usage | None = None


class _StreamedChoice(ChunkChoice):
    """A choice of a streamed chat (`delta`) or text completion (`text`)."""

    text: str = ""

    @property
    def words(self) -> str:
        return self.delta.content or self.text


class _StreamedAnswer(BaseModel):
    choices: list[_StreamedChoice] = []
    usage: Usage | None = None


class EngineClient:
    """One server. Use it inside `async with`, or call `aclose()`; it belongs to the event loop that first uses it.

    `connect_timeout_s` bounds finding the server, `read_timeout_s` the silence before the next piece of an answer (a CPU
    may read a long prompt for minutes). Raises EngineError: `error.engine.unreachable`, `error.engine.timeout`,
    `error.engine.broken_off`, `error.engine.bad_answer`, or what the server says.
    """

    def __init__(self, base_url: str, token: str, *, connect_timeout_s: float = 5, read_timeout_s: float = 600) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            headers={"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(read_timeout_s, connect=connect_timeout_s, pool=connect_timeout_s),
            limits=httpx.Limits(max_connections=None),
            trust_env=False,  # a proxy of the environment would swallow the loopback address
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def models(self) -> list[str]:
        """The names that requests may ask for."""
        return [card.id for card in (await self._get("/v1/models", ModelList)).data]

    def stream_chat(
        self, model: str, messages: Sequence[Message], decoding: Decoding, *, stop: Sequence[str] = ()
    ) -> AsyncGenerator[Chunk, None]:
        """The answer as it is made. Closing the iterator early (`aclose()`, or a cancelled task) cancels it on the server."""
        return self._streamed("/v1/chat/completions", _body(model, decoding, stop) | {"messages": list(messages)})

    def stream_completion(
        self,
        model: str,
        prompt: str | list[int],
        decoding: Decoding,
        *,
        stop: Sequence[str] = (),
        add_special_tokens: bool = False,
    ) -> AsyncGenerator[Chunk, None]:
        """What follows `prompt`, as it is made; like `complete`."""
        body = _body(model, decoding, stop) | {"prompt": prompt, "add_special_tokens": add_special_tokens}
        return self._streamed("/v1/completions", body)

    async def chat(self, model: str, messages: Sequence[Message], decoding: Decoding, *, stop: Sequence[str] = ()) -> Completion:
        """The whole answer to `messages`."""
        body = _body(model, decoding, stop) | {"messages": list(messages)}
        answer = await self._post("/v1/chat/completions", body, ChatResponse)
        choice = answer.choices[0]
        return Completion(choice.message.content or "", choice.finish_reason, answer.usage)

    async def complete(
        self,
        model: str,
        prompt: str | list[int],
        decoding: Decoding,
        *,
        stop: Sequence[str] = (),
        add_special_tokens: bool = False,
    ) -> Completion:
        """What follows `prompt`: token ids, or a text that is taken as it stands, such as a rendered conversation.

        `add_special_tokens` puts the tokenizer's beginning token before the text, which plain text of most bases needs.
        """
        body = _body(model, decoding, stop) | {"prompt": prompt, "add_special_tokens": add_special_tokens}
        answer = await self._post("/v1/completions", body, TextCompletion)
        return Completion(answer.choices[0].text, answer.choices[0].finish_reason, answer.usage)

    async def score(self, model: str, prompt: str | list[int], *, top: int = 0) -> Logprobs:
        """Natural log-probabilities of the given text, from the raw distribution; the first token has none."""
        body = {"model": model, "prompt": prompt, "echo": True, "logprobs": top, "max_tokens": 0}
        answer = await self._post("/v1/completions", body, TextCompletion)
        if answer.choices[0].logprobs is None:
            raise EngineError("error.engine.bad_answer", url=self.base_url, status=200)
        return answer.choices[0].logprobs

    async def load_adapter(self, name: str, folder: str) -> None:
        """`folder` is a path on the server's machine."""
        async with self._answering("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": folder}):
            pass

    async def unload_adapter(self, name: str) -> None:
        async with self._answering("POST", "/v1/unload_lora_adapter", {"lora_name": name}):
            pass

    # ---- HTTP

    async def _streamed(self, path: str, body: dict[str, Any]) -> AsyncGenerator[Chunk, None]:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        async with self._answering("POST", path, body) as response:
            async for data in _events(response):
                answer = _parse(_StreamedAnswer, data, response)
                for choice in answer.choices:
                    yield Chunk(choice.words, choice.finish_reason, answer.usage)
                if not answer.choices and answer.usage is not None:
                    yield Chunk("", None, answer.usage)

    async def _get(self, path: str, shape: type[Answer]) -> Answer:
        async with self._answering("GET", path, None) as response:
            return _parse(shape, await response.aread(), response)

    async def _post(self, path: str, body: dict[str, Any], shape: type[Answer]) -> Answer:
        async with self._answering("POST", path, body) as response:
            return _parse(shape, await response.aread(), response)

    @asynccontextmanager
    async def _answering(self, method: str, path: str, body: dict[str, Any] | None) -> AsyncIterator[httpx.Response]:
        """A response with a good status whose body is still to be read; every failure, also while reading, is an EngineError."""
        try:
            async with self._http.stream(method, path, json=body) as response:
                if response.is_error:
                    raise _error_of(await response.aread(), response)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise EngineError("error.engine.unreachable", url=self.base_url) from error
        except httpx.TimeoutException as error:
            raise EngineError("error.engine.timeout", url=self.base_url) from error
        except httpx.TransportError as error:
            raise EngineError("error.engine.broken_off", url=self.base_url) from error


def _body(model: str, decoding: Decoding, stop: Sequence[str]) -> dict[str, Any]:
    body = {"model": model, **decoding.model_dump(exclude_none=True)}
    return body | {"stop": list(stop)} if stop else body


async def _events(response: httpx.Response) -> AsyncIterator[bytes]:
    """The `data:` of server-sent events up to `[DONE]`. Raises EngineError when the stream ends without it.

    Cut at line feeds only: httpx's `aiter_lines` also cuts at U+2028 and its like, which JSON strings may hold.
    """
    rest = b""
    async for block in response.aiter_bytes():
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line.removeprefix(b"data:").strip()
            if data == b"[DONE]":
                return
            if data.startswith(b'{"error"'):
                raise _error_of(data, response)
            yield data
    raise EngineError("error.engine.broken_off", url=_origin(response))


def _parse(shape: type[Answer], data: bytes, response: httpx.Response) -> Answer:
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        raise EngineError("error.engine.bad_answer", url=_origin(response), status=response.status_code) from error


def _error_of(data: bytes, response: httpx.Response) -> EngineError:
    """What an OpenAI-shaped error says: ours by its key, a stranger's in its own words."""
    status = response.status_code
    try:
        detail = ErrorBody.model_validate(json.loads(data)).error
    except ValueError:
        return EngineError("error.engine.bad_answer", url=_origin(response), status=status)
    if isinstance(detail.code, str) and detail.code.startswith("error."):
        return EngineError(detail.code, field=detail.param, **detail.params)
    return EngineError("error.engine.remote", url=_origin(response), status=status, reason=detail.message[:500])


def _origin(response: httpx.Response) -> str:
    url = response.request.url
    return f"{url.scheme}://{url.netloc.decode()}"
