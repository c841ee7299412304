"""What people do with what trainings left: write on it, take it away, make it a model of its own, let it go."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.access.tables import links
from studio.db import Database
from studio.engine.tables import chats, engines
from studio.errors import ConfigError, JobError, ModelError, NotFoundError
from studio.ids import now
from studio.jobs.queue import ENDED, insert_job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import checkpoints, jobs, runs
from studio.models.catalogue import Base, ModelService, base_folder, base_id_of
from studio.models.merge import MergeSpec, equality_of
from studio.models.tables import bases
from studio.settings import Settings
from studio.train.packing import files_to_take, zipped
from studio.train.push import PushSpec
from studio.train.service import Checkpoint, Origin, Run, TrainService
from studio.train.spec import method_of
from studio.train.story import StoryService

__all__ = ["Archive", "Dependant", "Held", "ShelfService"]

#: Of a note and of one tag, in characters; tags of one checkpoint.
MAX_NOTE, MAX_TAG, MAX_TAGS = 4_000, 40, 12


@dataclass(frozen=True)
class Dependant:
    """What needs a checkpoint or a model: `shelf.dependant.<kind>` in the catalogues, with `name`. Chats are private and only
    counted: `name` is how many. A model that a checkpoint was merged into needs it no longer.
    """

    kind: Literal["run", "link", "chats"]
    name: str


@dataclass(frozen=True)
class Held:
    """A checkpoint with all that a page tells of it. `merges`: whether it can be made a model of its own."""

    checkpoint: Checkpoint
    run: Run
    base: Base
    origin: Origin | None
    merges: bool
    in_vllm: bool
    models: list[Base]
    dependants: list[Dependant]


@dataclass(frozen=True)
class Archive:
    file_name: str
    chunks: Iterator[bytes]


class ShelfService:
    def __init__(
        self, db: Database, settings: Settings, models: ModelService, train: TrainService, story: StoryService
    ) -> None:
        self._db = db
        self._settings = settings
        self._models = models
        self._train = train
        self._story = story

    # 1 Looking

    @allows("run.read")
    def get(self, actor: Actor, name: str) -> Held:
        """By its name, `run_…@<step>`. Raises NotFoundError for one that is not there (any more)."""
        saved = self._checkpoint(actor, name)
        run = self._train.get(actor, saved.run_id)
        method = method_of(run.spec)
        made = [base for base in self._models.list(actor) if base.source == "merged" and base.ref == saved.name]
        return Held(
            checkpoint=saved,
            run=run,
            base=self._models.get(actor, run.base_id),
            origin=self._train.origin(actor, run.spec.get("start_from", "")),
            merges=method.merges or method.name == "full",
            in_vllm=method.in_vllm or method.name == "full",
            models=made,
            dependants=self._dependants(saved),
        )

    def _checkpoint(self, actor: Actor, name: str) -> Checkpoint:
        run_id, _, step = name.partition("@")
        found = [saved for saved in self._train.checkpoints(actor, run_id) if str(saved.step) == step]
        if not found:
            raise NotFoundError("error.run.no_checkpoint", step=step or "?")
        return found[0]

    def _dependants(self, saved: Checkpoint) -> list[Dependant]:
        """A best checkpoint answers under the run's own name as well."""
        names = [saved.name, *([saved.run_id] if saved.best else [])]
        with self._db.read() as connection:
            others = connection.execute(sa.select(runs.c.name, runs.c.spec).where(runs.c.id != saved.run_id)).mappings()
            found = [Dependant("run", row["name"]) for row in others if row["spec"].get("start_from") == saved.name]
            talked = connection.execute(sa.select(chats.c.models)).scalars()
            if n_chats := sum(bool(set(names) & set(_words(models))) for models in talked):
                found.append(Dependant("chats", str(n_chats)))
            open_links = sa.select(links.c.name, links.c.target).where(links.c.revoked_at.is_(None))
            shared = connection.execute(open_links).mappings()
            found += [Dependant("link", row["name"]) for row in shared if set(names) & set(_words(row["target"]))]
        return found

    @allows("model.read")
    def equality(self, actor: Actor, base_id: str) -> dict[str, Any] | None:
        """How near a merged model is to its checkpoint; None for a model that was not merged here."""
        return equality_of(base_folder(self._settings, self._models.get(actor, base_id).id))

    # 2 Writing on it

    @allows("model.label")
    def label(self, actor: Actor, name: str, *, note: str | None = None, tags: str | None = None) -> None:
        """A note, and tags separated by commas. Raises ConfigError for what is too long."""
        saved = self._checkpoint(actor, name)
        values: dict[str, Any] = {}
        if note is not None:
            if len(note) > MAX_NOTE:
                raise ConfigError("error.shelf.note_long", field="note", most=MAX_NOTE)
            values["note"] = note.strip()
        if tags is not None:
            found = list(dict.fromkeys(tag for part in re.split(r"[,，;；、\n]", tags) if (tag := " ".join(part.split()))))
            if len(found) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in found):
                raise ConfigError("error.shelf.tags", field="tags", most=MAX_TAGS, chars=MAX_TAG)
            values["tags"] = found
        this = sa.and_(checkpoints.c.run_id == saved.run_id, checkpoints.c.step == saved.step)
        if values:
            with self._db.write() as connection:
                connection.execute(checkpoints.update().where(this).values(**values))

    # 3 A model of its own

    @allows("model.merge")
    def merge(self, actor: Actor, name: str, *, request_id: str | None = None) -> str:
        """Queue the merge of a checkpoint into its base; the id of the model that it will be. One is not made twice.

        Raises ModelError for what cannot be merged.
        """
        held = self.get(actor, name)
        if not held.merges:
            raise ModelError("error.model.not_merged", method=held.run.method)
        for base in held.models:
            if base.state != "failed":
                return base.id
        saved, title = held.checkpoint, f"{held.run.name} · {held.checkpoint.step}"
        base_id = f"{base_id_of(held.run.name)[:60]}-{saved.step}-{saved.run_id[-6:]}"
        spec = MergeSpec(base=base_id, source=held.base.id, run=saved.run_id, step=saved.step, checkpoint=saved.path)
        values = {"name": title, "source": "merged", "ref": saved.name, "state": "fetching", "author": actor.user_id}
        numbers = {"revision": "", "architecture": "", "parameters": 0, "bytes": 0, "context": 0, "licence": ""}
        with self._db.write() as connection:
            if connection.execute(sa.select(bases.c.id).where(bases.c.id == base_id)).first() is None:
                made = {"id": base_id, "created_at": now(), "dequantised_from": ""} | values | numbers
                connection.execute(bases.insert().values(**made))
            else:
                connection.execute(bases.update().where(bases.c.id == base_id).values(state="fetching"))
            insert_job(connection, spec=spec.as_dict(), name=title, author=actor.user_id, request_id=request_id)
        return base_id

    # 4 Taking it away

    @allows("model.export")
    def archive(self, actor: Actor, name: str) -> Archive:
        """The checkpoint as a ZIP, with its model card: PEFT's format, or a whole model where all weights were trained."""
        held = self.get(actor, name)
        folder = self._settings.home / held.checkpoint.path
        files = files_to_take(folder) if folder.is_dir() else {}
        if not files:
            raise NotFoundError("error.model.checkpoint_gone", step=held.checkpoint.step)
        card = self._story.card(actor, held.run.id)
        return Archive(_file_name(held.run.name, held.checkpoint.step), zipped(files, {"README.md": card}))

    @allows("model.export")
    def model_archive(self, actor: Actor, base_id: str) -> Archive:
        """A merged model as a ZIP that transformers and vLLM read once it is unpacked. Others' models are not given on."""
        base = self._merged(actor, base_id)
        run_id = base.ref.partition("@")[0]
        files = files_to_take(base_folder(self._settings, base.id))
        return Archive(_file_name(base.name, None), zipped(files, {"README.md": self._story.card(actor, run_id, merged=True)}))

    def _merged(self, actor: Actor, base_id: str) -> Base:
        base = self._models.get(actor, base_id)
        if base.source != "merged" or base.state != "ready":
            raise NotFoundError("error.model.not_own", base=base.name)
        return base

    @allows("model.push")
    def push(self, actor: Actor, name: str, repo: str, *, private: bool = True, request_id: str | None = None) -> str:
        """Queue the upload of a checkpoint, or of a merged model by its id, to `repo` on the hub; the job's id."""
        if not re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", repo.strip()):
            raise ModelError("error.model.bad_ref", field="repo", ref=repo)
        if "@" in name:
            held = self.get(actor, name)
            path, title, card = held.checkpoint.path, held.run.name, self._story.card(actor, held.run.id)
        else:
            base = self._merged(actor, name)
            path, title = self._settings.relative(base_folder(self._settings, base.id)), base.name
            card = self._story.card(actor, base.ref.partition("@")[0], merged=True)
        spec = PushSpec(folder=path, repo=repo.strip(), private=private, card=card)
        with self._db.write() as connection:
            return insert_job(connection, spec=spec.as_dict(), name=title, author=actor.user_id, request_id=request_id)

    # 5 Letting it go

    @allows("model.delete")
    def delete(self, actor: Actor, name: str, *, anyway: bool = False) -> None:
        """A checkpoint, for good. Raises ModelError that names what depends on it unless it shall go `anyway`; JobError while
        its run is at work.
        """
        held = self.get(actor, name)
        if not held.run.job.has_ended:
            raise JobError("error.shelf.at_work", name=held.run.name)
        if held.dependants and not anyway:
            raise _depended_on(held.dependants)
        saved = held.checkpoint
        this = sa.and_(checkpoints.c.run_id == saved.run_id, checkpoints.c.step == saved.step)
        with self._db.write() as connection:
            connection.execute(checkpoints.delete().where(this))
        shutil.rmtree(RunFolder(self._settings.home / "runs" / saved.run_id).checkpoint(saved.step), ignore_errors=True)

    @allows("model.read")
    def model_dependants(self, actor: Actor, base_id: str) -> list[Dependant]:
        """Runs that were trained on a model, and chats with it."""
        with self._db.read() as connection:
            n_chats = connection.execute(sa.select(sa.func.count()).where(chats.c.base_id == base_id)).scalar_one()
            trained = connection.execute(sa.select(runs.c.name).where(runs.c.base_id == base_id)).scalars().all()
        found = [Dependant("run", name) for name in trained]
        return found + ([Dependant("chats", str(n_chats))] if n_chats else [])

    @allows("model.delete")
    def delete_model(self, actor: Actor, base_id: str) -> None:
        """A merged model, for good. Raises ModelError where runs or chats refer to it: they could not be read without it."""
        base = self._models.get(actor, base_id)
        if base.source != "merged":
            raise ModelError("error.model.not_own", base=base.name)
        if dependants := self.model_dependants(actor, base_id):
            raise _depended_on(dependants)
        with self._db.write() as connection:
            working = sa.select(jobs.c.spec).where(jobs.c.kind.in_(("merge", "engine")), jobs.c.state.not_in(ENDED))
            if any(spec.get("base") == base_id for spec in connection.execute(working).scalars()):
                raise JobError("error.shelf.at_work", name=base.name)
            connection.execute(engines.delete().where(engines.c.base_id == base_id))
            connection.execute(bases.delete().where(bases.c.id == base_id))
        shutil.rmtree(base_folder(self._settings, base_id), ignore_errors=True)


def _depended_on(dependants: list[Dependant]) -> ModelError:
    names = [one.name for one in dependants if one.kind != "chats"]
    n_chats = sum(int(one.name) for one in dependants if one.kind == "chats")
    return ModelError("error.shelf.depended_on", names=", ".join(names[:8]) or "–", n=len(names), n_chats=n_chats)


def _words(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _words(item)


def _file_name(name: str, step: int | None) -> str:
    """A run's name as a file's, Chinese as it is."""
    stem = re.sub(r'[\\/:*?"<>|\s]+', "-", name).strip("-.") or "model"
    return f"{stem[:80]}-{step}.zip" if step is not None else f"{stem[:80]}.zip"


