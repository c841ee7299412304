"""The HTTP face over a fake generator, spoken to with plain httpx; then once over the real engine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from studio.engine.protocol import GenerationRequest
from studio.engine.transformers_engine import TransformersEngine
from tests.fakes.engine import FakeGenerator, Gate

PATIENCE_S = 20
TOKEN = "test-token"
Serve = Callable[..., str]
CHAT: dict[str, Any] = {"model": "base", "messages": [{"role": "user", "content": "Hello"}]}


def client_of(url: str, token: str = TOKEN) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=PATIENCE_S, trust_env=False)


@pytest.fixture(scope="module")
def fake() -> FakeGenerator:
    return FakeGenerator({"base": "多喝水 and rest", "run_a": "另一个"})


@pytest.fixture(scope="module")
def http(serve: Serve, fake: FakeGenerator) -> Iterator[httpx.Client]:
    with client_of(serve(fake)) as client:
        yield client


def last_request(fake: FakeGenerator) -> GenerationRequest:
    stream = fake.started.get_nowait()
    while not fake.started.empty():
        stream = fake.started.get_nowait()
    return stream.request


def events(response: httpx.Response) -> list[str]:
    return [line.removeprefix("data: ") for line in response.text.split("\n") if line]


def test_models_are_listed_with_their_parent(http: httpx.Client) -> None:
    data = http.get("/v1/models").json()["data"]
    assert [(card["id"], card["parent"]) for card in data] == [("base", None), ("run_a", "base")]


def test_a_streamed_chat_ends_with_usage_and_done(http: httpx.Client) -> None:
    response = http.post("/v1/chat/completions", json=CHAT | {"stream": True, "stream_options": {"include_usage": True}})
    *chunks, done = events(response)
    *parts, usage = [json.loads(chunk) for chunk in chunks]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert done == "[DONE]"
    assert parts[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(part["choices"][0]["delta"]["content"] for part in parts) == "多喝水 and rest"
    assert parts[-1]["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 5, "completion_tokens": 12, "total_tokens": 17}


def test_a_whole_chat_is_one_object(http: httpx.Client) -> None:
    answer = http.post("/v1/chat/completions", json=CHAT | {"max_tokens": 3}).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "多喝水"}
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("stream", [True, False])
def test_completions_continue_a_prompt(http: httpx.Client, stream: bool) -> None:
    response = http.post("/v1/completions", json={"model": "run_a", "prompt": "说", "stream": stream})
    answers = [json.loads(data) for data in events(response)[:-1]] if stream else [response.json()]
    assert "".join(answer["choices"][0]["text"] for answer in answers) == "另一个"


def test_given_text_is_scored(http: httpx.Client) -> None:
    body = {"model": "base", "prompt": "你好", "echo": True, "logprobs": 1, "max_tokens": 0}
    answer = http.post("/v1/completions", json=body).json()
    assert answer["choices"][0]["text"] == "你好"
    assert answer["choices"][0]["logprobs"]["token_logprobs"] == [None, -0.6931]
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 0, "total_tokens": 2}


def test_sampling_options_reach_the_generator_and_null_means_default(http: httpx.Client, fake: FakeGenerator) -> None:
    options = {"temperature": 0, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "seed": 3, "top_p": None}
    http.post("/v1/chat/completions", json=CHAT | options | {"max_completion_tokens": 9, "stop": "\n"})
    request = last_request(fake)
    expected = {"temperature": 0, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "max_tokens": 9, "seed": 3}
    assert request.decoding.model_dump() == expected
    assert request.stop == ("\n",)


def test_content_parts_become_one_text(http: httpx.Client, fake: FakeGenerator) -> None:
    parts = [{"type": "text", "text": "He"}, {"type": "text", "text": "llo"}]
    http.post("/v1/chat/completions", json=CHAT | {"messages": [{"role": "user", "content": parts}]})
    assert last_request(fake).messages == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/attention", "/docs", "/openapi.json"])
def test_without_the_right_token_every_path_is_401(http: httpx.Client, path: str) -> None:
    for given in ("", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer tést"):
        response = http.get(path, headers={"authorization": given.encode()})
        assert response.status_code == 401
    assert response.json()["error"]["code"] == "error.engine.unauthorised"
    assert response.json()["error"]["type"] == "authentication_error"


def test_health_needs_no_token(http: httpx.Client) -> None:
    response = http.get("/health", headers={"authorization": ""})
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_unknown_model_is_404_with_the_list(http: httpx.Client) -> None:
    response = http.post("/v1/chat/completions", json=CHAT | {"model": "run_x", "stream": True})
    error = response.json()["error"]
    assert response.status_code == 404
    assert (error["code"], error["param"]) == ("error.engine.unknown_model", "model")
    assert error["params"] == {"name": "run_x", "known": "base, run_a"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"temperature": -1}, "temperature"),
        ({"messages": []}, "messages"),
        ({"n": 2}, "n"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logit_bias": {}}, "logit_bias"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(http: httpx.Client, change: dict[str, Any], field: str) -> None:
    response = http.post("/v1/chat/completions", json=CHAT | change)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "error.engine.bad_request"
    assert response.json()["error"]["param"] == field


def test_unknown_routes_have_openais_error_shape(http: httpx.Client) -> None:
    response = http.get("/v1/embeddings")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "error.engine.no_such_route")


def test_adapters_are_loaded_and_unloaded_as_vllm_spells_it(http: httpx.Client, fake: FakeGenerator) -> None:
    body = {"lora_name": "mine", "lora_path": "/somewhere"}
    assert http.post("/v1/load_lora_adapter", json=body).status_code == 200
    assert fake.loaded == {"mine": "/somewhere"}
    assert http.post("/v1/unload_lora_adapter", json={"lora_name": "mine"}).status_code == 200
    assert fake.loaded == {}
    assert http.post("/v1/unload_lora_adapter", json={"lora_name": "mine"}).status_code == 404


def test_an_error_before_the_first_token_is_a_status_later_an_event(serve: Serve) -> None:
    with client_of(serve(FakeGenerator(fails_after=0))) as http:
        assert http.post("/v1/chat/completions", json=CHAT | {"stream": True}).status_code == 500
    with client_of(serve(FakeGenerator(fails_after=2))) as http:
        response = http.post("/v1/chat/completions", json=CHAT | {"stream": True})
        assert response.status_code == 200
        assert json.loads(events(response)[-2])["error"]["code"] == "error.engine.failed"


@pytest.mark.parametrize("allowed", [0, 2])
def test_a_vanished_client_cancels_its_stream(serve: Serve, allowed: int) -> None:
    """Before the first token (the headers are still to come) and in the middle."""
    fake = FakeGenerator(gate=Gate(is_open=False))
    fake.gate.allow(allowed)
    with client_of(serve(fake)) as http, _HalfWay(http, fake, allowed) as stream:
        assert not stream.cancelled.is_set()
    assert stream.cancelled.wait(PATIENCE_S)


class _HalfWay:
    """A client that goes away on leaving the block, after it has seen as many events as were allowed."""

    def __init__(self, http: httpx.Client, fake: FakeGenerator, n_events: int) -> None:
        self._http, self._fake, self._n_events = http, fake, n_events

    def __enter__(self) -> Any:
        body = json.dumps(CHAT | {"stream": True}).encode()
        url = self._http.base_url
        self._socket = socket.create_connection((url.host, url.port), timeout=PATIENCE_S)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        seen = b""
        while seen.count(b"data: ") < self._n_events:
            seen += self._socket.recv(4096)
        return self._fake.started.get(timeout=PATIENCE_S)

    def __exit__(self, *_error: object) -> None:
        self._socket.close()


def test_a_vanished_client_cancels_a_whole_answer_too(serve: Serve) -> None:
    fake = FakeGenerator(gate=Gate(is_open=False))
    url = serve(fake)

    def impatient() -> None:
        with client_of(url) as http, pytest.raises(httpx.ReadTimeout):
            http.post("/v1/chat/completions", json=CHAT, timeout=0.2)

    thread = threading.Thread(target=impatient)
    thread.start()
    assert fake.started.get(timeout=PATIENCE_S).cancelled.wait(PATIENCE_S)
    thread.join()


def test_a_waiting_stream_does_not_hold_up_others(serve: Serve) -> None:
    fake = FakeGenerator(gate=Gate(is_open=False))
    with client_of(serve(fake)) as http, _HalfWay(http, fake, 0) as waiting:
        assert http.get("/health").status_code == 200
        assert http.post("/v1/completions", json={"model": "base", "prompt": "a", "echo": True, "logprobs": 0, "max_tokens": 0})
        assert not waiting.cancelled.is_set()


def test_activity_is_told_for_requests_and_tokens_but_not_for_strangers(serve: Serve, fake: FakeGenerator) -> None:
    moments: list[None] = []
    with client_of(serve(fake, on_activity=lambda: moments.append(None))) as http:
        http.get("/health")
        http.get("/v1/models", headers={"authorization": "Bearer wrong"})
        assert len(moments) == 0
        http.post("/v1/chat/completions", json=CHAT | {"model": "run_a"})
        assert len(moments) == 1 + len("另一个") + 1


def test_the_real_engine_answers_over_http(serve: Serve, engine: TransformersEngine) -> None:
    with client_of(serve(engine)) as http:
        ask = CHAT | {"model": "run_a", "temperature": 0, "max_tokens": 8}
        whole = http.post("/v1/chat/completions", json=ask).json()["choices"][0]["message"]["content"]
        chunks = [json.loads(data) for data in events(http.post("/v1/chat/completions", json=ask | {"stream": True}))[:-1]]
        assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == whole

        overflow = http.post("/v1/chat/completions", json=ask | {"messages": [{"role": "user", "content": "水" * 300}]})
        assert overflow.status_code == 400
        assert overflow.json()["error"]["code"] == "error.engine.context_overflow"
        assert overflow.json()["error"]["params"]["context"] == 256

        unfit = http.post("/v1/chat/completions", json=ask | {"model": "run_truncated", "stream": True})
        assert (unfit.status_code, unfit.json()["error"]["code"]) == (422, "error.engine.adapter_unfit")
