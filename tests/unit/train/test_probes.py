"""Probes: the set as it is shipped, its rough check, and a run that answers at its start and at every evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from studio.data.render import Template
from studio.train.probes import general_probes, probes_of, timeline
from studio.train.spec import Probes, TrainSpec
from tests.unit.train.runs import Training, largest_difference

NewTraining = Callable[..., Training]


def test_the_general_set_is_sixty_questions_half_of_them_chinese_and_the_few_are_twelve_of_them() -> None:
    everything, few = general_probes(Probes.ALL), general_probes(Probes.FEW)
    assert Counter(probe.lang for probe in everything) == {"en": 30, "zh": 30}
    assert Counter(probe.lang for probe in few) == {"en": 6, "zh": 6}
    assert {probe.topic for probe in few if probe.lang == "en"} == {probe.topic for probe in few if probe.lang == "zh"}
    assert len({probe.id for probe in everything}) == len({probe.question for probe in everything}) == 60
    assert general_probes(Probes.NONE) == []


def test_no_question_gives_its_own_answer_away() -> None:
    """A model that only repeats the question must not pass, but for a choice of two that the question names."""
    echoing = [probe.id for probe in general_probes(Probes.ALL) if probe.passes(probe.question)]
    assert set(echoing) == TWO_CHOICES | ABOUT_FORM


#: Questions about the form of an answer, which the question happens to have as well.
ABOUT_FORM = {"en19", "en21", "zh20", "zh21"}

#: Questions that name the right answer beside a wrong one.
TWO_CHOICES = {"en01", "en03", "en11", "zh01", "zh03", "zh11", "zh26"}


@pytest.mark.parametrize(
    ("probe", "answer", "passes"),
    [
        ("en12", "It is Paris.", True),
        ("en12", "It is Lyon.", False),
        ("en20", "hello", False),
        ("en20", "HELLO!", True),
        ("en03", "I know.", False),
        ("en07", "112", False),
    ],
)
def test_an_answer_passes_when_it_holds_what_is_expected(probe: str, answer: str, passes: bool) -> None:
    [found] = [item for item in general_probes(Probes.ALL) if item.id == probe]
    assert found.passes(answer) is passes


def test_a_run_answers_at_its_start_and_at_every_evaluation(new_training: NewTraining) -> None:
    run = new_training(probes="few", own_probes=["What is 3 times 3?"])
    run.finished()
    told = run.bodies("probe_answered")
    assert Counter(body["step"] for body in told) == dict.fromkeys([0, 3, 6, 9, 12], 13)
    shown = timeline(run.spec["own_probes"], told)
    assert shown.steps == [0, 3, 6, 9, 12]
    probe, answers = shown.answers[0]
    assert (probe.question, probe.passes("nine")) == ("What is 3 times 3?", None)
    assert all(answer is not None for answer in answers)
    assert shown.checked == 12
    assert len(shown.passed) == 5


def test_questions_leave_the_numbers_of_a_run_as_they_were(new_training: NewTraining, untouched: Training) -> None:
    """With dropout: an answer that drew a random number would change every step after it."""
    run = new_training(probes="few")
    run.finished()
    assert largest_difference(run, untouched) == 0.0


def test_a_resumed_run_answers_what_is_missing_and_not_what_it_told(new_training: NewTraining) -> None:
    run = new_training(probes="few")
    run.killed(at="after", kind="step_finished", step=8)
    run.finished()
    assert Counter(body["step"] for body in run.bodies("probe_answered")) == dict.fromkeys([0, 3, 6, 9, 12], 12)


def test_answers_are_those_of_one_question_alone(tiny_base_folder: Path) -> None:
    """Padded on the left among others, an answer is what the model gives to this question alone; in float32."""
    from transformers import AutoModelForCausalLM

    from studio.train.answers import greedy_answers

    model = AutoModelForCausalLM.from_pretrained(tiny_base_folder, dtype=torch.float32).eval()
    template = Template.load(tiny_base_folder)
    questions = ["Why?", "How long may I wear contact lenses without a break?", "眼睛干怎么办？"]
    together = greedy_answers(model, template, questions, max_new_tokens=12, may_go_on=lambda: True)
    alone = []
    for question in questions:
        ids = template.prompt_ids([{"role": "user", "content": question}])
        for _ in range(12):
            token = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
            ids.append(token)
            if token in template.end_ids:
                break
        new = ids[len(template.prompt_ids([{"role": "user", "content": question}])) :]
        alone.append(template.tokenizer.decode([token for token in new if token not in template.end_ids]).strip())
    assert together == alone


def test_a_person_is_asked_for_lines_and_a_spec_holds_a_list() -> None:
    spec = TrainSpec.model_validate(
        {
            "name": "a",
            "base": {"id": "b", "revision": "0"},
            "dataset": {"id": "d", "revision": 1, "hash": "0"},
            "own_probes": "One?\n\n Two? \n",
            "probes": "none",
        }
    )
    assert [probe.question for probe in probes_of(spec)] == ["One?", "Two?"]
