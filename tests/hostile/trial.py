"""One file through everything that the studio does with what people bring, in a process of its own, and the judgement.

    stage → unpack → look → import into a home of its own → judge

Good ends are a dataset whose rows all hold and whose counts agree, or a StudioError with words in every language and nothing
left behind. Everything else is a fault: another exception, a file elsewhere, a temporary file, half a dataset, something
secret or internal in a message, too long, too much memory.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import sqlalchemy as sa

from studio.access import local_admin
from studio.data import store
from studio.data.drafts import DraftFile, DraftService
from studio.data.importer import Inspection
from studio.data.jobs import ImportSpec, import_rows
from studio.data.rows import check_content
from studio.data.service import DataService
from studio.data.tables import datasets, revisions, rows
from studio.db import Database
from studio.errors import StudioError
from studio.settings import Settings
from studio.text import LANGS, catalogue, error_text, text

__all__ = ["MAX_BYTES", "MAX_S", "Outcome", "Place", "tried"]

MAX_S = 5.0
MAX_BYTES = 512 * 10**6

#: A runaway must not take the whole machine down: far above what is allowed.
_FUSE_BYTES = 4 * 2**30
_MAX_CHECKED_ROWS = 2_000
_MAX_WORDS = 2_000

_INTERNAL = re.compile(
    r"Traceback|\bat 0x[0-9a-f]{6}|<class '|<_io\.|File \"|site-packages|studio/data|\.py\b|root:x:0|/home/uploads"
)


@dataclasses.dataclass
class Outcome:
    """`end` is imported or refused, or failed where `faults` say why; `words` is what a person reads. `seconds` are of computing,
    of all its processes, or a quarter of those that went by where that is more: the machine may have been busy with others.
    """

    end: str = "failed"
    words: str = ""
    n_rows: int = 0
    seconds: float = 0.0
    wall_s: float = 0.0
    n_bytes: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)


class Place:
    """The folder of one trial: the file that is brought, the home, the temporary files; nothing else may appear in it."""

    def __init__(self, folder: Path, migrated: Path) -> None:
        self.folder = folder
        self.file = folder / "brought"
        self.home = folder / "home"
        self.tmp = folder / "tmp"
        for path in (folder, self.tmp):
            path.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(home=self.home, device="cpu").ready()
        shutil.copyfile(migrated, self.home / "studio.db")

    def litter(self, mark: str) -> list[str]:
        """What lies where nothing may lie. `mark` is part of the paths that the file names."""
        outside = {path for path in self.folder.iterdir() if path not in (self.file, self.home, self.tmp)}
        left = [path for folder in (self.tmp, self.home / "tmp") for path in folder.rglob("*")]
        half = [path for path in (self.home / "uploads").iterdir() if len(path.name) != 64]
        elsewhere = [
            path
            for folder in (Path("/"), Path("/tmp"), Path("/etc"), Path.home(), self.folder.parent, *self.folder.parents[1:3])
            for path in folder.glob(f"*{mark}*")
            if path != self.folder
        ]
        return sorted(str(path) for path in (*outside, *left, *half, *elsewhere))


def tried(place: Place, name: str, mark: str, act: Callable[[Place, str], Iterator[Any]] | None = None) -> Outcome:
    """To be called in a process that ends afterwards: it is watched from now on, and its memory is bounded."""
    watch = _Watch(place)
    os.environ["TMPDIR"] = str(place.tmp)
    os.chdir(place.folder)
    resource.setrlimit(resource.RLIMIT_AS, (_FUSE_BYTES, _FUSE_BYTES))
    outcome, said = Outcome(), list[Any]()
    began, used = time.monotonic(), _used_s()
    try:
        for thing in (act or brought)(place, name):
            said.append(thing)
            if isinstance(thing, str):
                outcome.end, outcome.words = "imported", thing
    except StudioError as error:
        outcome.end, outcome.words = "refused", error.key
        said.append(error)
    except BaseException as error:
        trace = traceback.format_exc(limit=-4)
        outcome.faults.append(f"{type(error).__name__}: {str(error)[:200]}\n{trace[-1500:]}")
    outcome.wall_s = time.monotonic() - began
    outcome.seconds = max(_used_s() - used, outcome.wall_s / 4)
    outcome.n_bytes = _peak_bytes()
    watch.is_on = False
    try:
        _judge(place, mark, outcome, said)
    except BaseException as error:
        outcome.faults.append(f"judging: {type(error).__name__}: {str(error)[:300]}\n{traceback.format_exc(limit=-3)[-1000:]}")
    outcome.faults += watch.seen
    if outcome.faults:
        outcome.end = "failed"
    return outcome


def brought(place: Place, name: str) -> Iterator[Any]:
    """What a person does: bring a file, look at what it is, import what is good. Gives everything that is shown, and at last the
    dataset's id. Where the studio is not sure, its own suggestion is taken.
    """
    db, actor = Database(place.settings.url), local_admin()
    drafts = DraftService(db, place.settings, DataService(db, place.settings))
    draft = drafts.bring(actor, [(place.file, name)])
    chosen: list[DraftFile] = []
    for index, file in enumerate(drafts.get(actor, draft.id).files):
        look = drafts.look(actor, file)
        if look.problem is not None:
            yield look.problem
            continue
        assert look.found is not None
        yield look.found
        suggestion = look.found.detection.suggestion if look.found.detection and not look.found.shape else None
        if suggestion:
            file = drafts.change(actor, draft.id, index, mapping=suggestion)
            again = drafts.look(actor, file)
            yield again.problem or again.found
        chosen.append(file)
    if not chosen:
        problem = draft.files[0].problem
        raise look.problem or StudioError(problem["key"], **problem["params"])  # type: ignore[index]
    spec = ImportSpec(files=[file.as_import() for file in chosen], dataset_name="hostile")
    yield import_rows(db, place.settings, spec, actor.user_id)


# --- judging ----------------------------------------------------------------------------------------------------------


def _judge(place: Place, mark: str, outcome: Outcome, said: list[Any]) -> None:
    faults = outcome.faults
    for thing in said:
        faults += _faults_of(thing)
    db = Database(place.settings.url)
    try:
        if outcome.end == "imported":
            outcome.n_rows = _check_dataset(db, outcome.words, faults)
            outcome.words = ""
        else:
            with db.read() as connection:
                left = [
                    table.name for table in (datasets, revisions, rows) if connection.execute(sa.select(table).limit(1)).first()
                ]
            faults += [f"left in the database: {left}"] if left else []
            outcome.words = next((error_text("en", thing) for thing in reversed(said) if isinstance(thing, StudioError)), "")
    finally:
        db.close()
    litter = place.litter(mark)
    faults += [f"left on the disk: {litter[:5]}"] if litter else []
    faults += [f"{outcome.seconds:.1f} s"] if outcome.seconds > MAX_S else []
    faults += [f"{outcome.n_bytes / 1e6:.0f} MB"] if outcome.n_bytes > MAX_BYTES else []


def _check_dataset(db: Database, dataset_id: str, faults: list[str]) -> int:
    info = store.dataset_info(db, dataset_id)
    with db.read() as connection:
        n_rows = int(connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar() or 0)
    if not info.n_rows == n_rows == info.report["n_good"] >= 1:
        faults.append(f"counts: {info.n_rows} rows of the revision, {n_rows} in the table, {info.report['n_good']} in the report")
    if sum(info.report["refused_by_key"].values()) != info.report["n_refused"]:
        faults.append("counts: refused rows")
    for row, _ in zip(store.iter_rows(db, dataset_id, info.revision), range(_MAX_CHECKED_ROWS), strict=False):
        check_content(row.kind, row.content)
        if "root:x:0" in json.dumps(row.content):
            faults.append("a file of this machine stands in a row")
    for refusal in info.report["refused"]:
        faults += _error_faults(refusal)
    return n_rows


def _faults_of(thing: Any) -> list[str]:
    """What is wrong with something that is shown."""
    if isinstance(thing, StudioError):
        return _error_faults(thing.as_dict()) + _json_faults(thing.as_dict())
    if not isinstance(thing, Inspection):
        return []
    faults: list[str] = []
    for refusal in thing.refused:
        faults += _error_faults(dataclasses.asdict(refusal)) + _json_faults(dataclasses.asdict(refusal))
    for reason in (*thing.reasons, *(thing.detection.reasons if thing.detection else ())):
        faults += _word_faults(reason.key, reason.params, text)
    if thing.shape and thing.n_read != thing.n_good + thing.n_refused:
        faults.append(f"counts: {thing.n_read} read, {thing.n_good} good, {thing.n_refused} refused")
    return faults


def _json_faults(value: Any) -> list[str]:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        return [f"cannot be sent: {type(error).__name__} {str(error)[:100]} in {str(value)[:200]!r}"]
    return []


def _error_faults(value: dict[str, Any]) -> list[str]:
    params = value["params"]
    return _word_faults(value["key"], params, lambda lang, key, **_: error_text(lang, {"key": key, "params": params}))


def _word_faults(key: str, params: dict[str, Any], worded: Callable[..., str]) -> list[str]:
    faults = []
    for lang in LANGS:
        if key not in catalogue(lang):
            faults.append(f"no words in {lang} for {key}")
            continue
        wanted = {name for _, name, _, _ in Formatter().parse(catalogue(lang)[key]) if name}
        if missing := wanted - set(params):
            faults.append(f"{key} in {lang} wants {missing}")
            continue
        words = worded(lang, key, **params)
        if found := _INTERNAL.search(words):
            faults.append(f"{key} tells what nobody needs: {found[0]!r} in {words[:300]!r}")
        if len(words) > _MAX_WORDS:
            faults.append(f"{key}: {len(words)} characters")
    return faults


# --- watching ---------------------------------------------------------------------------------------------------------


def _used_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_bytes() -> int:
    """Of this process and of the largest that it started, as if both had been largest at once."""
    return sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024


class _Watch:
    """Sees what this process opens for writing, makes, moves and calls. A hook cannot be taken away, only be told to rest."""

    _CHANGES = frozenset(
        {"os.mkdir", "os.rename", "os.symlink", "os.link", "os.chmod", "shutil.copyfile", "shutil.move", "os.truncate"}
    )
    _NEVER = frozenset({"os.system", "os.exec", "socket.connect", "socket.getaddrinfo", "pickle.find_class"})

    def __init__(self, place: Place) -> None:
        self.is_on = True
        self.seen: list[str] = []
        self._allowed = (str(place.home), str(place.tmp), "/dev/null", "/proc/")
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event in self._NEVER:
            self.seen.append(f"{event} {str(arguments)[:200]}")
        elif event == "open":
            path, _, flags = arguments
            if isinstance(path, str | bytes) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._check(event, path)
            elif path == "/etc/passwd":
                self.seen.append("reads /etc/passwd")
        elif event in self._CHANGES:
            for path in (
                arguments[:2]
                if event in ("os.rename", "os.link")
                else arguments[1:2]
                if event.startswith("shutil")
                else arguments[:1]
            ):
                self._check(event, path)

    def _check(self, event: str, path: Any) -> None:
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  a link must not be followed
        if not name.startswith(self._allowed) and "__pycache__" not in name:
            self.seen.append(f"{event} {name}")
