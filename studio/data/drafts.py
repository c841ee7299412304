"""Files that somebody has brought and looks at before anything is imported: what each is, what its rows will become.

A draft is a list of staged files; archives stand in it with their members. It survives a reload and a restart; its files are
cleaned away like other uploads.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from studio.access import Actor, allows
from studio.data.archives import archive_of, expand
from studio.data.importer import Inspection, inspect_file
from studio.data.jobs import ImportFile, ImportSpec
from studio.data.readers.base import ReadOptions
from studio.data.service import DataService, Imported
from studio.data.store import MAX_NAME
from studio.data.tables import drafts
from studio.data.uploads import stage, upload_path
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.ids import new_id, now
from studio.settings import Settings
from studio.text import is_plain

__all__ = ["Draft", "DraftFile", "DraftService", "Look", "enter", "files_of", "is_about_data", "split_in_name"]

_MAX_NAME = 200

#: Looks that are kept, so that a page that shows ten files does not read all of them again at every click.
_KEPT_LOOKS = 64


#: What stands beside the data in folders of datasets.
_ABOUT = frozenset({"dataset_infos", "dataset_info", "readme", "card", "state", "license", "requirements"})


def is_about_data(name: str) -> bool:
    """Whether a file of this name tells about data and holds none."""
    path = Path(name.lower())
    return path.stem in _ABOUT and path.suffix in (".json", ".md", ".txt")


class DraftFile(BaseModel):
    """A staged file, or one that could not be staged: `problem` is then the error's {key, params}. `archive` is the sha256 of
    the archive that it came in; `chosen` whether it will be imported; `split` where its rows go that name none. `remote` says
    where a hub has it ({ref, commit, path, bytes}).
    """

    model_config = ConfigDict(frozen=True)

    name: str
    upload: str = ""
    archive: str | None = None
    chosen: bool = True
    mapping: dict[str, str | None] | None = None
    options: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    split: Literal["train", "validation", "test"] | None = None
    remote: dict[str, Any] | None = None

    @property
    def is_away(self) -> bool:
        """Still on a hub."""
        return self.remote is not None and not self.upload

    def as_import(self) -> ImportFile:
        return ImportFile(**self.model_dump(include={"upload", "name", "mapping", "options", "archive", "split"}))


@dataclass(frozen=True)
class Draft:
    id: str
    author: str
    created_at: datetime
    files: tuple[DraftFile, ...]


@dataclass(frozen=True)
class Look:
    """What a file is; exactly one of the two."""

    found: Inspection | None = None
    problem: DataError | None = None


class DraftService:
    def __init__(self, db: Database, settings: Settings, data: DataService) -> None:
        self._db = db
        self._settings = settings
        self._data = data
        self._looks: dict[tuple[str, ...], Look] = {}
        self._looking = threading.Lock()

    @allows("dataset.look")
    def bring(self, actor: Actor, paths: Sequence[tuple[Path, str]]) -> Draft:
        """Stage files, each with the name that people know; archives are unpacked. One that cannot be taken stands in the
        draft with its reason, and the others are taken all the same.
        """
        files: list[DraftFile] = []
        for path, name in paths:
            self._take(path, as_label(name), files)
        return enter(self._db, actor.user_id, files)

    def _take(self, path: Path, name: str, files: list[DraftFile]) -> None:
        archive: str | None = None
        n_before = len(files)

        def into(label: str, member: Path, digest: str) -> None:
            is_data = not is_about_data(label)
            upload, split = stage(self._settings, member), split_in_name(label)
            files.append(DraftFile(name=f"{name}/{label}", upload=upload, archive=archive, split=split, chosen=is_data))

        try:
            archive = stage(self._settings, path)
            if archive_of(path) is None:
                files.append(DraftFile(name=name, upload=archive, split=split_in_name(name)))
                return
            folder = self._settings.folder("tmp")
            expand(path, name, into, folder=folder, limit_bytes=self._settings.max_upload_mb * 2**20)
        except DataError as error:
            del files[n_before:]  # of an archive that was refused nothing is left
            files.append(DraftFile(name=name, chosen=False, problem={"key": error.key, "params": error.params}))

    @allows("dataset.look")
    def get(self, actor: Actor, draft_id: str) -> Draft:
        """Raises NotFoundError for one that is not there."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(drafts).where(drafts.c.id == draft_id)).mappings().first()
        if row is None:
            raise NotFoundError("error.data.unknown_draft")
        return Draft(row["id"], row["author"], row["created_at"], tuple(DraftFile(**file) for file in row["files"]))

    @allows("dataset.look")
    def look(self, actor: Actor, file: DraftFile) -> Look:
        """What a file holds as it would be read now."""
        if file.problem is not None:
            return Look(problem=DataError(file.problem["key"], **file.problem["params"]))
        key = (file.upload, file.name, repr(file.mapping), repr(file.options))
        with self._looking:
            known = self._looks.get(key)
        if known is not None:
            return known
        found = self._look(file)
        with self._looking:
            while len(self._looks) >= _KEPT_LOOKS:
                self._looks.pop(next(iter(self._looks)))
            self._looks[key] = found
        return found

    @allows("dataset.look")
    def proposed(self, actor: Actor, file: DraftFile) -> DraftFile:
        """The file as it will be read: where nobody has mapped its columns and the studio is not sure, by its own proposal."""
        found = None if file.mapping is not None or file.is_away else self.look(actor, file).found
        if found is None or found.detection is None or found.detection.is_sure or not found.detection.suggestion:
            return file
        return file.model_copy(update={"mapping": found.detection.suggestion})

    @allows("dataset.look")
    def free_name(self, actor: Actor, draft: Draft) -> str:
        """A name for the dataset, from the first file's, that no dataset has yet."""
        return _free_name(draft.files[0].name, {info.name for info in self._data.list(actor)})

    @allows("dataset.import")
    def import_chosen(
        self,
        actor: Actor,
        draft_id: str,
        *,
        name: str,
        apart: bool,
        validation_share: float,
        test_share: float,
        request_id: str,
        drafts: bool = False,
    ) -> Sequence[Imported]:
        """Import the chosen files that are here: as one dataset of that name, or `apart`, each as its own, named after itself.
        With `drafts` a model wrote the rows: they wait in the review queue.

        Raises DataError as `DataService.import_upload` does.
        """
        draft = self.get(actor, draft_id)
        files = [self.proposed(actor, file) for file in draft.files if file.chosen and not file.is_away]
        if not files:
            raise DataError("error.data.nothing_chosen", field="files")
        known = {info.name for info in self._data.list(actor)}
        names = [_free_name(file.name, known) for file in files] if apart else [name]
        groups = [[file] for file in files] if apart else [files]
        said = {"validation_share": validation_share, "test_share": test_share, "drafts": drafts}
        specs = [
            ImportSpec(files=[file.as_import() for file in group], dataset_name=its_name, **said)
            for its_name, group in zip(names, groups, strict=True)
        ]
        wishes = [f"{request_id}.{at}" for at in range(len(specs))]
        return [self._data.import_upload(actor, spec, request_id=wish) for spec, wish in zip(specs, wishes, strict=True)]

    def _look(self, file: DraftFile) -> Look:
        options = None if file.options is None else ReadOptions(**file.options)
        try:
            path = upload_path(self._settings, file.upload)
            return Look(found=inspect_file(path, file.name, mapping=file.mapping, options=options))
        except DataError as error:
            return Look(problem=error)

    @allows("dataset.look")
    def change(self, actor: Actor, draft_id: str, at: int, **changes: Any) -> DraftFile:
        """Set `mapping`, `options`, `split` or `chosen` of the file at the place `at`. Raises DataError for options that no file
        can be read with.
        """
        if changes.get("options"):
            ReadOptions(**changes["options"]).check()
        with self._db.write() as connection:
            files = files_of(connection, draft_id)
            if not 0 <= at < len(files):
                raise NotFoundError("error.data.unknown_draft")
            wanted = {name: changes[name] for name in ("mapping", "options", "split", "chosen") if name in changes}
            if "options" in wanted and wanted["options"] != files[at].options:
                wanted.setdefault("mapping", None)  # read otherwise, the file may have other columns
            files[at] = DraftFile(**files[at].model_dump() | wanted)
            values = [file.model_dump() for file in files]
            connection.execute(drafts.update().where(drafts.c.id == draft_id).values(files=values))
        return files[at]


def _free_name(file_name: str, known: set[str]) -> str:
    """A dataset's name from a file's, which none of the known has; it is known from now on."""
    stem = "".join(filter(is_plain, Path(file_name).stem))[: MAX_NAME - 6].strip() or "data"
    name, number = stem, 2
    while name in known:
        name, number = f"{stem} ({number})", number + 1
    known.add(name)
    return name


def as_label(name: str) -> str:
    """A file's name as it can be stored and shown: no half characters, nothing that cannot be seen."""
    plain = "".join(sign for sign in name.encode("utf-8", "replace").decode() if sign.isprintable())
    return plain[:_MAX_NAME] or "file"


def enter(db: Database, author: str, files: Sequence[DraftFile]) -> Draft:
    """A new draft of these files."""
    draft = Draft(new_id("drf"), author, now(), tuple(files))
    values = {"id": draft.id, "author": author, "created_at": draft.created_at}
    with db.write() as connection:
        connection.execute(drafts.insert().values(**values, files=[file.model_dump() for file in files]))
    return draft


def files_of(connection: Connection, draft_id: str) -> list[DraftFile]:
    """Raises NotFoundError for a draft that is not there."""
    files = connection.execute(sa.select(drafts.c.files).where(drafts.c.id == draft_id)).scalar()
    if files is None:
        raise NotFoundError("error.data.unknown_draft")
    return [DraftFile(**file) for file in files]


#: Whole words of a file's path that name a split; "latest.csv" names none.
_SPLIT_WORDS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation"}
_SPLIT_WORDS |= {"dev": "validation", "test": "test"}


def split_in_name(name: str) -> Literal["train", "validation", "test"] | None:
    """The split that a file's name tells, as hubs spell it: `data/train-00000-of-00001.parquet`. None for none or several."""
    words = {_SPLIT_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLIT_WORDS}
    return cast("Literal['train', 'validation', 'test']", words.pop()) if len(words) == 1 else None
