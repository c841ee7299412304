"""Every fine-tuning method trains the tiny model for real: what it starts from, learns and leaves, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.data.render import Template
from studio.engine.transformers_engine import TransformersEngine
from studio.errors import ConfigError, EngineError
from studio.train.estimates import Shapes, shapes_of
from studio.train.methods import METHODS
from studio.train.model import Device, adapted_model
from studio.train.spec import TrainSpec
from tests.unit.train.methods import sizes_of, spec_of
from tests.unit.train.runs import Training, largest_difference

New = Callable[..., Training]

CPU = Device("cpu", False)

#: Learning rates at which the tiny model of random weights learns something in 12 steps.
RATES = {"full": 5e-3, "ia3": 0.3, "prefix_tuning": 0.1, "prompt_tuning": 0.3, "p_tuning": 2e-2, "adalora": 2e-2}


@pytest.fixture(scope="module")
def trained(new_training: New) -> Callable[[str], Training]:
    """A method's run of 12 steps, trained once."""
    made: dict[str, Training] = {}

    def run(method: str) -> Training:
        if method not in made:
            made[method] = new_training(method=method, learning_rate=RATES.get(method, 5e-3), first_rank=6)
            made[method].finished()
        return made[method]

    return run


def base_of(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


IDS = torch.tensor([[5, 17, 33, 64, 101, 7, 9, 300]])


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return model(input_ids=IDS).logits[:, -IDS.shape[1] :].float()


# --- before the first step --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_step_0_is_the_base_where_it_is_promised(method: str, tiny_base_folder: Path) -> None:
    """Oracle: LoRA's B, AdaLoRA's Λ are 0, (IA)³'s vectors 1: h = Wx exactly (arXiv:2106.09685, section 4.1)."""
    bits = 16 if method != "qlora" else 4
    model = adapted_model(tiny_base_folder, spec_of(method=method, precision="float32", bits=bits), CPU).eval()
    reference = base_of(tiny_base_folder)
    if bits == 4:
        with model.disable_adapter():
            expected = logits(model)
    else:
        expected = logits(reference)
    same = torch.equal(logits(model), expected)
    assert same == METHODS[method].starts_as_base


@pytest.mark.parametrize("method", METHODS)
def test_it_trains_as_many_parameters_as_it_says(method: str, tiny_base_folder: Path) -> None:
    shapes = shapes_of(tiny_base_folder)
    assert shapes is not None
    values = {"method": method, "lora_rank": 3, "first_rank": 5, "virtual_tokens": 7, "bits": 4 if method == "qlora" else 16}
    model = adapted_model(tiny_base_folder, spec_of(**values, precision="float32"), CPU)
    found = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert found == sum(sizes_of(shapes, **values)) > 0


def test_counts_of_llama_7b_from_its_config_on_the_meta_device() -> None:
    """Oracle: r = 8 on q and v of LLaMA-7B: 4,194,304; on q, k, v, o: 8,388,608; on all linear layers: 19,988,480."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = LlamaConfig(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32, vocab_size=32000,
        tie_word_embeddings=False,
    )  # fmt: skip
    for targets, expected in (("q_proj, v_proj", 4_194_304), ("q_proj k_proj,v_proj;o_proj", 8_388_608), ("", 19_988_480)):
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
            spec = spec_of(lora_rank=8, target_modules=targets)
            adapted = spec.how.applied(model, spec, 1)
        found = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
        assert sum(weight.numel() for weight in found.values()) == expected
        base = {name: weight.shape for name, weight in adapted.get_base_model().named_parameters() if "lora_" not in name}
        names = [name for name, shape in base.items() if len(shape) == 2 and "embed" not in name and "lm_head" not in name]
        shapes = Shapes(tuple((base[name][0], base[name][1]) for name in names), 0, names=tuple(names))
        clean = tuple(name.replace(".base_layer", "") for name in names)
        assert sum(spec.how.sizes(spec, Shapes(shapes.linear, 0, names=clean))) == expected


def test_counts_of_chatglm_6b() -> None:
    """Oracle: ChatGLM-6B, r = 8 on `query_key_value` (4096 → 12288) of 28 layers: 3,670,016, a file of 14.68 MB in float32."""
    names = tuple(f"transformer.layers.{n}.attention.query_key_value.weight" for n in range(28))
    others = tuple(f"transformer.layers.{n}.attention.dense.weight" for n in range(28))
    shapes = Shapes(((12288, 4096),) * 28 + ((4096, 4096),) * 28, 0, names=names + others)
    assert sum(sizes_of(shapes, lora_rank=8, target_modules="query_key_value")) == 3_670_016


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_its_validation_loss_falls(method: str, trained: Callable[[str], Training]) -> None:
    run = trained(method)
    losses = {body["step"]: body["loss"] for body in run.bodies("evaluated")}
    assert losses[12] < losses[0] - 0.01, losses


@pytest.mark.parametrize("method", METHODS)
def test_it_goes_on_exactly(method: str, trained: Callable[[str], Training], new_training: New) -> None:
    untouched = trained(method)
    run = new_training(method=method, learning_rate=RATES.get(method, 5e-3), first_rank=6)
    run.killed(at="after", kind="step_finished", step=8)
    run.finished()
    assert run.bodies("attempt_started")[1] == {"resumed_from_step": 6}
    assert largest_difference(run, untouched) == 0.0


# PEFT looks for modules of the names in AdaLoRA's own pattern, which names tensors, and then loads it all the same.
@pytest.mark.filterwarnings("ignore:The following rank_pattern keys did not match:RuntimeWarning")
@pytest.mark.parametrize("method", [name for name in METHODS if name != "full"])
def test_its_checkpoint_loads_in_plain_peft(
    method: str, trained: Callable[[str], Training], tiny_base_folder: Path
) -> None:
    """And answers there as the model did that was trained: the validation loss that was told, within rounding."""
    from peft import PeftModel

    run = trained(method)
    spec = TrainSpec.model_validate(run.spec)
    folder = run.folder.checkpoint(12)
    model = PeftModel.from_pretrained(base_of(tiny_base_folder), str(folder)).eval()
    ours = adapted_model(tiny_base_folder, spec.model_copy(update={"bits": 16}), CPU, 12).eval()
    spec.how.load(ours, folder)
    assert torch.allclose(logits(model), logits(ours), atol=1e-5)
    if method != "qlora":
        assert not torch.allclose(logits(model), logits(base_of(tiny_base_folder)), atol=1e-3)


@pytest.fixture(scope="module")
def engine(tiny_base_folder: Path, trained: Callable[[str], Training]) -> Iterator[TransformersEngine]:
    """It finds a method's checkpoint by the method's name."""
    made = TransformersEngine(
        tiny_base_folder,
        device="cpu",
        dtype="float32",
        resolve=lambda name: trained(name).folder.checkpoint(12) if name in METHODS else None,
        template=Template.load(tiny_base_folder),
    )
    yield made
    made.close()


def told(model: Any) -> list[float]:
    """Log-probabilities of the second and later tokens of `IDS`."""
    with torch.no_grad():
        rows = model(input_ids=IDS).logits[0, -IDS.shape[1] :].float().log_softmax(-1)
    return [float(rows[at, IDS[0, at + 1]]) for at in range(IDS.shape[1] - 1)]


@pytest.mark.filterwarnings("ignore:The following rank_pattern keys did not match:RuntimeWarning")
def test_every_checkpoint_answers_in_the_engine_as_it_does_in_plain_libraries(
    engine: TransformersEngine, trained: Callable[[str], Training], tiny_base_folder: Path
) -> None:
    """One after another in one engine and in turn: no method leaves anything behind in the base that they share."""
    from peft import PeftModel

    def scores(name: str) -> list[float]:
        found = engine.score(name, IDS[0].tolist(), top=1).token_logprobs
        return [value for value in found if value is not None]

    base = told(base_of(tiny_base_folder))
    for name in (*METHODS, *reversed(METHODS)):
        folder = trained(name).folder.checkpoint(12)
        plain = base_of(folder if name == "full" else tiny_base_folder)
        plain = plain if name == "full" else PeftModel.from_pretrained(plain, str(folder)).eval()
        assert scores(name) == pytest.approx(told(plain), abs=1e-4), name
        assert scores("base") == pytest.approx(base, abs=1e-5), name


def test_virtual_tokens_take_their_part_of_the_context(engine: TransformersEngine) -> None:
    assert engine.context is not None
    ids = [5] * engine.context
    engine.score("lora", ids, top=0)
    with pytest.raises(EngineError) as caught:
        engine.score("prompt_tuning", ids, top=0)
    assert caught.value.params["context"] == engine.context - 20


def test_a_full_fine_tune_is_a_plain_model(trained: Callable[[str], Training], tiny_base_folder: Path) -> None:
    run = trained("full")
    folder = run.folder.checkpoint(12)
    assert (folder / "tokenizer.json").is_file()
    assert not torch.allclose(logits(base_of(folder)), logits(base_of(tiny_base_folder)), atol=1e-3)


def test_lora_plus_learns_b_faster(tiny_base_folder: Path) -> None:
    spec = spec_of(method="lora_plus", lora_plus_ratio=4.0, learning_rate=1e-3, weight_decay=0.1)
    model = adapted_model(tiny_base_folder, spec, CPU)
    slow, fast = spec.how.groups(model, spec) or []
    assert (slow["lr"], fast["lr"]) == (1e-3, 4e-3)
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert all("lora_A" in names[id(weight)] for weight in slow["params"])
    assert all("lora_B" in names[id(weight)] for weight in fast["params"])


def test_adalora_gives_its_budget_away_as_it_was_asked(trained: Callable[[str], Training]) -> None:
    """6 singular values in each matrix at first, 4 on average at the end, not the same number in each."""
    import json

    config = json.loads((trained("adalora").folder.checkpoint(12) / "adapter_config.json").read_text())
    kept = [sum(values) for values in config["rank_pattern"].values()]
    assert sum(kept) == pytest.approx(4 * len(kept), abs=len(kept) / 2)
    assert len(set(kept)) > 1


@pytest.mark.parametrize("optimizer", ["paged_adamw", "paged_adamw_8bit", "lion", "lion_8bit", "adafactor", "sgd"])
def test_optimizers_by_name(optimizer: str, new_training: New) -> None:
    rate = {"sgd": 1.0, "lion": 2e-3, "lion_8bit": 2e-3}.get(optimizer, 1e-2)
    run = new_training(optimizer=optimizer, learning_rate=rate, lora_rank=8, evaluations=1)
    run.finished()
    losses = {body["step"]: body["loss"] for body in run.bodies("evaluated")}
    assert losses[12] < losses[0]


def test_8_bit_bases(new_training: New) -> None:
    run = new_training(bits=8, evaluations=1)
    run.finished()
    assert run.spec["method"] == "qlora"
    losses = {body["step"]: body["loss"] for body in run.bodies("evaluated")}
    assert losses[12] < losses[0]


# --- what does not go together ----------------------------------------------------------------------------------------


def test_lora_on_a_quantised_base_is_qlora() -> None:
    assert spec_of(method="lora", bits=4).method == "qlora"
    assert spec_of(bits=8).method == "qlora"
    assert spec_of(method="qlora").bits == 4
    assert spec_of().method == "lora"


@pytest.mark.parametrize(
    ("values", "key", "field"),
    [
        ({"method": "qlora", "bits": 16}, "error.train.qlora_bits", "bits"),
        ({"method": "full", "bits": 4}, "error.train.not_quantised", "bits"),
        ({"method": "prefix_tuning", "gradient_checkpointing": True}, "error.train.not_recomputed", "gradient_checkpointing"),
        ({"method": "adalora", "lora_rank": 8, "first_rank": 4}, "error.train.first_rank", "first_rank"),
    ],
)
def test_what_a_method_cannot_do_is_said_before(values: dict[str, Any], key: str, field: str) -> None:
    (problem,) = spec_of(**values).problems()
    assert (problem.key, problem.field) == (key, field)


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        spec_of(method="dorra")
    assert (caught.value.key, caught.value.field, caught.value.params["near"]) == ("error.train.unknown_method", "method", "dora")
