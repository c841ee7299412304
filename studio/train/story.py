"""The life of a run as it is told afterwards: what was noticed, what it answered, where it comes from, what was done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.access.tables import links
from studio.data.rows import last_answer, last_question
from studio.data.service import DataService
from studio.data.store import DatasetInfo
from studio.db import Database
from studio.engine.tables import chats
from studio.errors import NotFoundError
from studio.jobs.queue import JobService
from studio.jobs.tables import run_datasets
from studio.models.catalogue import Base, ModelService
from studio.train.model_card import CardFacts, model_card
from studio.train.probes import Timeline, timeline
from studio.train.service import Checkpoint, Origin, Run, TrainService

__all__ = ["Difference", "Lineage", "Noticed", "NoticedRow", "StoryService"]

#: Rows of a finding that are shown with their texts, and characters of each text.
_ROWS = 8
_CHARS = 400

#: Fields of a spec that are no setting.
_NO_SETTING = ("kind", "schema", "then", "name")


@dataclass(frozen=True)
class NoticedRow:
    """A row of the batch, by the id of the version that was trained on; both texts are empty where it has been purged."""

    row_id: int
    question: str
    answer: str


@dataclass(frozen=True)
class Noticed:
    """What a detector told: `detect.<key>` with `params`, at a step. `n_rows` counts all the rows it named."""

    key: str
    step: int
    params: dict[str, Any]
    rows: list[NoticedRow]
    n_rows: int


@dataclass(frozen=True)
class Lineage:
    """Where a run comes from, and what was done with its checkpoints: `used` counts chats and links to demos.

    `facts` is what the training told of device, versions and memory; empty until it began.
    """

    run: Run
    dataset: DatasetInfo
    base: Base
    origin: Origin | None
    facts: dict[str, Any]
    checkpoints: Sequence[Checkpoint]
    used: dict[str, int]
    same_data: list[Run] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """A setting in which runs differ, or which they share; a value for each run, in their order."""

    name: str
    values: list[Any]

    @property
    def differs(self) -> bool:
        return any(value != self.values[0] for value in self.values[1:])


class StoryService:
    def __init__(self, db: Database, data: DataService, models: ModelService, jobs: JobService, train: TrainService) -> None:
        self._db = db
        self._data = data
        self._models = models
        self._jobs = jobs
        self._train = train

    @allows("run.read")
    def timeline(self, actor: Actor, run_id: str) -> Timeline:
        """What the run answered at its start and at its evaluations."""
        run = self._train.get(actor, run_id)
        return timeline(run.spec.get("own_probes", []), self._jobs.events(actor, run.job.id, ["probe_answered"]))

    @allows("run.read")
    def noticed(self, actor: Actor, run_id: str) -> list[Noticed]:
        """What the detectors told, by step; what an attempt did again counts as it was told first."""
        run = self._train.get(actor, run_id)
        found: dict[tuple[str, int], Noticed] = {}
        for event in self._jobs.events(actor, run.job.id, ["warned"]):
            if not event["key"].startswith("detect."):
                continue
            key, step = event["key"].removeprefix("detect."), int(event["params"]["step"])
            rows = [self._row(actor, row_id) for row_id in event["rows"][:_ROWS]]
            found.setdefault((key, step), Noticed(key, step, event["params"], rows, len(event["rows"])))
        return sorted(found.values(), key=lambda one: one.step)

    def _row(self, actor: Actor, row_id: int) -> NoticedRow:
        try:
            row = self._data.row(actor, row_id)
        except NotFoundError:  # purged
            return NoticedRow(row_id, "", "")
        question, answer = last_question(row.kind, row.content), last_answer(row.kind, row.content)
        return NoticedRow(row_id, (question or "")[:_CHARS], (answer or "")[:_CHARS])

    @allows("run.read")
    def lineage(self, actor: Actor, run_id: str) -> Lineage:
        run = self._train.get(actor, run_id)
        told = [event for event in self._jobs.events(actor, run.job.id, ["phase_changed"]) if event["phase"] == "training"]
        facts = told[-1].get("facts", {}) if told else {}
        with self._db.read() as connection:
            used = {
                "chats": connection.execute(_naming(chats.c.models, run_id)).scalar_one(),
                "links": connection.execute(_naming(links.c.target, run_id)).scalar_one(),
            }
        return Lineage(
            run=run,
            dataset=self._data.get(actor, run.dataset_id),
            base=self._models.get(actor, run.base_id),
            origin=self._train.origin(actor, run.spec.get("start_from", "")),
            facts=facts,
            checkpoints=self._train.checkpoints(actor, run_id),
            used={name: int(count) for name, count in used.items()},
            same_data=[other for other in self.trained_on(actor, run.dataset_id) if other.id != run_id],
        )

    @allows("run.read")
    def trained_on(self, actor: Actor, dataset_id: str) -> list[Run]:
        """Runs on any revision of a dataset, newest first."""
        used = sa.select(run_datasets.c.run_id).where(run_datasets.c.dataset_id == dataset_id)
        with self._db.read() as connection:
            found = set(connection.execute(used).scalars())
        return [run for run in self._train.list(actor) if run.id in found]

    @allows("run.read")
    def card(self, actor: Actor, run_id: str, *, merged: bool = False) -> str:
        """The card of a run's best checkpoint in Hugging Face form: a YAML header, then Markdown in the actor's language.
        `merged`: it is for a model of its own, not for an adapter.
        """
        lineage = self.lineage(actor, run_id)
        noticed = [(one.key, one.params) for one in self.noticed(actor, run_id)]
        known = (lineage.run, lineage.dataset, lineage.base, lineage.origin, lineage.facts, noticed)
        return model_card(CardFacts(*known, is_whole=merged or lineage.run.method == "full"), actor.lang)

    @allows("run.read")
    def compare(self, actor: Actor, run_ids: Sequence[str]) -> list[Difference]:
        """The settings of several runs side by side, in the order of the spec."""
        specs = [self._told(actor, self._train.get(actor, run_id)) for run_id in run_ids]
        names = [name for name in dict.fromkeys(name for spec in specs for name in spec) if name not in _NO_SETTING]
        return [Difference(name, [_shown(spec.get(name)) for spec in specs]) for name in names]

    def _told(self, actor: Actor, run: Run) -> dict[str, Any]:
        """A run's settings with the name of what it began with in the place of an id."""
        origin = self._train.origin(actor, run.spec.get("start_from", ""))
        return run.spec | ({"start_from": f"{origin.run.name} · {origin.step}"} if origin else {})


def _naming(column: Any, run_id: str) -> sa.Select[Any]:
    """How many rows name the run in a JSON column: a run's id is random enough to stand nowhere else."""
    return sa.select(sa.func.count()).where(sa.cast(column, sa.Text).contains(run_id, autoescape=True))


def _shown(value: Any) -> Any:
    """A base or a dataset by its id and state."""
    if isinstance(value, dict):
        return f"{value['id']} · {value['revision']}"
    return ", ".join(value) if isinstance(value, list) else value
