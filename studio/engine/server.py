"""OpenAI's HTTP API in front of any `Generator`. Knows neither transformers nor where a model lies.

Each request in flight has one thread that reads its `Stream` and hands deltas to the event loop; nothing polls. A client
that goes away cancels its request. All paths but `/health` need the token, also those that an entry point adds later.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.engine.protocol import (
    BASE,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    ChunkChoice,
    CompletionRequest,
    Delta,
    ErrorBody,
    ErrorDetail,
    FinishReason,
    GenerationRequest,
    Generator,
    LoadAdapterRequest,
    ModelCard,
    ModelList,
    Piece,
    Stream,
    TextChoice,
    TextCompletion,
    UnloadAdapterRequest,
    Usage,
    WireRequest,
)
from studio.errors import DataError, EngineError, StudioError
from studio.text import error_text, has_text

__all__ = ["build_app", "error_response"]

T = TypeVar("T")

_STATUS = {
    "error.engine.adapter_busy": 409,
    "error.engine.adapter_name_taken": 409,
    "error.engine.adapter_unfit": 422,
    "error.engine.bad_request": 400,
    "error.engine.context_overflow": 400,
    "error.engine.empty_prompt": 400,
    "error.engine.no_such_route": 404,
    "error.engine.out_of_memory": 503,
    "error.engine.stopped": 503,
    "error.engine.unauthorised": 401,
    "error.engine.unknown_model": 404,
}
_TYPES = {401: "authentication_error", 404: "not_found_error"}
_CLIENT_CLOSED_REQUEST = 499  # nginx's word for it; nobody reads this answer


class _ClientGone(Exception):
    """The client closed its connection before there was an answer."""


def build_app(generator: Generator, *, token: str, on_activity: Callable[[], None] = lambda: None) -> FastAPI:
    """The app. `on_activity()` is called for every request with the right token and every piece of an answer.

    An entry point may add routes of its own; the token is asked for there too.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_TokenCheck, token=token, on_activity=on_activity)
    _add_error_handlers(app)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    def models() -> ModelList:
        names = generator.models()
        return ModelList(data=[ModelCard(id=name, parent=None if name == BASE else BASE) for name in names])

    @app.post("/v1/chat/completions")
    async def chat(request: Request, body: ChatRequest) -> Response:
        wanted = GenerationRequest(
            model=body.model,
            decoding=body.decoding(),
            messages=[message.plain() for message in body.messages],
            stop=body.stops(),
        )
        return await _answer(request, body, generator, wanted, _ChatShape(body.model), on_activity)

    @app.post("/v1/completions")
    async def completions(request: Request, body: CompletionRequest) -> Response:
        if body.echo:
            return await asyncio.to_thread(_scored, generator, body)
        wanted = GenerationRequest(
            model=body.model,
            decoding=body.decoding(),
            prompt=body.prompt,
            stop=body.stops(),
            add_special_tokens=body.add_special_tokens,
        )
        return await _answer(request, body, generator, wanted, _TextShape(body.model), on_activity)

    @app.post("/v1/load_lora_adapter")
    def load_lora_adapter(body: LoadAdapterRequest) -> Response:
        generator.load_adapter(body.lora_name, body.lora_path)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")

    @app.post("/v1/unload_lora_adapter")
    def unload_lora_adapter(body: UnloadAdapterRequest) -> Response:
        generator.unload_adapter(body.lora_name)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")

    return app


# ---- answers --------------------------------------------------------------------------------------------------------


async def _answer(
    request: Request,
    body: WireRequest,
    generator: Generator,
    wanted: GenerationRequest,
    shape: _ChatShape | _TextShape,
    on_activity: Callable[[], None],
) -> Response:
    """Start the request and answer whole or as a stream.

    The first delta is awaited before the headers go out, so that a model that cannot answer is a status, not a stream.
    """
    stream = await asyncio.to_thread(generator.start, wanted)
    deltas = _deltas(stream, on_activity)
    try:
        if not body.stream:
            return _json(shape.whole(await _unless_gone(request, _collect(deltas))))
        first = await _unless_gone(request, anext(deltas))
    except BaseException:
        stream.cancel()
        raise
    return _EventStream(stream, _events(first, deltas, shape, with_usage=body.stream_options.include_usage))


def _scored(generator: Generator, body: CompletionRequest) -> Response:
    logprobs = generator.score(body.model, body.prompt, top=body.logprobs or 0, add_special_tokens=body.add_special_tokens)
    n_tokens = len(logprobs.tokens)
    choice = TextChoice(text="".join(logprobs.tokens), logprobs=logprobs, finish_reason="length")
    return _json(TextCompletion(**_stamp("cmpl", body.model), choices=[choice], usage=Usage.of(n_tokens, 0)))


async def _deltas(stream: Stream, on_activity: Callable[[], None]) -> AsyncIterator[Delta]:
    """The stream's deltas on the event loop; a thread of its own waits for them. Raises what the stream raises."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[Delta | Exception | None] = asyncio.Queue()

    def pump() -> None:
        try:
            for delta in stream:
                loop.call_soon_threadsafe(arrived.put_nowait, delta)
            loop.call_soon_threadsafe(arrived.put_nowait, None)
        except Exception as error:
            if loop.is_closed():
                stream.cancel()
            else:
                loop.call_soon_threadsafe(arrived.put_nowait, error)

    threading.Thread(target=pump, name="engine-stream", daemon=True).start()
    while (item := await arrived.get()) is not None:
        if isinstance(item, Exception):
            raise item
        on_activity()
        yield item


async def _collect(deltas: AsyncIterator[Delta]) -> Delta:
    """All deltas as one."""
    texts: list[str] = []
    ids: list[int] = []
    finish: FinishReason | None = None
    usage: Usage | None = None
    async for delta in deltas:
        texts.append(delta.text)
        ids += delta.token_ids
        finish, usage = delta.finish_reason, delta.usage
    return Delta("".join(texts), ids, finish, usage)


async def _events(
    first: Delta, rest: AsyncIterator[Delta], shape: _ChatShape | _TextShape, *, with_usage: bool
) -> AsyncIterator[bytes]:
    """Server-sent events. An error after the first delta is an event too, as vLLM does it: the status is long sent."""
    usage = None
    try:
        yield _event(shape.chunk(first, opening=True))
        usage = first.usage
        async for delta in rest:
            yield _event(shape.chunk(delta, opening=False))
            usage = delta.usage
        if with_usage and usage is not None:
            yield _event(shape.usage(usage))
    except StudioError as error:
        yield _event(_error_body(error))
    yield b"data: [DONE]\n\n"


class _EventStream(StreamingResponse):
    """Cancels its request when it ends in whatever way: a vanished client, a closing server, or the last event."""

    def __init__(self, stream: Stream, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"cache-control": "no-store"})
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stream.cancel()


async def _unless_gone(request: Request, answer: Awaitable[T]) -> T:
    """The answer, or _ClientGone as soon as the client closes its connection."""
    work = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise _ClientGone
        return work.result()
    finally:
        work.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _ChatShape:
    """How `/v1/chat/completions` dresses deltas."""

    def __init__(self, model: str) -> None:
        self._stamp = _stamp("chatcmpl", model)

    def chunk(self, delta: Delta, *, opening: bool) -> ChatChunk:
        piece = Piece(role="assistant", content=delta.text) if opening else Piece(content=delta.text)
        return ChatChunk(**self._stamp, choices=[ChunkChoice(delta=piece, finish_reason=delta.finish_reason)])

    def usage(self, usage: Usage) -> ChatChunk:
        return ChatChunk(**self._stamp, choices=[], usage=usage)

    def whole(self, delta: Delta) -> ChatResponse:
        message = Piece(role="assistant", content=delta.text)
        choice = Choice(message=message, finish_reason=delta.finish_reason)
        return ChatResponse(**self._stamp | {"object": "chat.completion"}, choices=[choice], usage=delta.usage)


class _TextShape:
    """How `/v1/completions` dresses deltas."""

    def __init__(self, model: str) -> None:
        self._stamp = _stamp("cmpl", model)

    def chunk(self, delta: Delta, *, opening: bool) -> TextCompletion:
        return TextCompletion(**self._stamp, choices=[TextChoice(text=delta.text, finish_reason=delta.finish_reason)])

    def usage(self, usage: Usage) -> TextCompletion:
        return TextCompletion(**self._stamp, choices=[], usage=usage)

    def whole(self, delta: Delta) -> TextCompletion:
        return self.chunk(delta, opening=False).model_copy(update={"usage": delta.usage})


def _stamp(kind: str, model: str) -> dict[str, Any]:
    return {"id": f"{kind}-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}


def _event(body: BaseModel) -> bytes:
    return f"data: {body.model_dump_json(exclude_none=True)}\n\n".encode()


def _json(body: BaseModel, status: int = 200) -> Response:
    return JSONResponse(body.model_dump(), status)


# ---- errors and the token -------------------------------------------------------------------------------------------


def error_response(error: StudioError) -> Response:
    """An error in OpenAI's shape, under the HTTP status that belongs to its key (500 for an unforeseen one)."""
    return _json(_error_body(error), _status(error))


def _status(error: StudioError) -> int:
    """A DataError is the fault of the request: messages that the chat template refuses."""
    return _STATUS.get(error.key, 400 if isinstance(error, DataError) else 500)


def _error_body(error: StudioError) -> ErrorBody:
    status = _status(error)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return ErrorBody(error=ErrorDetail(message=_words(error), type=kind, code=error.key, param=error.field, params=error.params))


def _words(error: StudioError) -> str:
    """English, for a stranger's client. The studio makes words in the reader's language from `code` and `params`."""
    try:
        return error_text("en", error) if has_text(error.key) else str(error)
    except (OSError, KeyError):  # no catalogue, or an error without a parameter that its words name
        return str(error)


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(StudioError)
    def studio_error(_request: Request, error: StudioError) -> Response:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    def bad_request(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
        return error_response(EngineError("error.engine.bad_request", field=field, name=field, reason=first["msg"]))

    @app.exception_handler(HTTPException)
    def no_such_route(request: Request, _error: HTTPException) -> Response:
        route = f"{request.method} {request.url.path}"
        return error_response(EngineError("error.engine.no_such_route", route=route))

    @app.exception_handler(_ClientGone)
    def client_gone(_request: Request, _error: _ClientGone) -> Response:
        return Response(status_code=_CLIENT_CLOSED_REQUEST)


class _TokenCheck:
    """Lets `/health` through and everything else that carries the token. Plain ASGI: Starlette's base class hides disconnects."""

    def __init__(self, app: ASGIApp, *, token: str, on_activity: Callable[[], None]) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._on_activity = on_activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] == "/health"):
            await self._app(scope, receive, send)
        elif hmac.compare_digest(dict(scope["headers"]).get(b"authorization", b""), self._expected):
            self._on_activity()
            await self._app(scope, receive, send)
        else:
            await error_response(EngineError("error.engine.unauthorised"))(scope, receive, send)
