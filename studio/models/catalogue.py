"""The base models that are here: list them, add one. Fetching itself is a job (`fetch.py`)."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.db import Database
from studio.errors import ModelError, NotFoundError
from studio.ids import now
from studio.jobs.queue import ENDED, insert_job
from studio.jobs.spec import Spec
from studio.jobs.tables import jobs
from studio.models.tables import bases
from studio.settings import Settings
from studio.text import is_plain

__all__ = ["STARTER_ID", "TOKENIZER_FILES", "Base", "FetchSpec", "ModelService", "base_folder", "base_id_of", "check_folder"]

STARTER_ID = "smollm2-135m-instruct"
STARTER_REF = "HuggingFaceTB/SmolLM2-135M-Instruct"

Source = Literal["starter", "hub", "folder", "merged"]

#: What says how a base reads and writes; these lie beside its weights, and beside those that were made from them.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
)


class FetchSpec(Spec):
    """Bring one base model into the home."""

    kind: str = "fetch"
    base: str
    source: Source
    ref: str


@dataclass(frozen=True)
class Base:
    """A base model. `bytes` are its files, `context` the tokens it can read; `dequantised_from` is empty for original weights."""

    id: str
    name: str
    source: Source
    ref: str
    revision: str
    state: Literal["fetching", "ready", "failed"]
    architecture: str
    parameters: int
    bytes: int
    context: int
    licence: str
    dequantised_from: str


_COLUMNS = [bases.c[name] for name in Base.__dataclass_fields__]


def base_folder(settings: Settings, base_id: str) -> Path:
    """Where a base lies. Raises ModelError for an id that could lead out of the folder."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", base_id):
        raise ModelError("error.model.unknown_base", base=base_id)
    return settings.home / "models" / base_id


def base_id_of(ref: str) -> str:
    """A hub id or a folder's path as an id that is safe in files and URLs."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", ref.strip().rstrip("/").lower()).strip("-._")
    return slug[-100:].lstrip("-._") or "model"


def check_folder(folder: Path) -> None:
    """What must be there before a folder can be a base.

    Raises ModelError, saying which file is missing: config.json, tokenizer.json or weights as safetensors.
    """
    if not folder.is_dir():
        raise ModelError("error.model.no_folder", field="ref", folder=str(folder))
    if not (folder / "config.json").is_file():
        raise ModelError("error.model.no_config", field="ref", folder=str(folder))
    if not any(folder.glob("*.safetensors")):
        raise ModelError("error.model.no_safetensors", field="ref", folder=str(folder))
    if not (folder / "tokenizer.json").is_file():
        raise ModelError("error.model.no_tokenizer_file", field="ref", folder=str(folder))


class ModelService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("model.read")
    def list(self, actor: Actor) -> list[Base]:
        """In the order in which they were added; the starter model is the first."""
        with self._db.read() as connection:
            found = connection.execute(sa.select(*_COLUMNS).order_by(bases.c.created_at)).mappings()
            return [_as_it_is(connection, Base(**row)) for row in found]

    @allows("model.read")
    def ready(self, actor: Actor) -> Sequence[Base]:
        return [base for base in self.list(actor) if base.state == "ready"]

    @allows("model.read")
    def get(self, actor: Actor, base_id: str) -> Base:
        with self._db.read() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(bases.c.id == base_id)).mappings().first()
            if row is None:
                raise NotFoundError("error.model.unknown_base", base=base_id)
            return _as_it_is(connection, Base(**row))

    @allows("model.fetch")
    def add(self, actor: Actor, ref: str, *, request_id: str | None = None) -> str:
        """Fetch a base by hub id, or take a local folder, as a job; returns the base's id.

        Raises ModelError at once for what can be seen at once: an empty reference, a folder without safetensors.
        """
        ref = ref.strip()
        if not ref:
            raise ModelError("error.model.no_ref", field="ref")
        is_folder = ref.startswith(("/", "~", "."))
        if is_folder:
            folder = Path(ref).expanduser().resolve()
            if not is_plain(folder.name):
                raise ModelError("error.name.not_plain", field="ref")
            check_folder(folder)
            ref = str(folder)
        elif not re.fullmatch(r"[\w.-]+/[\w.-]+", ref):
            raise ModelError("error.model.bad_ref", field="ref", ref=ref)
        base_id = self._own_id(base_id_of(Path(ref).name if is_folder else ref), ref, is_folder)
        self._enqueue(base_id, ref.rsplit("/", 1)[-1], "folder" if is_folder else "hub", ref, actor.user_id, request_id)
        return base_id

    def _own_id(self, base_id: str, ref: str, is_folder: bool) -> str:
        """The id, made its own by a hash where another reference reads alike: `a/b-c` and `a-b/c`, two folders named 模型."""
        with self._db.read() as connection:
            known = connection.execute(sa.select(bases.c.ref).where(bases.c.id == base_id)).scalar()
        if known is None or known == ref or (not is_folder and known.lower() == ref.lower()):
            return base_id
        return f"{base_id}-{hashlib.sha256(ref.encode()).hexdigest()[:8]}"

    @allows("model.fetch")
    def ensure_starter(self, actor: Actor) -> None:
        """Queue the fetch of the starter model unless it is here or on its way."""
        self._enqueue(STARTER_ID, "SmolLM2-135M-Instruct", "starter", STARTER_REF, actor.user_id, None)

    def _enqueue(self, base_id: str, name: str, source: Source, ref: str, author: str, request_id: str | None) -> None:
        with self._db.write() as connection:
            state = connection.execute(sa.select(bases.c.state).where(bases.c.id == base_id)).scalar()
            if state == "ready" or (state == "fetching" and _is_on_its_way(connection, base_id)):
                return
            if state is None:
                values = {"id": base_id, "name": name, "source": source, "ref": ref, "revision": "", "state": "fetching"}
                numbers = {"architecture": "", "parameters": 0, "bytes": 0, "context": 0, "licence": "", "dequantised_from": ""}
                connection.execute(bases.insert().values(**values, **numbers, author=author, created_at=now()))
            else:
                values = {"state": "fetching", "source": source, "ref": ref}
                connection.execute(bases.update().where(bases.c.id == base_id).values(**values))
            spec = FetchSpec(base=base_id, source=source, ref=ref)
            insert_job(connection, spec=spec.as_dict(), name=name, author=author, request_id=request_id)


def _as_it_is(connection: sa.Connection, base: Base) -> Base:
    """A base that nobody fetches any more, because the job was killed or stopped, was not fetched."""
    if base.state != "fetching" or _is_on_its_way(connection, base.id):
        return base
    return dataclasses.replace(base, state="failed")


def _is_on_its_way(connection: sa.Connection, base_id: str) -> bool:
    """Whether some job still brings it: one that was stopped while it waited, or killed, leaves the base as "fetching"."""
    bring = jobs.c.kind.in_(("fetch", "merge"))
    specs = connection.execute(sa.select(jobs.c.spec).where(bring, jobs.c.state.not_in(ENDED))).scalars()
    return any(spec["base"] == base_id for spec in specs)
