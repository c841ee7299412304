"""A `Generator` without a model: says a canned text, one token a character, as fast as its gate lets it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue

from studio.engine.protocol import BASE, Delta, GenerationRequest, Logprobs, Usage
from studio.errors import EngineError


class Gate:
    """Lets so many tokens through as it was told to. No clock: a test opens it, token by token or for good."""

    def __init__(self, *, is_open: bool = True) -> None:
        self._changed = threading.Condition()
        self._allowed = 0
        self._open = is_open

    def allow(self, n_tokens: int) -> None:
        with self._changed:
            self._allowed += n_tokens
            self._changed.notify_all()

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def passed(self, cancelled: threading.Event) -> bool:
        """Wait for leave to say one token; False when the request was cancelled instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._open or self._allowed > 0 or cancelled.is_set())
            if not cancelled.is_set() and not self._open:
                self._allowed -= 1
            return not cancelled.is_set()


class FakeStream:
    """Speaks when it is iterated. `cancelled` is set once somebody called `cancel()`, also after the last token."""

    def __init__(self, request: GenerationRequest, text: str, gate: Gate, fails_after: int | None) -> None:
        self.request = request
        self.cancelled = threading.Event()
        self._text = text[: request.decoding.max_tokens]
        self._is_cut = len(text) > len(self._text)
        self._gate = gate
        self._fails_after = fails_after

    def __iter__(self) -> Iterator[Delta]:
        said = 0
        for letter in self._text:
            if said == self._fails_after:
                raise EngineError("error.engine.failed", reason="the fake was told to")
            if not self._gate.passed(self.cancelled):
                yield Delta("", [], "cancelled", self._usage(said))
                return
            said += 1
            yield Delta(letter, [ord(letter)])
        yield Delta("", [], "length" if self._is_cut else "stop", self._usage(said))

    def cancel(self) -> None:
        self.cancelled.set()
        self._gate.wake()

    def _usage(self, said: int) -> Usage:
        prompt = self.request.prompt or "".join(turn["content"] for turn in self.request.messages or [])
        return Usage.of(len(prompt), said)


class FakeGenerator:
    """`texts` by model name. `started` gets every stream in the order in which requests came, for tests to look at."""

    def __init__(self, texts: dict[str, str] | None = None, *, gate: Gate | None = None, fails_after: int | None = None) -> None:
        self.texts = texts or {BASE: "Hello, 你好!"}
        self.gate = gate or Gate()
        self.fails_after = fails_after
        self.started: SimpleQueue[FakeStream] = SimpleQueue()
        self.loaded: dict[str, str] = {}

    def models(self) -> list[str]:
        return [*self.texts, *self.loaded]

    def start(self, request: GenerationRequest) -> FakeStream:
        self._check(request.model)
        stream = FakeStream(request, self.texts.get(request.model, ""), self.gate, self.fails_after)
        self.started.put(stream)
        return stream

    def score(self, model: str, prompt: str | list[int], *, top: int, add_special_tokens: bool = True) -> Logprobs:
        """Each token is as likely as one of two."""
        self._check(model)
        tokens = list(prompt) if isinstance(prompt, str) else [chr(token) for token in prompt]
        rest = len(tokens) - 1
        tops = [{token: -0.6931} if top else {} for token in tokens[1:]]
        return Logprobs(
            tokens=tokens,
            token_logprobs=[None, *[-0.6931] * rest],
            top_logprobs=[None, *tops],
            text_offset=list(range(len(tokens))),
        )

    def load_adapter(self, name: str, folder: str) -> None:
        self.loaded[name] = folder

    def unload_adapter(self, name: str) -> None:
        self._check(name)
        del self.loaded[name]

    def _check(self, model: str) -> None:
        if model not in self.models():
            raise EngineError("error.engine.unknown_model", field="model", name=model, known=", ".join(self.models()))
