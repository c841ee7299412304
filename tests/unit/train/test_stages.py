"""Every stage trains the tiny model for real: what it begins at, what gets better, how it goes on, and on what rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from studio.data.examples import Example, Reading, examples_of, examples_or_refused
from studio.data.render import Template
from studio.db import Database
from studio.settings import Settings
from studio.train.batches import IGNORED, ExampleRow, TokenRow, TokenRows, collate, pack
from studio.train.loss import summed_nll, summed_nll_plain
from studio.train.model import Device, adapted_model, load_base
from studio.train.rows import rows_of as rows_for
from studio.train.spec import TrainSpec
from studio.train.stages import Parts
from studio.train.stages.dpo import DpoLoss
from tests.unit.train.methods import spec_of
from tests.unit.train.runs import Training, largest_difference

New = Callable[..., Training]

#: Dataset and settings of each stage, with which the tiny model learns something in 12 steps.
STAGES: dict[str, dict[str, Any]] = {
    "sft": {"dataset": "rows"},
    "text": {"dataset": "texts", "max_seq_len": 64, "learning_rate": 2e-2, "max_steps": 12},
    "dpo": {"dataset": "pairs", "learning_rate": 2e-2},
    "kto": {"dataset": "judged", "learning_rate": 2e-2},
    "grpo": {
        "dataset": "tasks", "learning_rate": 3e-2, "rewards": ["length: 1-20"], "answer_tokens": 16, "max_steps": 12,
        "per_device_batch_size": 8,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(new_training: New) -> Callable[[str], Training]:
    made: dict[str, Training] = {}

    def run(stage: str) -> Training:
        if stage not in made:
            made[stage] = new_training(base="apt", stage=stage, **STAGES[stage])
            made[stage].finished()
        return made[stage]

    return run


def evaluations(run: Training, name: str) -> dict[int, float]:
    found = run.bodies("evaluated")
    return {body["step"]: body["loss"] if name == "loss" else body["scores"][name] for body in found if "split" in body}


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_its_validation_loss_falls(stage: str, trained: Callable[[str], Training]) -> None:
    losses = evaluations(trained(stage), "loss")
    assert losses[12] < losses[0] - 0.005


@pytest.mark.parametrize("stage", STAGES)
def test_it_goes_on_exactly(stage: str, trained: Callable[[str], Training], new_training: New) -> None:
    run = new_training(base="apt", stage=stage, **STAGES[stage])
    run.killed(at="after", kind="step_finished", step=8)
    run.finished()
    assert run.bodies("attempt_started")[1] == {"resumed_from_step": 6}
    assert largest_difference(run, trained(stage)) == 0.0


@pytest.mark.parametrize("stage", ["dpo", "kto"])
def test_rewards_part(stage: str, trained: Callable[[str], Training]) -> None:
    run = trained(stage)
    margins = evaluations(run, "margin")
    assert margins[0] == pytest.approx(0.0, abs=1e-6)
    assert margins[12] > 0.01
    chosen, rejected = evaluations(run, "reward_chosen")[12], evaluations(run, "reward_rejected")[12]
    assert margins[12] == pytest.approx(chosen - rejected, abs=1e-6)
    told = [body["scores"] for body in run.bodies("step_finished")]
    assert {"margin", "logp_chosen", "logp_rejected"} <= {name for scores in told for name in scores}


def test_dpo_begins_at_ln_2(trained: Callable[[str], Training]) -> None:
    """Oracle: −log σ(0) = ln 2 = 0.693147 (arXiv:2305.18290, equation 7, with both rewards 0)."""
    run = trained("dpo")
    assert evaluations(run, "loss")[0] == pytest.approx(math.log(2), abs=1e-6)
    assert run.bodies("step_finished")[0]["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert evaluations(run, "accuracy")[12] > 0.9


def test_dpo_of_known_log_probabilities(tiny_base_folder: Path, template: Template, tmp_path: Path) -> None:
    """Oracle: β = .1, policy −8 / −15, reference −10 / −12: loss .47408, rewards +.2 / −.3."""
    spec = spec_of(stage="dpo", beta=0.1, precision="float32", max_steps=1)
    device = Device("cpu", False)
    (pair,) = read("preference", PAIR, template, "dpo")
    rows = TokenRows([ExampleRow(1, pair)])
    base = load_base(tiny_base_folder, spec, device)
    parts = Parts(device, base, template, tiny_base_folder, rows, rows, tmp_path)
    trainer = spec.to_what.trainer(spec, parts, more={"save_strategy": "no"})

    def said(chosen: float, rejected: float) -> Any:
        """A model that gives the two answers these log-probabilities, all on their last token."""

        def model(input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
            log_probs = torch.zeros(2, input_ids.shape[1] - 1)
            log_probs[:, -1] = torch.tensor([chosen, rejected])
            blank = torch.zeros_like(log_probs)
            return SimpleNamespace(log_probs=log_probs, entropy=blank, mean_logits=blank, is_top1=blank.bool())

        model.training = False  # type: ignore[attr-defined]
        return model

    trainer.ref_model = said(-10.0, -12.0)
    trainer.model.eval()
    trainer._metrics["eval"].clear()
    batch = trainer._collate([trainer.train_dataset[0]])
    loss = trainer.compute_loss(said(-8.0, -15.0), batch)
    assert float(loss) == pytest.approx(0.47408, abs=1e-5)
    told = trainer._metrics["eval"]
    assert (told["rewards/chosen"], told["rewards/rejected"]) == ([pytest.approx(0.2)], [pytest.approx(-0.3)])


@pytest.mark.parametrize("loss", [loss.value for loss in DpoLoss if loss not in (DpoLoss.SIGMOID,)])
def test_every_loss_that_trl_takes_parts_the_answers(loss: str, new_training: New) -> None:
    run = new_training(base="apt", stage="dpo", dpo_loss=loss, evaluations=1, max_steps=8, **STAGES["dpo"])
    run.finished()
    margins = evaluations(run, "margin")
    assert margins[8] > margins[0]


@pytest.mark.parametrize("method", ["full", "dora", "adalora", "ia3", "prefix_tuning", "prompt_tuning", "p_tuning", "qlora"])
def test_dpo_with_every_kind_of_method(method: str, new_training: New) -> None:
    """The reference is the adapter off; of a full fine-tune what the base said before the first step; never a second model."""
    rates = {"full": 1e-3, "ia3": 0.1, "prefix_tuning": 0.1, "prompt_tuning": 0.3}
    values = STAGES["dpo"] | {"learning_rate": rates.get(method, 2e-2), "method": method, "first_rank": 6}
    run, again = (new_training(base="apt", stage="dpo", max_steps=6, evaluations=2, **values) for _ in range(2))
    run.finished()
    margins = evaluations(run, "margin")
    assert margins[6] > margins[0]
    again.killed(at="after", kind="step_finished", step=4)
    again.finished()
    assert largest_difference(again, run) == 0.0


# --- going on from a checkpoint ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "dora", "ia3", "prefix_tuning", "full"])
def test_a_run_begins_where_a_checkpoint_ended(method: str, new_training: New) -> None:
    values = {"base": "apt", "dataset": "rows", "method": method, "learning_rate": 1e-2, "max_steps": 4, "evaluations": 1}
    first = new_training(**values, entered=True)
    first.finished()
    second = new_training(**values, start_from=f"{first.name}@4")
    second.finished()
    assert evaluations(second, "loss")[0] == pytest.approx(evaluations(first, "loss")[4], abs=1e-5)


def test_dpo_on_top_of_a_checkpoint_begins_at_ln_2_again(new_training: New) -> None:
    """Its reference is the checkpoint, not the base."""
    values: dict[str, Any] = {"base": "apt", "max_steps": 4, "evaluations": 1}
    first = new_training(**values, dataset="rows", learning_rate=2e-2, entered=True)
    first.finished()
    second = new_training(**values, stage="dpo", dataset="pairs", learning_rate=2e-2, start_from=f"{first.name}@4")
    second.finished()
    assert evaluations(second, "loss")[0] == pytest.approx(math.log(2), abs=1e-6)
    assert evaluations(second, "margin")[4] > 0
    untouched = new_training(**values, stage="dpo", dataset="pairs", learning_rate=2e-2)
    untouched.finished()
    counted = [[event["facts"]["parameters"] for event in run.events if "facts" in event] for run in (first, second)]
    assert counted[0] == counted[1], "the copy that it is compared with is no part of the model"
    assert evaluations(second, "logp_chosen")[0] != pytest.approx(evaluations(untouched, "logp_chosen")[0], abs=1e-2)
    names = {path.name for path in second.folder.checkpoint(4).iterdir()}
    assert "adapter_model.safetensors" in names
    assert "ref" not in names


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tiny_base_folder: Path) -> Template:
    return Template.load(tiny_base_folder)


ASKED = [{"role": "user", "content": "Does it hurt?"}]
GOOD, BAD = [{"role": "assistant", "content": "No."}], [{"role": "assistant", "content": "It may, a lot."}]
PAIR = {"messages": ASKED, "chosen": GOOD, "rejected": BAD}


def read(kind: str, content: dict[str, Any], template: Template, purpose: Any, **more: Any) -> list[Example]:
    return examples_of(kind, content, template, Reading(purpose, **more))


def test_a_pair_is_one_prompt_and_two_answers_with_their_end_tokens(template: Template) -> None:
    (found,) = read("preference", PAIR, template, "dpo")
    prompt = template.decode(found.prompt, skip_special=False)
    assert prompt == "<|im_start|>user\nDoes it hurt?<|im_end|>\n<|im_start|>assistant\n"
    texts = [template.decode(answer, skip_special=False) for answer in found.answers]
    assert texts == ["No.<|im_end|>", "It may, a lot.<|im_end|>"]
    assert (found.n_targets, found.width) == (sum(map(len, found.answers)), len(found.prompt) + len(found.answers[1]))


def test_a_pair_is_learned_by_its_chosen_answer_and_judged_as_two(template: Template) -> None:
    (supervised,) = read("preference", PAIR, template, "sft")
    (chat,) = read("chat", {"messages": ASKED + GOOD}, template, "sft")
    assert supervised == chat
    good, bad = read("preference", PAIR, template, "kto")
    assert (good.label, bad.label) == (True, False)
    assert read("feedback", {"messages": ASKED + GOOD, "label": True}, template, "kto") == [good]


def test_a_long_text_is_learned_in_pieces_and_none_of_it_is_lost(template: Template) -> None:
    text = "The lens bends the light. " * 20
    found = read("text", {"text": text}, template, "text", max_seq_len=32)
    assert all(example.width <= 32 for example in found)
    assert len(found) > 3
    ids = [token for example in found for token in example.answers[0]]
    assert template.decode(ids) == text
    assert ids[-1] == template.eos_id


def test_the_system_prompt_stands_before_what_has_none(template: Template) -> None:
    (found,) = read("chat", {"messages": ASKED + GOOD}, template, "sft", system="Be brief.")
    assert template.decode(found.answers[0], skip_special=False).startswith("<|im_start|>system\nBe brief.<|im_end|>")
    own = {"messages": [{"role": "system", "content": "Own."}, *ASKED, *GOOD]}
    assert read("chat", own, template, "sft", system="Be brief.") == read("chat", own, template, "sft")


@pytest.mark.parametrize(
    ("purpose", "kind", "content", "reason"),
    [
        ("text", "chat", {"messages": ASKED + GOOD}, "data.refused.no_text"),
        ("dpo", "chat", {"messages": ASKED + GOOD}, "data.refused.no_pair"),
        ("dpo", "preference", PAIR | {"rejected": GOOD}, "data.refused.same_answers"),
        ("kto", "chat", {"messages": ASKED + GOOD}, "data.refused.no_label"),
        ("sft", "feedback", {"messages": ASKED + BAD, "label": False}, "data.refused.bad_answer"),
        ("dpo", "preference", PAIR | {"chosen": [{"role": "assistant", "content": "word " * 99}]}, "data.refused.too_long"),
    ],
)
def test_rows_of_another_kind_are_refused_with_the_reason(
    purpose: Any, kind: str, content: dict[str, Any], reason: str, template: Template
) -> None:
    assert examples_or_refused(kind, content, template, Reading(purpose, 64)) == (None, reason)


def test_several_datasets_by_their_weights(new_training: New, training_home: Path) -> None:
    """The first one once; of the second every row twice and the same half of them once more; validation rows once."""
    easy = new_training(dataset="easy").spec["dataset"]
    run = new_training(max_steps=1, evaluations=1, also=[easy | {"weight": 2.5}])
    spec = TrainSpec.model_validate(run.spec)
    db = Database(Settings(home=training_home, device="cpu").url)
    context: Any = SimpleNamespace(settings=Settings(home=training_home, device="cpu"), db=db, folder=run.folder)
    context.resumed_from_step, context.warn = 0, lambda *_: None
    run.folder.path.mkdir(parents=True)
    train, validation, _ = rows_for(context, spec)
    alone, alone_validation, _ = rows_for(context, spec.model_copy(update={"also": []}))
    assert len(train) - len(alone) == 120 * 2 + 60
    assert len(validation) - len(alone_validation) == 12
    times = Counter(row.row_id for row in train.rows)
    assert Counter(times.values()) == {1: len(alone), 2: 60, 3: 60}
    again, _, _ = rows_for(context, spec)
    assert [row.row_id for row in again.rows] == [row.row_id for row in train.rows]
    db.close()


# --- packing ----------------------------------------------------------------------------------------------------------


def rows_of(lengths: Sequence[int], seed: int) -> list[TokenRow]:
    draw = torch.Generator().manual_seed(seed)
    made = []
    for number, length in enumerate(lengths):
        ids = torch.randint(5, 300, (length,), generator=draw).tolist()
        made.append(TokenRow(number, ids, [IGNORED] * 2 + ids[2:]))
    return made


@pytest.fixture(scope="module")
def model(tiny_base_folder: Path) -> Any:
    adapted = adapted_model(tiny_base_folder, spec_of(precision="float32"), Device("cpu", False)).eval()
    torch.manual_seed(1)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return adapted


@pytest.mark.parametrize("nll", [summed_nll, summed_nll_plain])
def test_packed_rows_have_the_losses_of_padded_ones(nll: Any, model: Any) -> None:
    rows = rows_of((9, 21, 4, 13), seed=3)
    with torch.no_grad():
        padded, packed = nll(model, collate(rows, 0)), nll(model, pack(rows))
    assert packed.n_targets == padded.n_targets
    assert packed.by_row.tolist() == pytest.approx(padded.by_row.tolist(), abs=1e-5)
    assert float(packed.total) == pytest.approx(float(padded.total), rel=1e-6)


def test_changing_one_row_of_a_pack_leaves_the_losses_of_the_others(model: Any) -> None:
    rows = rows_of((9, 21, 4, 13), seed=3)
    other = rows_of((9, 21, 4, 13), seed=4)
    before = summed_nll(model, pack(rows)).by_row.tolist()
    for changed in range(len(rows)):
        after = summed_nll(model, pack([*rows[:changed], other[changed], *rows[changed + 1 :]])).by_row.tolist()
        assert after[changed] != pytest.approx(before[changed], abs=1e-3)
        kept = [at for at in range(len(rows)) if at != changed]
        assert [after[at] for at in kept] == pytest.approx([before[at] for at in kept], abs=1e-6)


def test_a_packed_training_is_the_padded_one(new_training: New) -> None:
    padded, packed = (new_training(lora_dropout=0.0, packing=packing, max_steps=6) for packing in (False, True))
    for run in (padded, packed):
        run.finished()
    assert largest_difference(packed, padded) < 1e-4


@pytest.mark.parametrize("values", [{"neftune_alpha": 5.0}, {"group_by_length": False}])
def test_noise_and_any_order_go_on_exactly(values: dict[str, Any], new_training: New) -> None:
    plain, whole, run = new_training(), new_training(**values), new_training(**values)
    for one in (plain, whole):
        one.finished()
    assert largest_difference(whole, plain) > 1e-4
    run.killed(at="after", kind="step_finished", step=7)
    run.finished()
    assert largest_difference(run, whole) == 0.0
