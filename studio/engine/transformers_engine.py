"""A backend of our own: one base model in memory, PEFT adapters switched per request, one thread that computes.

    start() ──► waiting ──► active ──► one token each, in turn ──► Stream (read by another thread)

For what vLLM cannot do: CPU, attention, quantised bases, adapters other than LoRA. Knows neither HTTP nor where adapters
lie (`resolve` tells). Only the engine's thread touches the model. Start reading at `TransformersEngine._round`, which is
also the seam for batches: it is the one place that decides whose token is computed next. `adapters.py` switches adapters,
`sampling.py` chooses tokens.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import accumulate
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from studio.engine.adapters import Adapters, InForce, reason_of
from studio.engine.ahead import n_virtual_tokens
from studio.engine.protocol import BASE, Delta, FinishReason, GenerationRequest, Logprobs, Usage
from studio.engine.sampling import Sampler
from studio.errors import EngineError, StudioError

__all__ = ["Template", "TransformersEngine"]

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_ACTIVE = 8
"""Requests that hold a KV cache at once; the others wait. Memory, not speed, sets this."""

_SCORE_CHUNK = 256  # tokens a step: (256, vocabulary) float32 log-probabilities are 150 MB for a vocabulary of 150,000


class Template(Protocol):
    """What the engine needs of `studio.data.render.Template`."""

    @property
    def tokenizer(self) -> Any: ...
    @property
    def end_ids(self) -> frozenset[int]: ...
    @property
    def context(self) -> int | None: ...
    def prompt_ids(self, messages: list[dict[str, Any]]) -> list[int]: ...
    def decode(self, ids: list[int], skip_special: bool = True) -> str: ...


class _Work(Protocol):
    """Something the engine's thread does in steps, with the adapter in `folder` active (None: the base alone)."""

    folder: Path | None

    def step(self, now: InForce) -> bool:
        """Do a little; True when done."""
        ...

    def fail(self, error: StudioError) -> None: ...


class TransformersEngine:
    """A `Generator` over one base model. The constructor loads the base and takes as long as that takes.

    `resolve(name)` gives the folder of an adapter in PEFT format, None for an unknown name; it may be called from any
    thread. `known()` lists names that `resolve` would accept, for people. `dtype`: "auto", "float32" or "bfloat16".
    Raises EngineError when the base cannot be loaded.
    """

    def __init__(
        self,
        base_folder: Path,
        *,
        device: str,
        dtype: str = "auto",
        resolve: Callable[[str], Path | None],
        template: Template,
        known: Callable[[], Sequence[str]] = tuple,
        max_active: int = MAX_ACTIVE,
    ) -> None:
        model = _load_base(base_folder, device, dtype)
        contexts = (template.context, getattr(model.config.get_text_config(), "max_position_embeddings", None))
        self.context = min((size for size in contexts if size), default=None)
        self._template = template
        self._resolve = resolve
        self._known = known
        self._registered: dict[str, Path] = {}  # by load_adapter
        self._adapters = Adapters(model)
        self._max_active = max_active
        self._waiting: deque[_Work] = deque()
        self._active: list[_Work] = []
        self._closed = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    # ---- Generator

    def models(self) -> list[str]:
        return list(dict.fromkeys([BASE, *self._registered, *self._known()]))

    def start(self, request: GenerationRequest) -> _Generation:
        folder = self._folder(request.model)
        if request.messages is not None:
            ids = self._template.prompt_ids(request.messages)
        else:
            ids = self._ids(request.prompt or "", request.add_special_tokens)
        room = self._room(folder, len(ids), at_least=1)
        work = _Generation(request, ids, folder=folder, template=self._template, limit=min(request.decoding.max_tokens, room))
        self._enqueue(work)
        return work

    def score(self, model: str, prompt: str | list[int], *, top: int, add_special_tokens: bool = True) -> Logprobs:
        folder = self._folder(model)
        ids = self._ids(prompt, add_special_tokens)
        self._room(folder, len(ids), at_least=0)
        work = _Scoring(ids, folder, self._template, top)
        self._enqueue(work)
        return work.result.result()

    def load_adapter(self, name: str, folder: str) -> None:
        if name in self.models():
            raise EngineError("error.engine.adapter_name_taken", field="lora_name", name=name)
        path = Path(folder)
        self._call(path, lambda model: None)
        self._registered[name] = path

    def unload_adapter(self, name: str) -> None:
        folder = self._folder(name)
        if folder is None:
            raise EngineError("error.engine.unknown_model", field="model", name=name, known=", ".join(self.models()[1:]))

        def forget(_model: Any) -> None:
            if any(work.folder == folder for work in self._active):
                raise EngineError("error.engine.adapter_busy", name=name)
            self._adapters.forget(folder)

        self._call(None, forget)
        self._registered.pop(name, None)

    # ---- beside the protocol

    def with_model(self, name: str, use: Callable[[Any], T]) -> T:
        """`use(model)` between two tokens, on the engine's thread, with the named adapter active: attention looks in here."""
        return self._call(self._folder(name), use)

    def close(self) -> None:
        """Stop the thread; whoever still waits gets `error.engine.stopped`."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._thread.join()

    # ---- taking in

    def _folder(self, name: str) -> Path | None:
        if name == BASE:
            return None
        folder = self._registered.get(name) or self._resolve(name)
        if folder is None:
            raise EngineError("error.engine.unknown_model", field="model", name=name, known=", ".join(self.models()))
        return folder

    def _ids(self, prompt: str | list[int], add_special_tokens: bool) -> list[int]:
        if isinstance(prompt, str):
            ids = list(self._template.tokenizer.encode(prompt, add_special_tokens=add_special_tokens).ids)
        else:
            ids = prompt
        if not ids:
            raise EngineError("error.engine.empty_prompt", field="prompt")
        return ids

    def _room(self, folder: Path | None, n_prompt: int, *, at_least: int) -> int:
        """Tokens that fit behind the prompt."""
        if self.context is None:
            return 2**31
        context = self.context - (n_virtual_tokens(folder) if folder is not None else 0)
        if n_prompt + at_least > context:
            raise EngineError("error.engine.context_overflow", field="messages", prompt=n_prompt, context=context)
        return context - n_prompt

    def _call(self, folder: Path | None, use: Callable[[Any], T]) -> T:
        work: _Call[T] = _Call(folder, use)
        self._enqueue(work)
        return work.result.result()

    def _enqueue(self, work: _Work) -> None:
        with self._wake:
            if self._closed:
                raise EngineError("error.engine.stopped")
            self._waiting.append(work)
            self._wake.notify_all()

    # ---- the engine's thread

    def _run(self) -> None:
        import torch

        with torch.no_grad():  # not inference_mode: PEFT sets requires_grad when it switches adapters
            while self._admit():
                self._round()
        for work in [*self._active, *self._waiting]:
            work.fail(EngineError("error.engine.stopped"))

    def _admit(self) -> bool:
        """Wait for work and move it from waiting to active; False when the engine is closed."""
        with self._wake:
            self._wake.wait_for(lambda: self._closed or self._active or self._waiting)
            self._active += self._drop_cancelled()
            while self._waiting and len(self._active) < self._max_active:
                self._active.append(self._waiting.popleft())
            return not self._closed

    def _drop_cancelled(self) -> list[_Work]:
        """Those that were cancelled while they waited; their one step says goodbye, so they need no place."""
        gone: list[_Work] = [work for work in self._waiting if isinstance(work, _Generation) and work.cancelled.is_set()]
        self._waiting = deque(work for work in self._waiting if work not in gone)
        return gone

    def _round(self) -> None:
        """One step for each active work; those with the same adapter follow each other, so that it is switched seldom."""
        self._active.sort(key=lambda work: str(work.folder or ""))
        self._active = [work for work in list(self._active) if not self._advance(work)]

    def _advance(self, work: _Work) -> bool:
        import torch

        try:
            return work.step(self._adapters.activate(work.folder))
        except StudioError as error:
            work.fail(error)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            work.fail(EngineError("error.engine.out_of_memory"))
        except Exception as error:  # whatever one request breaks, the others go on
            log.exception("a request failed")
            work.fail(EngineError("error.engine.failed", reason=reason_of(error)))
        return True


class _Generation:
    """One answer: its prompt, its KV cache, its dice, and the stream that its reader holds."""

    def __init__(
        self,
        request: GenerationRequest,
        ids: list[int],
        *,
        folder: Path | None,
        template: Template,
        limit: int,
    ) -> None:
        self.folder = folder
        self.cancelled = threading.Event()
        self._n_prompt = len(ids)
        self._feed = ids  # what the model has not seen yet: first the prompt, then the newest token
        self._template = template
        self._stops = request.stop
        self._limit = limit
        self._sampler = Sampler(request.decoding, ids)
        self._cache: Any = None
        self._chosen: list[int] = []  # without the end token
        self._told = 0  # of _chosen, in deltas
        self._shown = ""
        self._deltas: SimpleQueue[Delta | StudioError] = SimpleQueue()
        self._is_over = False  # nothing more will come

    # ---- Stream, for the reader

    def __iter__(self) -> Iterator[Delta]:
        while not self._is_over:
            item = self._deltas.get()
            self._is_over = isinstance(item, StudioError) or item.finish_reason is not None
            if isinstance(item, StudioError):
                raise item
            yield item

    def cancel(self) -> None:
        self.cancelled.set()

    # ---- work, for the engine's thread

    def step(self, now: InForce) -> bool:
        if self.cancelled.is_set():
            return self._tell("cancelled", n_chosen=len(self._chosen))
        token = self._sampler.next(self._logits(now))
        if token in self._template.end_ids:
            return self._tell("stop", n_chosen=len(self._chosen) + 1)
        self._chosen.append(token)
        self._feed = [token]
        return self._tell("length" if len(self._chosen) >= self._limit else None, n_chosen=len(self._chosen))

    def fail(self, error: StudioError) -> None:
        self._cache = None
        self._deltas.put(error)

    def _logits(self, now: InForce) -> Any:
        """Run the model over what it has not seen; float32 logits (V,) of the next token, on the CPU."""
        import torch

        if self._cache is None:
            self._cache = now.cache()
        ids = torch.tensor([self._feed], device=now.model.device)  # (1, T)
        out = now.model(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        return out.logits[0, -1].float().cpu()

    def _tell(self, finish: FinishReason | None, *, n_chosen: int) -> bool:
        """Put into the stream what can be shown by now; True when this was the last of it."""
        # All of it is decoded each time, which costs 0.6 ms at 4,096 tokens and needs no bookkeeping of half characters.
        shown, stopped = settled(self._template.decode(self._chosen), self._stops, final=finish is not None)
        if stopped:
            finish = "stop"
        text = shown[len(self._shown) :]
        if text or finish:
            usage = Usage.of(self._n_prompt, n_chosen) if finish else None
            self._deltas.put(Delta(text, self._chosen[self._told :], finish, usage))
            self._shown, self._told = shown, len(self._chosen)
        if finish:
            self._cache = None  # the reader may hold the stream longer than the memory should be held
        return finish is not None


class _Scoring:
    """Log-probabilities of given text, a chunk a step, so that others keep streaming meanwhile."""

    def __init__(self, ids: list[int], folder: Path | None, template: Template, top: int) -> None:
        self.folder = folder
        self.result: Future[Logprobs] = Future()
        self._ids = ids
        self._template = template
        self._top = top
        self._done = 0
        self._cache: Any = None
        self._logprobs: list[float | None] = [None]
        self._tops: list[dict[str, float] | None] = [None]

    def step(self, now: InForce) -> bool:
        import torch

        if self._cache is None:
            self._cache = now.cache()
        chunk = self._ids[self._done : self._done + _SCORE_CHUNK]
        self._done += len(chunk)
        model = now.model
        out = model(input_ids=torch.tensor([chunk], device=model.device), past_key_values=self._cache, use_cache=True)
        following = self._ids[self._done - len(chunk) + 1 : self._done + 1]
        logprobs = out.logits[0].float().log_softmax(-1).cpu()  # (T, V): place t predicts token t + 1
        self._take(logprobs[: len(following)], following)
        if self._done < len(self._ids):
            return False
        tokens = token_texts(self._template, self._ids)
        offsets = list(accumulate(map(len, tokens), initial=0))[:-1]
        self.result.set_result(
            Logprobs(tokens=tokens, token_logprobs=self._logprobs, top_logprobs=self._tops, text_offset=offsets)
        )
        return True

    def _take(self, logprobs: Any, following: list[int]) -> None:
        best, ids = logprobs.topk(min(self._top, logprobs.shape[-1]))  # (T, top)
        for row, token, values, names in zip(logprobs, following, best.tolist(), ids.tolist(), strict=True):
            self._logprobs.append(float(row[token]))
            likeliest: dict[str, float] = {}
            for name, value in zip(names, values, strict=True):  # parts of characters look alike: the likeliest of them stays
                likeliest.setdefault(self._template.decode([name], skip_special=False), value)
            self._tops.append(likeliest)

    def fail(self, error: StudioError) -> None:
        self.result.set_exception(error)


class _Call(Generic[T]):
    """A function that wants the model for a moment."""

    def __init__(self, folder: Path | None, use: Callable[[Any], T]) -> None:
        self.folder = folder
        self.result: Future[T] = Future()
        self._use = use

    def step(self, now: InForce) -> bool:
        self.result.set_result(self._use(now.model))
        return True

    def fail(self, error: StudioError) -> None:
        self.result.set_exception(error)


def settled(text: str, stops: Sequence[str], *, final: bool) -> tuple[str, bool]:
    """The start of `text` that no later token can change, and whether a stop string ended it.

    Held back unless `final`: replacement characters at the end (half a character, its other bytes are still to come) and
    what may be the beginning of a stop string.
    """
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    if ends:
        return text[: min(ends)], True
    if final:
        return text, False
    text = text.rstrip("\ufffd")
    held = max((n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
    return text[: len(text) - held], False


def token_texts(template: Template, ids: list[int]) -> list[str]:
    """The text of each token, so that they make up the whole; of a character in several tokens the last one has it."""
    texts: list[str] = []
    before, start = 0, 0  # ids[before:start] is context: some decoders drop the space of the first token they see
    for end in range(1, len(ids) + 1):
        context = template.decode(ids[before:start], skip_special=False)
        text = template.decode(ids[before:end], skip_special=False)
        if text.endswith("\ufffd") and end < len(ids):
            texts.append("")
        else:
            texts.append(text[len(context) :])
            before, start = start, end
    return texts


def _load_base(folder: Path, device: str, dtype: str) -> Any:
    from transformers import AutoModelForCausalLM

    model: Any
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=_dtype(device, dtype),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
        return model.to(device).eval()
    except Exception as error:  # transformers raises a dozen kinds for a folder that is no model
        raise EngineError("error.engine.base_unreadable", name=folder.name, reason=reason_of(error)) from error


def _dtype(device: str, wanted: str) -> Any:
    """bfloat16 where the device computes in it, else float32; or what is wanted."""
    import torch

    if wanted != "auto":
        return getattr(torch, wanted)
    if device.startswith("cuda"):
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        abilities = torch.cpu.get_capabilities()
        has_bf16 = bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
    return torch.bfloat16 if has_bf16 else torch.float32
