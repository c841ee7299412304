"""The client against our server over a fake generator, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from studio.engine.client import Chunk, EngineClient
from studio.engine.protocol import Decoding
from studio.errors import EngineError
from tests.fakes.engine import FakeGenerator, Gate

PATIENCE_S = 20
TOKEN = "test-token"
Serve = Callable[..., str]
HELLO = [{"role": "user", "content": "Hello"}]
T = TypeVar("T")


def with_client(url: str, use: Callable[[EngineClient], Coroutine[Any, Any, T]], token: str = TOKEN, **options: Any) -> T:
    async def run() -> T:
        async with EngineClient(url, token, **options) as client:
            return await use(client)

    return asyncio.run(run())


async def chunks_of(client: EngineClient, model: str = "base") -> list[Chunk]:
    return [chunk async for chunk in client.stream_chat(model, HELLO, Decoding())]


def fails(url: str, use: Callable[[EngineClient], Coroutine[Any, Any, Any]], **options: Any) -> EngineError:
    with pytest.raises(EngineError) as raised:
        with_client(url, use, **options)
    return raised.value


def canned(answer: bytes) -> str:
    """A server that gives these bytes to its first request and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def once() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)

    threading.Thread(target=once, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def response(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {length or len(body)}\r\n\r\n".encode() + body


def test_a_chat_streams_text_then_finish_reason_and_usage(serve: Serve) -> None:
    chunks = with_client(serve(FakeGenerator({"base": "多喝水"})), chunks_of)
    assert "".join(chunk.text for chunk in chunks) == "多喝水"
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    usage = [chunk.usage for chunk in chunks if chunk.usage]
    assert [(one.prompt_tokens, one.completion_tokens) for one in usage] == [(5, 3)]


def test_line_separators_of_unicode_stay_in_the_text(serve: Serve) -> None:
    text = "a\u2028b\x85c\rd\ne"
    chunks = with_client(serve(FakeGenerator({"base": text})), chunks_of)
    assert "".join(chunk.text for chunk in chunks) == text


def test_a_completion_streams_what_follows_a_prompt_taken_as_it_stands(serve: Serve) -> None:
    fake = FakeGenerator({"base": "好的"})

    async def use(client: EngineClient) -> list[Chunk]:
        return [chunk async for chunk in client.stream_completion("base", "<s>说", Decoding())]

    assert "".join(chunk.text for chunk in with_client(serve(fake), use)) == "好的"
    request = fake.started.get().request
    assert (request.prompt, request.add_special_tokens) == ("<s>说", False)


def test_whole_answers_scores_models_and_adapters(serve: Serve) -> None:
    fake = FakeGenerator({"base": "好的"})

    async def use(client: EngineClient) -> None:
        chat = await client.chat("base", HELLO, Decoding(), stop=["\n"])
        assert (chat.text, chat.finish_reason) == ("好的", "stop")
        assert (await client.complete("base", "说", Decoding(max_tokens=1))).text == "好"
        assert (await client.score("base", "你好", top=1)).token_logprobs == [None, -0.6931]
        assert (await client.score("base", [20, 21])).tokens == ["\x14", "\x15"]
        await client.load_adapter("mine", "/somewhere")
        assert await client.models() == ["base", "mine"]
        await client.unload_adapter("mine")
        assert await client.models() == ["base"]

    with_client(serve(fake), use)
    assert fake.started.get().request.stop == ("\n",)


def test_errors_come_back_as_they_were_raised(serve: Serve) -> None:
    url = serve(FakeGenerator())
    error = fails(url, lambda client: chunks_of(client, "run_x"))
    assert (error.key, error.field) == ("error.engine.unknown_model", "model")
    assert error.params == {"name": "run_x", "known": "base"}
    assert fails(url, EngineClient.models, token="wrong").key == "error.engine.unauthorised"


def test_an_error_in_the_middle_of_a_stream_is_raised_after_the_text_before_it(serve: Serve) -> None:
    seen: list[str] = []

    async def read(client: EngineClient) -> None:
        async for chunk in client.stream_chat("base", HELLO, Decoding()):
            seen.append(chunk.text)  # noqa: PERF401 # a comprehension would lose what came before the error

    error = fails(serve(FakeGenerator(fails_after=3)), read)
    assert (error.key, seen) == ("error.engine.failed", ["H", "e", "l"])


def test_leaving_the_stream_cancels_it_on_the_server(serve: Serve) -> None:
    fake = FakeGenerator(gate=Gate(is_open=False))
    fake.gate.allow(1)

    async def leave(client: EngineClient) -> None:
        stream = client.stream_chat("base", HELLO, Decoding())
        await anext(stream)
        await stream.aclose()
        assert await asyncio.to_thread(fake.started.get().cancelled.wait, PATIENCE_S)

    with_client(serve(fake), leave)


def test_nobody_at_the_address_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    error = fails(url, EngineClient.models)
    assert (error.key, error.params) == ("error.engine.unreachable", {"url": url})


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (b"", "error.engine.broken_off"),
        (response(b'data: {"choices": []}\n\n', length=500), "error.engine.broken_off"),
        (response(b'data: {"choices": []}\n\n'), "error.engine.broken_off"),
        (response(b"data: {not json}\n\n"), "error.engine.bad_answer"),
        (response(b"<html>Bad gateway</html>", "502 Bad Gateway"), "error.engine.bad_answer"),
        (response(b'{"error": {"message": "Overloaded", "code": 429}}', "429 Slow Down"), "error.engine.remote"),
        (response(b'{"detail": "no"}', "403 Forbidden"), "error.engine.bad_answer"),
    ],
)
def test_a_server_that_misbehaves_is_a_plain_error(answer: bytes, key: str) -> None:
    assert fails(canned(answer), chunks_of).key == key


def test_a_server_that_stays_silent_is_a_timeout(serve: Serve) -> None:
    url = serve(FakeGenerator(gate=Gate(is_open=False)))
    assert fails(url, chunks_of, read_timeout_s=0.2).key == "error.engine.timeout"


def test_the_client_imports_no_torch() -> None:
    code = "import sys, studio.engine.client, studio.engine.server; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
