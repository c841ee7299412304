"""Rewards by rule: each value worked out by hand."""

from __future__ import annotations

import math
import time

import pytest

from studio.errors import ConfigError
from studio.train.rewards import REWARDS, mean_reward, named, rewards_of
from tests.unit.train.methods import spec_of

DOSE = 'json_schema: {"$defs": {"d": {"type": "number"}}, "properties": {"dose": {"$ref": "#/$defs/d"}}}'


def reward(line: str, answer: str, expected: str | None = None) -> float | None:
    (found,) = rewards_of([line])
    return found.of(answer, expected)


@pytest.mark.parametrize(
    ("line", "answer", "expected", "value"),
    [
        ("exact", "  Cataract. ", "cataract", 1.0),
        ("exact", "白内障。", "白内障", 1.0),
        ("exact", "a cataract", "cataract", 0.0),
        ("exact", "6 · 7 = 42, so it is 42.", "42", 1.0),
        ("exact", "４２", "42", 1.0),
        ("exact", "1,200 mg", "1200", 1.0),
        ("exact", "42, no: 43", "42", 0.0),
        ("exact", "anything", None, None),
        ("regex: ^[A-D]\\b", "B, because", None, 1.0),
        ("regex: ^[A-D]\\b", "I say B", None, 0.0),
        ("length: 10-20", "x" * 15, None, 1.0),
        ("length: 10-20", "x" * 5, None, 0.5),
        ("length: 10-20", "x" * 40, None, 0.5),
        ("length: 10-20", "", None, 0.0),
        ("format", "<think>hm</think><answer>B</answer>", None, 1.0),
        ("format", "<answer>B</answer><think>hm</think>", None, 0.5),
        ("format", "<think>hm</think> B", None, 0.5),
        ("format: 推理，答案", "<推理>一</推理><答案>二</答案>", None, 1.0),
        ("format", "<think><think></think><answer></answer>", None, 0.5),
        ('json_schema: {"required": ["dose"]}', '{"dose": 5}', None, 1.0),
        ('json_schema: {"required": ["dose"]}', '```json\n{"dose": 5}\n```', None, 1.0),
        ('json_schema: {"required": ["dose"]}', '{"drug": "A"}', None, 0.5),
        ('json_schema: {"required": ["dose"]}', "dose: 5", None, 0.0),
        ("json_schema", "[" * 100_000, None, 0.0),
        (DOSE, '{"dose": 5}', None, 1.0),
        (DOSE, '{"dose": "5"}', None, 0.5),
        ('json_schema: {"$ref": "#"}', "5", None, 0.5),
        ('json_schema: {"pattern": "^[A-D]$"}', '"B"', None, 1.0),
        ('json_schema: {"pattern": "^[A-D]$"}', '"E"', None, 0.5),
    ],
)
def test_values(line: str, answer: str, expected: str | None, value: float | None) -> None:
    assert reward(line, answer, expected) == value


def test_every_reward_stays_between_0_and_1_whatever_is_written() -> None:
    lines = ["exact", "regex: a+", "length: 1-5", "format", "json_schema"]
    assert {line.split(":")[0] for line in lines} == set(REWARDS)
    for answer in ("", "\x00", "a" * 10_000, "</think><think>", "null", "-", "NaN", "🙂"):
        for found in rewards_of(lines):
            value = found.of(answer, "1")
            assert value is not None
            assert 0 <= value <= 1


def test_weights_and_what_says_nothing() -> None:
    rewards = rewards_of(["3 × exact", "length: 1-4"])
    assert [one.weight for one in rewards] == [3, 1]
    assert mean_reward(rewards, "42", "42") == 1
    assert mean_reward(rewards, "43", "42") == 0.25
    assert mean_reward(rewards, "43", None) == 1, "without a known answer only the length says something"
    assert math.isnan(mean_reward(rewards_of(["exact"]), "43", None))
    assert named(rewards[0])(completions=["42", "43"], expected=["42", None], prompts=[]) == [1.0, None]


def test_a_pattern_that_never_ends_is_no_hit_and_no_wait() -> None:
    began = time.monotonic()
    assert reward("regex: (a|aa)+$", "a" * 60 + "b") == 0.0
    assert reward('json_schema: {"pattern": "(a|aa)+$"}', '"' + "a" * 60 + 'b"') == 0.5
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("praise", "error.train.unknown_reward"),
        ("length: few", "error.train.bad_reward"),
        ("length: 20-10", "error.train.bad_reward"),
        ("regex: (", "error.train.bad_reward"),
        ("regex", "error.train.bad_reward"),
        ("json_schema: {", "error.train.bad_reward"),
        ('json_schema: {"type": 7}', "error.train.bad_reward"),
        ('json_schema: {"$ref": "#/nowhere"}', "error.train.bad_reward"),
        ('json_schema: {"$ref": "http://127.0.0.1:9/schema"}', "error.train.bad_reward"),
        ("0 × exact", "error.train.no_reward"),
    ],
)
def test_lines_that_cannot_be_read_say_so(line: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rewards_of([line])
    assert (caught.value.key, caught.value.field) == (key, "rewards")


def test_groups_have_to_come_out_even() -> None:
    assert spec_of(stage="grpo", per_device_batch_size=8, answers_each=4).problems() == []
    (problem,) = spec_of(stage="grpo", per_device_batch_size=6, answers_each=4).problems()
    assert (problem.key, problem.field) == ("error.train.grpo_batch", "answers_each")
    (problem,) = spec_of(stage="grpo", method="full", kl_beta=0.1, per_device_batch_size=8).problems()
    assert problem.key == "error.train.grpo_kl"
