"""What the attempts before this one told, as this one needs it: nothing is computed twice, and nothing is told twice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime

from studio.ids import parse_time
from studio.jobs.events import Event, plain_float
from studio.train.detectors import Evaluation, Step

__all__ = ["base_loss", "evaluation_seconds", "seconds_before", "seen_before", "step_seconds"]


def base_loss(history: Sequence[Event]) -> float | None:
    """The validation loss of the base, in nats per token; None when no attempt has told it."""
    told = [event for event in history if event.kind == "evaluated" and event.body["step"] == 0]
    return plain_float(told[-1].body["loss"]) if told else None


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
        if event.kind == "evaluated" and 0 < body["step"] <= upto:
            evaluations[body["step"]] = Evaluation(body["step"], plain_float(body["loss"]))
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
        if event.kind == "evaluated" and event.attempt == before.attempt
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
