"""What the attempts before this one told, as this one needs it: nothing is computed twice, and nothing is told twice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime

from studio.ids import parse_time
from studio.jobs.events import Event, plain_float
from studio.train.detectors import Evaluation, Step

__all__ = ["answer_length", "base_loss", "base_scores", "evaluation_seconds", "seconds_before", "seen_before", "step_seconds"]


def base_loss(history: Sequence[Event]) -> float | None:
    """The validation loss of the base, in nats per token; None when no attempt has told it."""
    told = _evaluated(history, 0)
    return plain_float(told[-1].body["loss"]) if told else None


def base_scores(history: Sequence[Event]) -> dict[str, float]:
    """What else was told of the base on the validation rows."""
    told = _evaluated(history, 0)
    return {name: plain_float(value) for name, value in told[-1].body["scores"].items()} if told else {}


def answer_length(history: Sequence[Event]) -> float:
    """Characters of the base's answers to the questions, on average; 0 where none were asked."""
    told = _evaluated(history, 0, split="probes")
    return plain_float(told[-1].body["scores"]["chars"]) if told else 0.0


def _evaluated(history: Sequence[Event], step: int | None = None, *, split: str = "validation") -> list[Event]:
    """Evaluations of a split, of one step or of all; earlier studios evaluated nothing else and did not always say so."""
    found = [event for event in history if event.kind == "evaluated" and event.body.get("split", "validation") == split]
    return [event for event in found if step is None or event.body["step"] == step]


def seen_before(history: Sequence[Event], upto: int) -> tuple[list[str], list[Step], list[Evaluation]]:
    """What the detectors told, and the steps and evaluations until step `upto`, each as it was done last."""
    steps: dict[int, Step] = {}
    evaluations: dict[int, Evaluation] = {}
    for event in history:
        body = event.body
        if event.kind == "step_finished" and body["step"] <= upto:
            norm = body.get("grad_norm")
            norm = None if norm is None else plain_float(norm)
            steps[body["step"]] = Step(body["step"], plain_float(body["loss"]), norm, plain_float(body["seconds"]))
        if event.kind == "evaluated" and 0 < body["step"] <= upto and body.get("split", "validation") == "validation":
            scores = {name: plain_float(value) for name, value in body.get("scores", {}).items()}
            evaluations[body["step"]] = Evaluation(body["step"], plain_float(body["loss"]), scores)
    told = [event.body["key"].removeprefix("detect.") for event in history if event.kind == "warned"]
    return told, [steps[step] for step in sorted(steps)], [evaluations[step] for step in sorted(evaluations)]


def step_seconds(history: Sequence[Event], n: int) -> list[float]:
    """Of the last `n` steps."""
    return [plain_float(event.body["seconds"]) for event in history if event.kind == "step_finished"][-n:]


def evaluation_seconds(history: Sequence[Event]) -> float:
    """Of the last evaluation, from the line before its own; 0 when there was none."""
    times = [
        (parse_time(event.at) - parse_time(before.at)).total_seconds()
        for before, event in itertools.pairwise(history)
        if event.kind == "evaluated" and event.body.get("split", "validation") == "validation" and event.attempt == before.attempt
    ]
    return max(0.0, times[-1]) if times else 0.0


def seconds_before(history: Sequence[Event]) -> float:
    """Seconds that the earlier attempts took, each from its first event to its last; the time between them counts for none."""
    spans: dict[int, tuple[datetime, datetime]] = {}
    for event in history:
        at = parse_time(event.at)
        first, _ = spans.get(event.attempt, (at, at))
        spans[event.attempt] = (first, at)
    return sum(max(0.0, (last - first).total_seconds()) for first, last in spans.values())
