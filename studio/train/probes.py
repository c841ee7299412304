"""Questions that a run answers at its start and at every evaluation, so that one sees what it learns and what it forgets.

    assets/probes/general.jsonl   60 general ones, half English, half Chinese; 12 of them are the few
    own_probes of the spec        a person's own

Knows no model: `studio/train/answers.py` makes the answers. A general question knows words one of which a sound answer holds:
a rough check, good for seeing a fall over a run, not for comparing models.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.settings import ROOT
from studio.train.spec import Probes, TrainSpec

__all__ = ["GENERAL_FILE", "Answered", "Probe", "Timeline", "general_probes", "probes_of", "timeline"]

#: Words of so few letters stand in many longer ones.
_SHORT = 3

GENERAL_FILE = ROOT / "assets" / "probes" / "general.jsonl"


@dataclass(frozen=True)
class Probe:
    """`expects`: a sound answer holds one of these, upper and lower case alike unless it is written in capitals; () says
    nothing.
    """

    id: str
    question: str
    lang: str = ""
    topic: str = "own"
    expects: tuple[str, ...] = ()

    def passes(self, answer: str) -> bool | None:
        """Whether `answer` holds what is expected; None where nothing is."""
        if not self.expects:
            return None
        return any(_holds(answer, word) for word in self.expects)


def _holds(answer: str, word: str) -> bool:
    """A word of Latin letters or digits begins where no other one goes on; a short one ends there as well: 7 is not in 17, and
    "no" is not in "know".
    """
    if not word.isascii() or not word[0].isalnum():
        return word in answer
    end = r"(?![A-Za-z0-9])" if len(word) <= _SHORT else ""
    sense = 0 if word.isupper() else re.IGNORECASE
    return re.search(rf"(?<![A-Za-z0-9.]){re.escape(word)}{end}", answer, sense) is not None


@dataclass(frozen=True)
class Answered:
    """`passed` as `Probe.passes` says; `changed`: the text is another one than at the evaluation before."""

    step: int
    text: str
    passed: bool | None
    changed: bool


@dataclass(frozen=True)
class Timeline:
    """Of one run: its evaluations by step, 0 for the base, and every question with its answers in that order (None where one
    was not given). `passed` counts, by step, the sound answers of those that can be checked, of which there are `checked`.
    """

    steps: list[int]
    answers: list[tuple[Probe, list[Answered | None]]]
    passed: list[int] = field(default_factory=list)
    checked: int = 0


@functools.cache
def _general() -> tuple[tuple[Probe, bool], ...]:
    """Each with whether it is one of the few."""
    found = []
    for line in GENERAL_FILE.read_text("utf-8").splitlines():
        facts = json.loads(line)
        few = facts.pop("few")
        found.append((Probe(**facts | {"expects": tuple(facts["expects"])}), few))
    return tuple(found)


def general_probes(which: Probes) -> list[Probe]:
    return [probe for probe, few in _general() if which == Probes.ALL or (few and which == Probes.FEW)]


def probes_of(spec: TrainSpec) -> list[Probe]:
    """A person's own first."""
    return _own(spec.own_probes) + general_probes(spec.probes)


def _own(questions: Sequence[str]) -> list[Probe]:
    return [Probe(f"own{number}", question) for number, question in enumerate(questions, 1)]


def timeline(own: Sequence[str], told: Sequence[dict[str, Any]]) -> Timeline:
    """From a run's own questions and the bodies of its `probe_answered` events, oldest first; a step that was done again counts
    as it was last.
    """
    texts: dict[tuple[str, int], str] = {(body["probe"], body["step"]): body["text"] for body in told}
    steps = sorted({step for _, step in texts})
    found = Timeline(steps, [])
    for probe in _own(own) + general_probes(Probes.ALL):
        row: list[Answered | None] = []
        before: str | None = None
        for step in steps:
            text = texts.get((probe.id, step))
            row.append(None if text is None else Answered(step, text, probe.passes(text), before is not None and text != before))
            before = text if text is not None else before
        if any(row):
            found.answers.append((probe, row))
    checked = [row for probe, row in found.answers if probe.expects]
    counts = [sum(bool(row[at] and row[at].passed) for row in checked) for at in range(len(steps))]  # type: ignore[union-attr]
    return Timeline(steps, found.answers, counts, len(checked))
