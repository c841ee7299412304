"""A patient asks that everything about her goes: it does, from every place, and everything else stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from typer.testing import CliRunner

from studio.access import Actor, Role
from studio.access.tables import audit, links
from studio.access.trail import Entry, record
from studio.cli import app
from studio.data import store
from studio.data.holding import holds
from studio.data.rows import NewRow
from studio.data.service import ImportSpec
from studio.data.snapshot import ensure_snapshot, read_snapshot
from studio.data.tables import datasets, revisions, rows
from studio.data.totals import Totals
from studio.engine.tables import answers, chats, thumbs, turns
from studio.errors import AccessError, ConfigError, DataError, JobError, NotFoundError
from studio.ids import new_id, now, time_text
from studio.jobs.events import read_events
from studio.jobs.queue import insert_job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import checkpoints, events, jobs, run_datasets, runs
from studio.models.catalogue import Base
from studio.models.tables import bases
from studio.purge import Found, Wanted
from studio.purge.phrase import Phrase
from studio.services import Services
from studio.settings import Settings

pytestmark = pytest.mark.backends("sqlite", "postgresql")

NAME = "Maria 刘芳"
WIDE = "ｍａｒｉａ　刘芳"
WANTED = Wanted(phrase=NAME)


def chat(question: str, answer: str = "Yes.") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def hash_of_what_holds(connection: Connection, dataset_id: str, number: int) -> str:
    totals = Totals()
    held = sa.select(rows.c.position, rows.c.content_hash, rows.c.split).where(holds(dataset_id, number))
    for position, content_hash, split in connection.execute(held):
        totals.add(position, content_hash, split)
    return str(totals.as_values()["content_hash"])


class Home:
    """A studio in which somebody has worked, and ways to look into every corner of it."""

    def __init__(self, services: Services, actor: Actor, settings: Settings, base: Base) -> None:
        self.services, self.actor, self.settings, self.base = services, actor, settings, base

    def import_file(self, name: str, lines: list[Any]) -> str:
        path = self.settings.home.parent / f"{name}.jsonl"
        path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines), "utf-8")
        spec = ImportSpec(upload=self.services.data.stage(self.actor, path), file_name=path.name, dataset_name=name)
        made = self.services.data.import_upload(self.actor, spec).dataset_id
        assert made is not None
        return made

    def snapshot(self, dataset_id: str) -> Path:
        info = self.services.data.get(self.actor, dataset_id)
        return ensure_snapshot(self.services.db, self.settings, dataset_id, info.revision, info.content_hash)

    def run(self, dataset_id: str, name: str, said: str = "", state: str = "stopped") -> str:
        """A run that has ended, with two checkpoints; `said` is what its files and events tell."""
        info = self.services.data.get(self.actor, dataset_id)
        ref = {"id": info.id, "revision": info.revision, "hash": info.content_hash}
        spec = {"kind": "train", "schema": 1, "name": f"{name} {said}", "base": {"id": self.base.id}, "dataset": ref}
        run_id = new_id("run")
        row = {"id": run_id, "name": name, "dataset_id": info.id, "dataset_revision": info.revision, "base_id": self.base.id}
        folder = RunFolder(self.settings.home / "runs" / run_id)
        folder.create(spec)
        body: dict[str, Any] = {"probe": "who?", "text": said}
        line = {"schema": 1, "seq": 1, "at": time_text(now()), "attempt": 1, "kind": "probe_answered", "step": 3, **body}
        folder.events_file.write_text(json.dumps(line, ensure_ascii=False) + "\n", "utf-8")
        folder.log_file.write_text(f"first line\nsaw {said} here\nlast line\n", "utf-8")
        folder.write_result({"state": "stopped", "note": said})
        with self.services.db.write() as connection:
            connection.execute(runs.insert().values(**row, spec=spec, author="usr_a", created_at=now()))
            used = {"run_id": run_id, "dataset_id": info.id, "revision": info.revision, "weight": 1.0}
            connection.execute(run_datasets.insert().values(used))
            job_id = insert_job(connection, spec=spec, name=name, author="usr_a", run_id=run_id)
            known = {"ingested_seq": 1, "ingested_bytes": folder.events_file.stat().st_size, "result": {"note": said}}
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(state=state, **known))
            event = {"job_id": job_id, "seq": 1, "attempt": 1, "at": now(), "kind": "probe_answered", "body": body}
            connection.execute(events.insert().values(event))
            for step in (3, 6):
                path = folder.checkpoint(step)
                path.mkdir()
                (path / "adapter.safetensors").write_bytes(b"x" * 100)
                where = self.settings.relative(path)
                facts = {"run_id": run_id, "step": step, "path": where, "bytes": 100, "best": step == 6, "created_at": now()}
                connection.execute(checkpoints.insert().values(**facts, pinned=False))
        return run_id

    def chat(self, question: str, answer: str, owner: str = "usr_a", link_id: str | None = None) -> str:
        chat_id, answer_id = new_id("cht"), new_id("ans")
        head = {"id": chat_id, "owner": owner, "base_id": self.base.id, "models": ["base"], "title": question[:120]}
        said = {"id": answer_id, "chat_id": chat_id, "turn": 1, "column": 0, "model": "base", "state": "done", "text": answer}
        with self.services.db.write() as connection:
            connection.execute(chats.insert().values(**head, created_at=now(), link_id=link_id))
            connection.execute(turns.insert().values(chat_id=chat_id, number=1, question=question, created_at=now()))
            connection.execute(answers.insert().values(**said, tokens=1, decoding={}, created_at=now()))
            connection.execute(thumbs.insert().values(answer_id=answer_id, user_id=owner, value=1, created_at=now()))
        return chat_id

    def purge(self, wanted: Wanted = WANTED, *, delete_checkpoints: bool = False, confirm: str = "") -> Found:
        confirm = confirm or wanted.phrase or wanted.person or wanted.link
        return self.services.purge.run(self.actor, wanted, delete_checkpoints=delete_checkpoints, confirm=confirm)

    def look(self, wanted: Wanted = WANTED) -> Found:
        return self.services.purge.look(self.actor, wanted)

    def all(self, table: sa.Table) -> list[Any]:
        with self.services.db.read() as connection:
            return list(connection.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings())

    def where(self, text: str) -> list[str]:
        """Every file of the home and every table of the database that holds a text, as it is or behind JSON's escapes."""
        found = []
        for form in {text, json.dumps(text)[1:-1]}:
            wanted = form.encode()
            files = (path for path in self.settings.home.rglob("*") if path.is_file())
            found += [path.name for path in files if wanted in path.read_bytes()]
            tables = audit.metadata.tables.values()
            found += [table.name for table in tables if form in str([dict(row) for row in self.all(table)])]
        return found


@pytest.fixture
def home(services: Services, actor: Actor, settings: Settings, tiny_base: Base) -> Home:
    return Home(services, actor, settings, tiny_base)


@pytest.fixture
def ward(home: Home) -> str:
    """The dataset in which she is: 2 of 8 rows, and one line that was refused; a run, a chat and some notes tell of her too."""
    lines: list[Any] = [chat(f"Question {n}?") for n in range(6)]
    lines += [chat(f"How is {NAME}?"), chat("And her?", f'"{WIDE}"\nis well.'), f'{{"question": "{NAME}\n']
    dataset_id = home.import_file("ward", lines)
    home.snapshot(dataset_id)
    home.run(dataset_id, "first", said=NAME)
    home.chat(f"Who is {WIDE}?", "I do not know.")
    home.chat("Who?", f"It is {NAME}.")
    (home.settings.folder("tmp", "gradio") / "copy.csv").write_text(f"a,b\n1,{NAME}\n", "utf-16")
    with home.services.db.write() as connection:
        connection.execute(datasets.update().where(datasets.c.id == dataset_id).values(note=f"asked for by {NAME}"))
        link = {"id": new_id("lnk"), "scope": "demo", "name": f"for {NAME}", "target": {}, "token_hash": "", "author": "usr_a"}
        connection.execute(links.insert().values(**link, questions_per_hour=1, tokens_per_day=1, created_at=now()))
    record(home.services.db, Entry(home.actor, "link.write", f"for {NAME}"), "done")
    return dataset_id


# --- what goes --------------------------------------------------------------------------------------------------------


def test_nothing_of_her_is_left_in_the_home(home: Home, ward: str) -> None:
    assert home.where(NAME) and home.where(WIDE)
    found = home.purge()
    assert [(item.name, item.n_rows) for item in found.datasets] == [("ward", 2)]
    assert (found.chats, found.questions, found.uploads, found.snapshots, found.texts) == (2, 2, 2, 1, 4)
    assert home.where(NAME) == home.where(WIDE) == []
    assert home.look().is_empty


def test_a_look_says_the_same_and_changes_nothing(home: Home, ward: str) -> None:
    before = home.where(NAME)
    seen = home.look()
    assert home.where(NAME) == before
    assert any(NAME in text for text in seen.examples)
    assert len(seen.examples) <= 5
    assert home.purge() == seen


@pytest.mark.parametrize(
    "place",
    [
        {"content": chat(f"Is {NAME} here?")},
        {"references": [f"{WIDE}."]},
        {"origin": {"type": "file", "ref": f"{NAME}.jsonl", "line": 1}},
        {"extra": {"patient": NAME.upper()}},
        {"extra": {NAME: 1}},
        {"group_key": NAME},
        {"topic": f"about {NAME}"},
        {"tags": ["a", NAME.replace(" ", "\u00a0 ")]},
        {"flag": f"asks for {NAME}"},
        {"rule": {"must": NAME}},
    ],
    ids=lambda place: next(iter(place)),
)
def test_a_row_goes_wherever_it_holds_the_phrase(services: Services, actor: Actor, place: dict[str, Any]) -> None:
    plain = {"kind": "chat", "content": chat("Plain?")}
    with services.db.write() as connection:
        dataset_id = store.create_dataset(connection, "ward", "usr_a")
        store.open_first_revision(connection, dataset_id, "usr_a", {})
    totals = store.write_rows(services.db, dataset_id, [NewRow(**plain), NewRow(**plain | place)], "usr_a")
    store.commit_first_revision(services.db, dataset_id, totals, {})
    services.purge.run(actor, WANTED, delete_checkpoints=False, confirm=NAME)
    with services.db.read() as connection:
        assert connection.execute(sa.select(rows.c.position)).scalars().all() == [1024]


def test_a_number_is_found_as_it_is_written(services: Services, actor: Actor, home: Home) -> None:
    home.import_file("numbers", [chat("a?") | {"patient": 470011}, chat("b?") | {"patient": 470012}])
    assert home.look(Wanted(phrase="470011")).n_rows == 1


def test_the_words_of_the_studio_itself_are_no_match(home: Home) -> None:
    dataset_id = home.import_file("plain", [chat("a?"), chat("b?")])
    home.run(dataset_id, "first")
    for word in ("assistant", "probe_answered", "train"):
        found = home.look(Wanted(phrase=word))
        assert (found.n_rows, found.texts, found.records) == (0, 0, 0)


def test_other_rows_datasets_chats_and_files_stay_as_they_are(home: Home, ward: str) -> None:
    other = home.import_file("other", [chat(f"Another {n}?") for n in range(5)])
    run_id = home.run(other, "second", said="nothing")
    chat_id = home.chat("Another?", "Answer.")
    snapshot = home.snapshot(other)
    files = {path: path.read_bytes() for path in (home.settings.home / "runs" / run_id).rglob("*") if path.is_file()}
    kept = {path: path.read_bytes() for path in [snapshot, *(home.settings.home / "uploads").iterdir()]}
    before = {table: home.all(table) for table in (rows, revisions, datasets, chats, turns, answers, runs, checkpoints)}
    home.purge()
    for path, content in files.items():
        assert path.read_bytes() == content
    assert sum(path.exists() and path.read_bytes() == content for path, content in kept.items()) == 2  # without her upload
    gone = [row for row in before[rows] if row["dataset_id"] == ward][-2:]
    assert home.all(rows) == [row for row in before[rows] if row not in gone]
    assert home.all(checkpoints) == before[checkpoints]
    for table in (revisions, datasets):
        key = "dataset_id" if table is revisions else "id"
        assert [row for row in home.all(table) if row[key] != ward] == [row for row in before[table] if row[key] != ward]
    assert [row["id"] for row in home.all(chats)] == [chat_id]


# --- what stays agrees ------------------------------------------------------------------------------------------------


def test_counts_hash_and_snapshot_agree_with_the_rows_that_are_left(home: Home, ward: str) -> None:
    before = home.services.data.get(home.actor, ward)
    home.purge()
    after = home.services.data.get(home.actor, ward)
    page, _ = home.services.data.page(home.actor, ward)
    assert (before.n_rows, after.n_rows, len(page)) == (8, 6, 6)
    assert after.content_hash != before.content_hash
    with home.services.db.read() as connection:
        assert after.content_hash == hash_of_what_holds(connection, ward, 1)
    assert sorted(row.id for row in read_snapshot(home.snapshot(ward))) == [row.id for row in page]


def test_every_revision_that_held_the_row_loses_it(home: Home) -> None:
    dataset_id = home.import_file("ward", [chat("Plain?"), chat(f"{NAME}?")])
    with home.services.db.write() as connection:
        row = connection.execute(sa.select(revisions)).mappings().one()
        connection.execute(revisions.insert().values(dict(row) | {"number": 2}))
        connection.execute(rows.update().where(rows.c.search_text.contains(NAME)).values(until=2))
    unchanged = home.all(revisions)[1]
    home.purge()
    first, second = home.all(revisions)
    assert (sum(first["counts"].values()), second) == (1, unchanged)
    assert home.services.data.get(home.actor, dataset_id).revision == 2


def test_a_dataset_whose_rows_are_all_gone_stays_as_an_empty_one(home: Home) -> None:
    dataset_id = home.import_file("ward", [chat(f"{NAME}?"), chat(f"{WIDE}?")])
    home.purge()
    info = home.services.data.get(home.actor, dataset_id)
    assert (info.name, info.n_rows) == ("ward", 0)


def test_files_and_events_of_a_run_can_still_be_read(home: Home, ward: str) -> None:
    home.purge()
    run = home.services.train.list(home.actor)[0]
    folder = RunFolder(home.settings.home / "runs" / run.id)
    (event, end), *_ = read_events(folder.events_file)
    assert event.body == {"step": 3, "probe": "who?", "text": "[purged]"}
    assert home.all(jobs)[0]["ingested_bytes"] == end == folder.events_file.stat().st_size
    assert (folder.read_spec(), folder.read_result()) == (run.spec, {"state": "stopped", "note": "[purged]"})
    assert folder.log_file.read_text("utf-8") == "first line\nsaw [purged] here\nlast line\n"
    assert (run.spec["name"], run.job.result) == ("first [purged]", {"note": "[purged]"})


def test_a_run_goes_on_only_with_the_rows_that_it_began_with(home: Home, ward: str) -> None:
    ref = home.services.train.list(home.actor)[0].spec["dataset"]
    home.purge()
    with pytest.raises(DataError) as raised:
        ensure_snapshot(home.services.db, home.settings, ref["id"], ref["revision"], ref["hash"])
    assert (raised.value.key, raised.value.params) == ("error.data.purged", {"name": "ward"})


def test_a_name_that_holds_the_phrase_stays_the_things_own(home: Home) -> None:
    first, second = (home.import_file(f"{name} {NAME}", [chat(f"{name}?")]) for name in ("one", "two"))
    home.run(first, NAME)
    home.run(second, WIDE)
    home.purge()
    names = [row["name"] for table in (datasets, runs) for row in home.all(table)]
    assert len(set(names)) == 4
    assert all("[purged]" in name for name in names)


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_checkpoints_that_were_trained_on_it_go_when_it_is_wished(home: Home, ward: str) -> None:
    other = home.run(home.import_file("other", [chat("Another?")]), "second")
    found = home.purge(delete_checkpoints=True)
    assert [(run.name, run.checkpoints, run.bytes) for run in found.runs] == [("first", 2, 200)]
    assert {row["run_id"] for row in home.all(checkpoints)} == {other}
    assert {path.parts[-2] for path in (home.settings.home / "runs").glob("*/checkpoint-*")} == {other}


def test_what_was_made_of_such_checkpoints_goes_as_well(home: Home, ward: str) -> None:
    """A model that one was merged into, a run that went on from one, and a run on that model."""
    other = home.import_file("other", [chat("Another?")])
    child, grandchild, stranger = (home.run(other, name) for name in ("child", "grandchild", "stranger"))
    with home.services.db.write() as connection:
        (first,) = connection.execute(sa.select(runs.c.id).where(runs.c.name == "first")).scalars()
        facts = {"revision": "", "architecture": "", "parameters": 1, "bytes": 1, "context": 1, "licence": ""}
        made = {"id": "own", "name": "own", "source": "merged", "ref": f"{first}@3", "state": "ready", "author": "usr_a"}
        connection.execute(bases.insert().values(**made, **facts, dequantised_from="", created_at=now()))
        connection.execute(runs.update().where(runs.c.id == child).values(spec={"start_from": f"{first}@3"}))
        connection.execute(runs.update().where(runs.c.id == grandchild).values(base_id="own"))
    weights = home.settings.home / "models" / "own" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"x")
    found = home.purge(delete_checkpoints=True)
    assert {run.name for run in found.runs} == {"first", "child", "grandchild"}
    assert {row["run_id"] for row in home.all(checkpoints)} == {stranger}
    assert not weights.exists()
    assert {row["state"] for row in home.all(bases) if row["id"] == "own"} == {"failed"}


def test_checkpoints_stay_when_it_is_not(home: Home, ward: str) -> None:
    home.purge()
    assert len(home.all(checkpoints)) == len(list((home.settings.home / "runs").glob("*/checkpoint-*"))) == 2


@pytest.mark.parametrize("state", ["running", "queued"])
def test_while_a_run_uses_it_nothing_is_purged(home: Home, ward: str, state: str) -> None:
    home.run(ward, "second", state=state)
    before = home.where(NAME)
    with pytest.raises(JobError) as raised:
        home.purge()
    assert (raised.value.key, raised.value.params["name"]) == ("error.purge.at_work", "second")
    assert home.where(NAME) == before


# --- a whole dataset, a person, a link --------------------------------------------------------------------------------


def test_a_dataset_that_a_run_names_leaves_a_stone_with_its_id(home: Home, ward: str) -> None:
    found = home.purge(Wanted(dataset=ward), confirm="ward")
    assert (found.n_rows, found.uploads, found.snapshots) == (8, 1, 1)
    info = home.services.data.get(home.actor, ward)
    assert (info.name, info.note, info.report, info.n_rows) == (ward, "", {}, 0)
    assert home.services.train.list(home.actor)[0].dataset_id == ward
    assert home.all(rows) == []


def test_a_dataset_that_nobody_names_is_gone(home: Home) -> None:
    dataset_id = home.import_file("ward", [chat("a?"), chat("b?")])
    home.purge(Wanted(dataset=dataset_id), confirm="ward")
    assert home.all(datasets) == home.all(revisions) == home.all(rows) == []
    assert list((home.settings.home / "uploads").iterdir()) == []


def test_the_upload_of_an_older_import_is_known_by_its_rows(home: Home) -> None:
    dataset_id = home.import_file("ward", [chat("a?"), chat("b?")])
    home.import_file("other", [chat("c?"), chat("d?")])
    for row in home.all(revisions):
        report = {name: value for name, value in row["report"].items() if name != "upload"}
        with home.services.db.write() as connection:
            connection.execute(revisions.update().where(revisions.c.dataset_id == row["dataset_id"]).values(report=report))
    assert home.purge(Wanted(dataset=dataset_id), confirm="ward").uploads == 1
    assert len(list((home.settings.home / "uploads").iterdir())) == 1


def test_all_chats_and_thumbs_of_a_person_go(home: Home) -> None:
    kept = home.chat("Mine?", "Yes.", owner="usr_b")
    home.chat("Hers?", "Yes.", owner="usr_a")
    with home.services.db.write() as connection:
        answer_id = connection.execute(sa.select(answers.c.id).where(answers.c.chat_id == kept)).scalar_one()
        connection.execute(thumbs.insert().values(answer_id=answer_id, user_id="usr_a", value=-1, created_at=now()))
    found = home.purge(Wanted(person="usr_a"))
    assert (found.chats, found.questions, found.ratings) == (1, 1, 2)
    assert [row["id"] for row in home.all(chats)] == [kept]
    assert [row["user_id"] for row in home.all(thumbs)] == ["usr_b"]


def test_all_chats_of_a_links_guests_go(home: Home, ward: str) -> None:
    link_id = home.all(links)[0]["id"]
    guest = home.chat("A guest's?", "Yes.", owner="usr_guest", link_id=link_id)
    assert home.purge(Wanted(link=link_id)).chats == 1
    assert guest not in [row["id"] for row in home.all(chats)]
    assert len(home.all(chats)) == 2


# --- killed in the middle ---------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: no handler of the studio's may count on being called."""


def test_killed_anywhere_it_is_finished_by_doing_it_again(home: Home, ward: str) -> None:
    """A purge that dies after each of its steps comes to its end all the same, and leaves nothing."""

    def die() -> None:
        raise Killed

    home.services.purge.between = die
    deaths = 0
    while deaths < 50:
        try:
            home.purge(delete_checkpoints=True)
            break
        except Killed:
            deaths += 1
    assert 10 < deaths < 50
    assert home.where(NAME) == home.where(WIDE) == []
    assert home.all(checkpoints) == []
    info = home.services.data.get(home.actor, ward)
    with home.services.db.read() as connection:
        assert (info.n_rows, info.content_hash) == (6, hash_of_what_holds(connection, ward, 1))


def test_killed_between_rows_and_counts_a_purge_of_anything_counts_again(home: Home, ward: str) -> None:
    batches: list[int] = []

    def after_the_rows() -> None:
        if len(home.all(rows)) == 6:
            batches.append(1)
            raise Killed

    home.services.purge.between = after_the_rows
    with pytest.raises(Killed):
        home.purge()
    assert home.services.data.get(home.actor, ward).content_hash.startswith(store.PURGING)
    home.services.purge.between = lambda: None
    home.purge()
    assert home.services.data.get(home.actor, ward).n_rows == 6


# --- who, and how it is told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
def test_only_an_admin_may_look_or_purge(home: Home, ward: str, role: Role) -> None:
    somebody = Actor("usr_b", role)
    before = len(home.all(rows))
    with pytest.raises(AccessError):
        home.services.purge.look(somebody, WANTED)
    with pytest.raises(AccessError):
        home.services.purge.run(somebody, WANTED, delete_checkpoints=False, confirm=NAME)
    assert len(home.all(rows)) == before
    assert [row["outcome"] for row in home.all(audit)[-2:]] == ["refused", "refused"]


def test_the_trail_tells_how_much_went_and_not_what(home: Home, ward: str) -> None:
    home.purge(delete_checkpoints=True)
    told = [row for row in home.all(audit) if row["action"] == "purge.run"]
    assert [row["outcome"] for row in told] == ["done", "done"]
    assert {"rows": 2, "chats": 2, "checkpoints": 2}.items() <= told[1]["detail"].items()
    assert not any(Phrase(part).is_in(str(row)) for row in told for part in NAME.split())


@pytest.mark.parametrize("confirm", ["", "maria 刘芳", "ward"])
def test_what_is_not_repeated_exactly_is_not_purged(home: Home, ward: str, confirm: str) -> None:
    before = home.where(NAME)
    with pytest.raises(ConfigError) as raised:
        home.services.purge.run(home.actor, WANTED, delete_checkpoints=False, confirm=confirm)
    assert (raised.value.key, raised.value.field, raised.value.params) == ("error.purge.confirm", "confirm", {})
    assert home.where(NAME) == before


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        (Wanted(), "error.purge.one_thing"),
        (Wanted(phrase=NAME, person="usr_a"), "error.purge.one_thing"),
        (Wanted(phrase=" 刘芳 "), "error.purge.phrase_short"),
        (Wanted(phrase="Purge"), "error.purge.phrase_own"),
    ],
)
def test_what_means_too_much_is_refused(services: Services, actor: Actor, wanted: Wanted, key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        services.purge.look(actor, wanted)
    assert raised.value.key == key


def test_a_dataset_that_is_not_there_is_not_found(services: Services, actor: Actor) -> None:
    with pytest.raises(NotFoundError):
        services.purge.look(actor, Wanted(dataset="ds_none"))


# --- from a shell -----------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))
    if settings.database_url:
        monkeypatch.setenv("STUDIO_DATABASE_URL", settings.database_url)
    return lambda *words, **more: CliRunner().invoke(app, ["purge", *words], **more)


def test_a_shell_looks_first_and_purges_with_yes(home: Home, ward: str, shell: Callable[..., Any]) -> None:
    looked = shell("--phrase-file", "-", "--json", input=f"{NAME}\n")
    assert (looked.exit_code, json.loads(looked.stdout)["rows"], home.look().n_rows) == (0, 2, 2)
    purged = shell("--phrase-file", "-", "--yes", "--lang", "en", input=f"{NAME}\n")
    assert purged.exit_code == 0
    assert "Backups still hold it" in purged.stdout
    assert home.look().is_empty


def test_a_shell_knows_a_dataset_by_its_name(home: Home, ward: str, shell: Callable[..., Any]) -> None:
    done = shell("--dataset", "ward", "--yes", "--delete-checkpoints", "--json")
    assert (done.exit_code, json.loads(done.stdout)["purged"]) == (0, True)
    assert home.all(rows) == home.all(checkpoints) == []
