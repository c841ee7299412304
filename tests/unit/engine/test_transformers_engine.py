"""Texts and numbers of the engine against transformers' own `generate` and a plain forward pass, in float32."""

from __future__ import annotations

import functools
import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.engine.protocol import Decoding, Delta, GenerationRequest
from studio.engine.sampling import Sampler
from studio.engine.transformers_engine import TransformersEngine, settled
from studio.errors import EngineError

QUESTION = [{"role": "user", "content": "感冒了怎么办? What helps?"}]
GREEDY = Decoding(temperature=0, max_tokens=24)
NAMES = ["base", "run_a", "run_b", "run_head"]


def ask(model: str, decoding: Decoding = GREEDY, **options: Any) -> GenerationRequest:
    return GenerationRequest(model=model, decoding=decoding, messages=QUESTION, **options)


def ids_of(deltas: list[Delta]) -> list[int]:
    return [token for delta in deltas for token in delta.token_ids]


def answer(engine: TransformersEngine, request: GenerationRequest) -> str:
    return "".join(delta.text for delta in engine.start(request))


@pytest.fixture(scope="module")
def oracle(tiny_model: Callable[[], Any], adapters: dict[str, Path], template: Any) -> Callable[[str], list[int]]:
    """Token ids of `model.generate(do_sample=False)`, each name on a model of its own; without the end token."""
    from peft import PeftModel

    @functools.cache
    def generate(name: str) -> list[int]:
        model = tiny_model()
        if name != "base":
            model = PeftModel.from_pretrained(model, str(adapters[name]))
        ids = torch.tensor([template.prompt_ids(QUESTION)])
        made = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=GREEDY.max_tokens
        )
        return [token for token in made[0, ids.shape[1] :].tolist() if token not in template.end_ids]

    return generate


@pytest.mark.parametrize("name", [*NAMES, "run_ia3"])
def test_greedy_answer_equals_transformers_generate(
    engine: TransformersEngine, oracle: Callable[[str], list[int]], name: str
) -> None:
    assert ids_of(list(engine.start(ask(name)))) == oracle(name)


def test_base_and_adapters_answer_differently(oracle: Callable[[str], list[int]]) -> None:
    texts = [oracle(name) for name in [*NAMES, "run_ia3"]]
    assert all(one != other for one, other in itertools.combinations(texts, 2))


@pytest.mark.parametrize("names", [[*NAMES, *NAMES], ["run_a", "run_head", "run_ia3", "base"]])
def test_interleaved_answers_equal_single_ones(
    engine: TransformersEngine, oracle: Callable[[str], list[int]], names: list[str]
) -> None:
    """Two answers of each at once. The second set mixes kinds that PEFT cannot hold at once."""
    streams = [engine.start(ask(name)) for name in names]
    assert [ids_of(list(stream)) for stream in streams] == [oracle(name) for name in names]


def test_two_requests_get_their_tokens_in_turn(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    activate = engine._adapters.activate

    def noted(folder: Path | None) -> Any:
        order.append(folder.name if folder else "base")
        return activate(folder)

    with held(engine):
        monkeypatch.setattr(engine._adapters, "activate", noted)
        streams = [engine.start(ask(name)) for name in ("run_a", "run_b")]
    lengths = [len(ids_of(list(stream))) for stream in streams]
    assert order[: 2 * min(lengths)] == ["a", "b"] * min(lengths)
    assert min(lengths) > 5


@contextmanager
def held(engine: TransformersEngine) -> Iterator[None]:
    """The engine's thread waits until the block is left; requests taken in meanwhile begin together."""
    is_held, release = threading.Event(), threading.Event()

    def hold(_model: Any) -> None:
        is_held.set()
        release.wait()

    thread = threading.Thread(target=engine.with_model, args=("base", hold), daemon=True)
    thread.start()
    is_held.wait()
    try:
        yield
    finally:
        release.set()
        thread.join()


def test_same_seed_gives_the_same_text_beside_other_requests(engine: TransformersEngine) -> None:
    decoding = Decoding(temperature=1.0, top_p=0.95, max_tokens=24, seed=7)
    alone = answer(engine, ask("run_a", decoding))
    streams = [engine.start(ask(name, decoding)) for name in ("run_b", "run_a", "base")]
    texts = ["".join(delta.text for delta in stream) for stream in streams]
    assert texts[1] == alone
    assert answer(engine, ask("run_a", decoding.model_copy(update={"seed": 8}))) != alone


def test_cancel_ends_the_stream_and_frees_the_place(make_engine: Callable[..., TransformersEngine]) -> None:
    engine = make_engine(max_active=1)
    endless = engine.start(ask("base", Decoding(temperature=0, max_tokens=200)))
    deltas = iter(endless)
    next(deltas)
    second = engine.start(ask("base"))
    waiting = engine.start(ask("base"))
    waiting.cancel()
    assert [delta.finish_reason for delta in waiting] == ["cancelled"]
    endless.cancel()
    *_, last = deltas
    assert last.finish_reason == "cancelled"
    assert list(second)[-1].finish_reason in ("stop", "length")


def test_closing_the_engine_ends_waiting_streams_with_an_error(
    make_engine: Callable[..., TransformersEngine], wait_until: Callable[..., Any]
) -> None:
    engine = make_engine()
    closing = threading.Thread(target=engine.close)
    with held(engine):
        stream = engine.start(ask("base"))
        closing.start()
        wait_until(lambda: is_closed(engine))
    closing.join()
    with pytest.raises(EngineError) as raised:
        list(stream)
    assert raised.value.key == "error.engine.stopped"
    assert list(stream) == [], "a stream that has ended is asked again"


def is_closed(engine: TransformersEngine) -> bool:
    try:
        engine.start(ask("base")).cancel()
    except EngineError as error:
        return error.key == "error.engine.stopped"
    return False


def test_a_stream_that_has_ended_is_over_for_its_next_reader(engine: TransformersEngine) -> None:
    stream = engine.start(ask("base"))
    assert list(stream)[-1].finish_reason in ("stop", "length")
    assert list(stream) == []


def test_unknown_model_is_refused_with_the_known_ones(engine: TransformersEngine) -> None:
    with pytest.raises(EngineError) as raised:
        engine.start(ask("run_nobody"))
    assert raised.value.key == "error.engine.unknown_model"
    assert raised.value.params["known"].startswith("base, run_a, run_b")


def test_a_prompt_longer_than_the_context_is_refused_before_anything_is_computed(engine: TransformersEngine) -> None:
    with pytest.raises(EngineError) as raised:
        engine.start(GenerationRequest(model="run_empty", decoding=GREEDY, prompt=[5] * 256))
    assert raised.value.key == "error.engine.context_overflow"
    assert raised.value.params == {"prompt": 256, "context": 256}


def test_max_tokens_is_capped_at_the_context(engine: TransformersEngine) -> None:
    decoding = Decoding(temperature=1, max_tokens=1000, seed=1)
    *_, last = engine.start(GenerationRequest(model="base", decoding=decoding, prompt=[5] * 250))
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.finish_reason) == (250, 6, "length")


@pytest.mark.parametrize("name", ["run_wide", "run_deep", "run_truncated", "run_empty", "run_bias"])
@pytest.mark.parametrize("loaded_before", [True, False], ids=["beside another", "first"])
def test_an_adapter_that_does_not_fit_is_an_error_and_the_others_go_on(
    make_engine: Callable[..., TransformersEngine], oracle: Callable[[str], list[int]], name: str, loaded_before: bool
) -> None:
    engine = make_engine()
    first = engine.start(ask("run_a")) if loaded_before else engine.start(ask("base"))
    with pytest.raises(EngineError) as raised:
        list(engine.start(ask(name)))
    assert raised.value.key == "error.engine.adapter_unfit"
    assert ids_of(list(first)) == oracle("run_a" if loaded_before else "base")
    for after in ("base", "run_b"):
        assert ids_of(list(engine.start(ask(after)))) == oracle(after)
    engine.close()


def test_chinese_is_never_torn_between_deltas(engine: TransformersEngine, template: Any) -> None:
    """The model is made to say one text, whose characters take up to three tokens each."""
    said = "多喝水,多休息;雪鹅😀。"
    script = [*template.tokenizer.encode(said).ids, *template.end_ids]
    assert len(script) > len(said) + 5
    spoken = iter(script)
    with held(engine):
        stream = engine.start(ask("base", Decoding(temperature=0, max_tokens=100)))
        stream._sampler.next = lambda logits: next(spoken)  # type: ignore[method-assign]
    deltas = list(stream)
    texts = [delta.text for delta in deltas]
    assert "".join(texts) == said
    assert not any("\ufffd" in text for text in texts)
    assert ids_of(deltas) == script[:-1]
    assert deltas[-1].finish_reason == "stop"


def test_deltas_together_are_the_decoded_ids_whatever_bytes_come(engine: TransformersEngine, template: Any) -> None:
    for seed in range(4):
        deltas = list(engine.start(ask("base", Decoding(temperature=3, top_p=1, max_tokens=60, seed=seed))))
        assert "".join(delta.text for delta in deltas) == template.decode(ids_of(deltas))


def test_a_stop_string_ends_the_text_and_is_not_shown(engine: TransformersEngine) -> None:
    whole = answer(engine, ask("run_a"))
    stop = whole[8:11]
    deltas = list(engine.start(ask("run_a", stop=(stop,))))
    assert "".join(delta.text for delta in deltas) == whole[: whole.index(stop)]
    assert deltas[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("text", "final", "expected"),
    [
        ("ab\ufffd", False, ("ab", False)),
        ("ab\ufffd", True, ("ab\ufffd", False)),
        ("ab\nUs", False, ("ab", False)),
        ("ab\nUs", True, ("ab\nUs", False)),
        ("ab\nUser: no", False, ("ab", True)),
        ("ab\nUn", False, ("ab\nUn", False)),
    ],
)
def test_what_may_still_change_is_held_back(text: str, final: bool, expected: tuple[str, bool]) -> None:
    assert settled(text, ["\nUser:"], final=final) == expected


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.5}, {0}),
        ({"top_p": 0.75}, {0, 1}),
        ({"top_p": 0.76}, {0, 1, 2}),
        ({"min_p": 0.25}, {0, 1, 2}),
        ({"min_p": 0.3}, {0, 1}),
        ({"top_k": 3, "min_p": 0.3}, {0, 1}),
        ({"top_p": 1.0}, {0, 1, 2, 3}),
    ],
)
def test_filters_keep_the_tokens_they_say(options: dict[str, Any], allowed: set[int]) -> None:
    """Probabilities 1/2, 1/4, 1/8, 1/8; the third's neighbour in value falls to top_k and min_p as ties do."""
    logits = torch.tensor([0.5, 0.25, 0.13, 0.12]).log()
    sampler = Sampler(Decoding(**{"temperature": 1, "top_p": 1.0, "seed": 0} | options), [])
    assert {sampler.next(logits) for _ in range(300)} == allowed


def test_repetition_penalty_equals_transformers(engine: TransformersEngine) -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    torch.manual_seed(0)
    logits = torch.randn(50)
    prompt = [3, 4, 4, 9]
    expected = RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([prompt]), logits[None].clone())[0]
    assert torch.equal(Sampler(Decoding(repetition_penalty=1.3), prompt)._penalised(logits), expected)


@pytest.mark.parametrize("name", ["base", "run_a"])
def test_scores_equal_the_log_softmax_of_a_plain_forward(
    engine: TransformersEngine, tiny_model: Callable[[], Any], adapters: dict[str, Path], template: Any, name: str
) -> None:
    from peft import PeftModel

    text = "感冒一般十天之内会好转。 Rest and drink water. 😀"
    model = tiny_model() if name == "base" else PeftModel.from_pretrained(tiny_model(), str(adapters[name]))
    ids = template.tokenizer.encode(text).ids
    with torch.no_grad():
        plain = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    expected = [float(plain[place, token]) for place, token in enumerate(ids[1:])]

    scores = engine.score(name, text, top=3)

    assert scores.token_logprobs[0] is None
    assert scores.token_logprobs[1:] == pytest.approx(expected, abs=1e-5)
    assert "".join(scores.tokens) == text
    assert [text[at : at + len(token)] for at, token in zip(scores.text_offset, scores.tokens, strict=True)] == scores.tokens
    assert max((scores.top_logprobs[1] or {}).values()) == pytest.approx(float(plain[0].max()), abs=1e-5)


def test_long_texts_are_scored_in_chunks_with_the_same_result(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [token % 300 + 2 for token in range(200)]
    whole = engine.score("base", ids, top=1)
    monkeypatch.setattr("studio.engine.transformers_engine._SCORE_CHUNK", 7)
    chunked = engine.score("base", ids, top=1)
    assert chunked.token_logprobs[1:] == pytest.approx(whole.token_logprobs[1:], abs=1e-4)


def test_a_loaded_adapter_answers_to_its_name_until_it_is_unloaded(
    make_engine: Callable[..., TransformersEngine], adapters: dict[str, Path], oracle: Callable[[str], list[int]]
) -> None:
    engine = make_engine(resolve=lambda name: None, known=tuple)
    engine.load_adapter("mine.v1", str(adapters["run_a"]))
    assert engine.models() == ["base", "mine.v1"]
    assert ids_of(list(engine.start(ask("mine.v1")))) == oracle("run_a")
    engine.unload_adapter("mine.v1")
    assert engine.models() == ["base"]
    assert ids_of(list(engine.start(ask("base")))) == oracle("base")
    with pytest.raises(EngineError, match="unknown_model"):
        engine.unload_adapter("mine.v1")


def test_a_checkpoint_that_a_run_wrote_again_is_answered_from_its_new_weights(
    make_engine: Callable[..., TransformersEngine],
    adapters: dict[str, Path],
    tmp_path: Path,
    oracle: Callable[[str], list[int]],
) -> None:
    """The same folder name, other weights: a run that was killed did this step once more."""
    folder = Path(shutil.copytree(adapters["run_a"], tmp_path / "checkpoint-9"))
    engine = make_engine(resolve={"run_x": folder}.get)
    assert ids_of(list(engine.start(ask("run_x")))) == oracle("run_a")
    shutil.rmtree(folder)
    assert ids_of(list(engine.start(ask("run_x")))) == oracle("run_a"), "what is gone from the disk is still in memory"
    shutil.copytree(adapters["run_b"], folder)
    assert ids_of(list(engine.start(ask("run_x")))) == oracle("run_b")


def test_an_adapter_that_is_answering_is_not_unloaded(engine: TransformersEngine, wait_until: Callable[..., Any]) -> None:
    with ThreadPoolExecutor(1) as other:
        with held(engine):
            stream = engine.start(ask("run_b"))
            with pytest.raises(EngineError, match="name_taken"):
                engine.load_adapter("run_b", "/anywhere")
            unloading = other.submit(engine.unload_adapter, "run_b")
            wait_until(lambda: len(engine._waiting) == 2)  # both begin together, and the function is first
        with pytest.raises(EngineError, match="adapter_busy"):
            unloading.result()
    assert list(stream)[-1].finish_reason in ("stop", "length")


def test_the_real_template_gives_the_same_answer(base_folder: Path, make_engine: Callable[..., TransformersEngine]) -> None:
    render = pytest.importorskip("studio.data.render")
    real = render.Template.load(base_folder)
    assert answer(make_engine(template=real), ask("run_a")) == answer(make_engine(), ask("run_a"))


def test_a_base_without_safetensors_is_a_plain_error(tmp_path: Path, template: Any) -> None:
    with pytest.raises(EngineError) as raised:
        TransformersEngine(tmp_path, device="cpu", resolve=lambda name: None, template=template)
    assert raised.value.key == "error.engine.base_unreadable"


def test_a_switch_of_adapter_takes_at_most_50_ms(engine: TransformersEngine, adapters: dict[str, Path]) -> None:
    folders = itertools.cycle([adapters["run_a"], adapters["run_b"], None])

    def switches(_model: Any) -> list[float]:
        taken = []
        for _ in range(30):
            began = time.perf_counter()
            engine._adapters.activate(next(folders))
            taken.append(time.perf_counter() - began)
        return sorted(taken[3:])  # the first three load

    taken = engine.with_model("base", switches)
    print(f"adapter switch: median {taken[len(taken) // 2] * 1e3:.2f} ms, worst {taken[-1] * 1e3:.2f} ms")
    assert taken[len(taken) // 2] <= 0.010  # 0.050 is the promise; it grows with the number of layers, here two
