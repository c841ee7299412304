"""From a dataset to a file that can be fetched: which files, what they hold, and what is left when something goes wrong."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner, Result

from studio.access import Actor
from studio.access.tables import audit
from studio.cli import app
from studio.data import export_service
from studio.data.cells import MARK
from studio.data.export import ExportedDataset, export_rows, run_export
from studio.data.rows import NewRow
from studio.data.tables import revisions, rows
from studio.errors import ConfigError, DataError, NotFoundError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.services import Services
from tests.unit.data.exported import ROWS, assistant, chat, make_dataset, spec_of, user

pytestmark = pytest.mark.backends("sqlite", "postgresql")

TWO_TURNS = NewRow("chat", {"messages": [user("1"), assistant("2"), user("3"), assistant("4")]})


def exported(services: Services, actor: Actor, dataset_id: str, **options: Any) -> Path:
    spec = services.exports.spec(actor, dataset_id, **options)
    name = services.exports.export(actor, spec).name
    assert name is not None
    return services.exports.path(actor, name)


def files_in(path: Path) -> dict[str, bytes]:
    """The files of a zip by their names inside its one folder."""
    with zipfile.ZipFile(path) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {path.stem}
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def jsonl(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def left_in(services: Services) -> list[str]:
    home = services.settings.home
    return [path.name for folder in ("exports", "tmp") for path in (home / folder).iterdir()]


# --- files ------------------------------------------------------------------------------------------------------------


def test_rows_of_one_kind_are_one_file_in_their_order(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, [chat(f"{n}?", split="train", tags=["a", "b"]) for n in range(300)])
    path = exported(services, actor, dataset_id)
    records = jsonl(path.read_bytes())
    assert [record["messages"][0]["content"] for record in records] == [f"{n}?" for n in range(300)]
    assert {key: value for key, value in records[0].items() if key != "messages"} == {"split": "train", "tags": ["a", "b"]}
    assert left_in(services) == [path.name]


def test_the_name_tells_dataset_and_revision_and_differs_between_wishes(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, [chat(split="train")], name="眼 ../科: <x>")
    whole, train = exported(services, actor, dataset_id), exported(services, actor, dataset_id, split="train")
    assert whole.name.startswith("眼-科-x-r1-")
    assert whole.name != train.name
    assert exported(services, actor, dataset_id) == whole


def test_two_datasets_whose_names_look_alike_have_files_of_their_own(services: Services, actor: Actor) -> None:
    paths = [exported(services, actor, make_dataset(services.db, [chat()], name=name)) for name in ("a b", "a/b")]
    assert paths[0] != paths[1]


def test_several_kinds_are_a_zip_with_a_file_for_each_and_the_card(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, ROWS.values(), card={"licence": "MIT", "uses": "Teaching."})
    files = files_in(exported(services, actor, dataset_id))
    assert set(files) == {f"{kind}.jsonl" for kind in ROWS} | {"README.md"}
    assert all(len(jsonl(files[f"{kind}.jsonl"])) == 1 for kind in ROWS)
    card = files["README.md"].decode()
    assert "license: mit" in card
    assert "Teaching." in card
    assert services.data.get(actor, dataset_id).content_hash in card


@pytest.mark.parametrize(("split", "n"), [("train", 2), ("test", 1), ("none", 3), (None, 6)])
def test_a_split_can_be_taken_alone(services: Services, actor: Actor, split: str | None, n: int) -> None:
    splits = ["train", "train", "test", None, None, None]
    dataset_id = make_dataset(services.db, [chat(split=name) for name in splits])
    assert len(jsonl(exported(services, actor, dataset_id, split=split).read_bytes())) == n


def test_what_rows_carried_besides_can_be_left_out(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, [chat(extra={"doctor": "Li"})])
    assert jsonl(exported(services, actor, dataset_id).read_bytes())[0]["doctor"] == "Li"
    assert "doctor" not in jsonl(exported(services, actor, dataset_id, with_extra=False).read_bytes())[0]


def test_an_earlier_revision_can_be_taken(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, [chat("old"), chat("both")])
    with services.db.write() as connection:
        first = connection.execute(sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id).order_by(rows.c.position)).scalar()
        connection.execute(rows.update().where(rows.c.id == first).values(until=2))
        old = connection.execute(sa.select(revisions).where(revisions.c.dataset_id == dataset_id)).mappings().one()
        connection.execute(revisions.insert().values(**{**old, "number": 2}))
    for revision, n in ((1, 2), (2, 1)):
        made = export_rows(services.db, services.settings, spec_of(dataset_id, revision))
        assert (len(jsonl(made.path.read_bytes())), made.n_seen, made.n_fit, made.unfit) == (n, n, n, {})


# --- tables -----------------------------------------------------------------------------------------------------------


def test_no_cell_of_a_csv_file_is_a_formula_and_excel_knows_its_encoding(services: Services, actor: Actor) -> None:
    formulas = ("=1+1", "+1", "-1", "@x", "\t=1", "＝1", " =1", "'=1")
    made = [chat(text, text, topic=text.strip(), tags=[text.strip()], extra={"note": text}) for text in formulas]
    path = exported(services, actor, make_dataset(services.db, made), format="csv", shape={"chat": "question_answer"})
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    header, *lines = csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""))
    assert header == ["question", "answer", "topic", "tags", "note", MARK]
    for line in lines:
        assert not [cell for cell in line if cell.lstrip().startswith(tuple("=+-@＝＋－＠\t\r\n"))]
    assert [line[-1] for line in lines] == ["5"] * len(formulas)


def test_a_csv_file_without_formulas_has_no_column_about_them(services: Services, actor: Actor) -> None:
    path = exported(services, actor, make_dataset(services.db, [chat("a\r\nb")]), format="csv", shape={"chat": "alpaca"})
    assert path.read_bytes() == b'\xef\xbb\xbfinstruction,input,output\r\n"a\r\nb",,A.\r\n'


def test_parquet_is_written_in_groups_with_a_note_of_where_it_is_from(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, [chat(f"{n}?") for n in range(2_500)])
    file = pq.ParquetFile(exported(services, actor, dataset_id, format="parquet"))
    assert (file.metadata.num_rows, file.num_row_groups) == (2_500, 2)
    note = json.loads(file.schema_arrow.metadata[b"finetune_studio"])
    assert note == {"dataset": "eyes", "revision": 1, "content_hash": services.data.get(actor, dataset_id).content_hash}
    first = next(file.iter_batches(batch_size=1)).to_pylist()[0]
    assert first["messages"][0] == {"role": "user", "content": "0?"}


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_for_llama_factory_names_every_file_once(services: Services, actor: Actor) -> None:
    made = [chat(split="train"), chat(split="test"), ROWS["preference"], ROWS["label"]]
    files = files_in(exported(services, actor, make_dataset(services.db, made, name="my eyes"), format="llama_factory"))
    info = json.loads(files["dataset_info.json"])
    assert {name: value["file_name"] for name, value in info.items()} == {
        "my-eyes_chat_train": "chat_train.jsonl",
        "my-eyes_chat_test": "chat_test.jsonl",
        "my-eyes_preference_train": "preference_train.jsonl",
    }
    assert info["my-eyes_preference_train"]["ranking"] is True
    assert set(files) == {value["file_name"] for value in info.values()} | {"dataset_info.json", "README.md"}
    for value in info.values():
        (record,) = jsonl(files[value["file_name"]])
        assert set(value["columns"].values()) == set(record)


@pytest.mark.backends("sqlite")
def test_load_dataset_finds_the_splits_of_a_folder(services: Services, actor: Actor, tmp_path: Path) -> None:
    """The library itself reads the folder, in a process of its own: it is heavy and sets many things."""
    splits = ["train"] * 3 + ["validation", "test", None]
    dataset_id = make_dataset(services.db, [chat(f"{n}?", split=name, tags=["x"]) for n, name in enumerate(splits)])
    path = exported(services, actor, dataset_id, format="datasets_folder")
    zipfile.ZipFile(path).extractall(tmp_path)
    script = (
        "import json, sys, datasets\n"
        "found = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2])\n"
        "print(json.dumps({name: [row['messages'][0]['content'] for row in rows] for name, rows in found.items()}))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / path.stem), str(tmp_path / "cache")]
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=offline, timeout=100)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"train": ["0?", "1?", "2?"], "validation": ["3?"], "test": ["4?"], "unassigned": ["5?"]}


def test_rows_without_any_split_are_the_train_split_of_a_folder(services: Services, actor: Actor) -> None:
    files = files_in(exported(services, actor, make_dataset(services.db, [chat()]), format="datasets_folder"))
    assert set(files) == {"data/train-00000-of-00001.parquet", "README.md"}


# --- what does not fit ------------------------------------------------------------------------------------------------


def test_rows_that_do_not_fit_are_told_before_and_the_others_are_written(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, [chat("a"), TWO_TURNS, chat("b"), ROWS["text"]])
    spec = services.exports.spec(actor, dataset_id, shape={"chat": "question_answer"})
    look = services.exports.preview(actor, spec)
    assert look.unfit == {"chat": {"data.unfit.several_turns": 1}}
    assert (look.n_rows, look.n_seen, look.n_fit) == (4, 4, 3)
    assert look.first["chat"] == '{"question": "a", "answer": "A."}\n{"question": "b", "answer": "A."}\n'
    assert left_in(services) == []
    files = files_in(exported(services, actor, dataset_id, shape={"chat": "question_answer"}))
    assert len(jsonl(files["chat.jsonl"])) == 2
    assert "several turns" in files["README.md"].decode()


@pytest.mark.parametrize(
    ("form", "begins"),
    [("csv", "messages,split\r\n"), ("json", '[\n{"messages"'), ("parquet", '{"messages"'), ("llama_factory", '{"messages"')],
)
def test_a_preview_shows_the_first_records_as_the_file_would_have_them(
    services: Services, actor: Actor, form: str, begins: str
) -> None:
    dataset_id = make_dataset(services.db, [chat(f"{n}?", split="train") for n in range(9)])
    told = services.exports.preview(actor, services.exports.spec(actor, dataset_id, format=form)).first["chat"]
    assert told.startswith(begins)
    assert "2?" in told
    assert "3?" not in told


def test_an_export_of_nothing_is_refused_and_leaves_nothing(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, [TWO_TURNS])
    for options, key in (({"split": "test"}, "export_empty"), ({"shape": {"chat": "question_answer"}}, "export_unfit")):
        with pytest.raises(DataError) as caught:
            exported(services, actor, dataset_id, **options)
        assert caught.value.key == f"error.data.{key}"
    assert left_in(services) == []


@pytest.mark.parametrize(
    "options",
    [{"shape": {"chat": "kto"}}, {"shape": {"nothing": "auto"}}, {"format": "xlsx"}, {"split": "half"}, {"colour": "red"}],
    ids=["shape", "kind", "format", "split", "field"],
)
def test_wishes_that_cannot_be_are_refused(services: Services, actor: Actor, options: dict[str, Any]) -> None:
    dataset_id = make_dataset(services.db, [chat()])
    with pytest.raises(ConfigError):
        services.exports.spec(actor, dataset_id, **options)


@pytest.mark.parametrize("revision", [2, 99])
def test_a_revision_that_is_not_there_or_not_finished_is_unknown(services: Services, actor: Actor, revision: int) -> None:
    dataset_id = make_dataset(services.db, [chat()])
    with services.db.write() as connection:
        done = connection.execute(sa.select(revisions).where(revisions.c.dataset_id == dataset_id)).mappings().one()
        connection.execute(revisions.insert().values(**{**done, "number": 2, "state": "pending"}))
    with pytest.raises(NotFoundError):
        services.exports.export(actor, spec_of(dataset_id, revision))


def test_rows_that_were_purged_since_are_not_exported_under_the_old_hash(services: Services, actor: Actor) -> None:
    dataset_id = make_dataset(services.db, [chat()])
    spec = services.exports.spec(actor, dataset_id)
    stale = spec.model_copy(update={"dataset": ExportedDataset(id=dataset_id, revision=1, hash="0" * 64)})
    with pytest.raises(DataError) as caught:
        services.exports.export(actor, stale)
    assert caught.value.key == "error.data.purged"
    assert left_in(services) == []


# --- who, and how -----------------------------------------------------------------------------------------------------


def test_an_export_and_its_download_are_in_the_trail(services: Services, viewer: Actor) -> None:
    dataset_id = make_dataset(services.db, [chat()])
    path = exported(services, viewer, dataset_id)
    with services.db.read() as connection:
        found = connection.execute(sa.select(audit.c.action, audit.c.target, audit.c.outcome).order_by(audit.c.id)).all()
    assert [tuple(entry) for entry in found] == [
        ("dataset.export", dataset_id, "done"),
        ("dataset.export", path.name, "done"),
    ]


@pytest.mark.parametrize("name", ["../studio.db", "audit-20260101-000000-abcdef12.csv", "", ".", "a-r1-00000000.jsonl/../../x"])
def test_only_what_exports_made_can_be_fetched(services: Services, viewer: Actor, name: str) -> None:
    (services.settings.home / "exports" / "audit-20260101-000000-abcdef12.csv").write_text("secret")
    with pytest.raises(NotFoundError):
        services.exports.path(viewer, name)


def test_many_rows_are_a_job_and_a_double_click_is_one(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_service, "_SMALL_ROWS", 2)
    spec = services.exports.spec(actor, make_dataset(services.db, [chat(), chat(), chat()]))
    made = [services.exports.export(actor, spec, request_id="r1") for _ in range(2)]
    assert made[0] == made[1]
    job = services.jobs.get(actor, made[0].job_id or "")
    assert (job.kind, job.job_class, job.state, job.name) == ("export_data", "light", "queued", "eyes")
    assert job.spec["dataset"]["hash"] == services.data.get(actor, made[0].dataset_id).content_hash


def test_the_job_leaves_the_file_and_says_its_name(services: Services, actor: Actor, job_context: Any) -> None:
    spec = services.exports.spec(actor, make_dataset(services.db, [chat()]))
    context: JobContext = job_context(spec.as_dict())
    result = run_export(context)
    assert jsonl(services.exports.path(actor, result["file"]).read_bytes()) == [ROWS["chat"].content]


def test_a_job_that_is_stopped_leaves_nothing(services: Services, actor: Actor, job_context: Any) -> None:
    context: JobContext = job_context(services.exports.spec(actor, make_dataset(services.db, [chat()])).as_dict())
    context.stop.set()
    with pytest.raises(StoppedByRequest):
        run_export(context)
    assert left_in(services) == []


# --- from a shell -----------------------------------------------------------------------------------------------------


def cli(services: Services, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setenv("STUDIO_HOME", str(services.settings.home))
    monkeypatch.delenv("LANG", raising=False)
    return CliRunner().invoke(app, ["export", *words])


@pytest.mark.backends("sqlite")
def test_a_shell_exports_by_name_and_says_what_is_left_out(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_dataset(services.db, [chat(), TWO_TURNS])
    out = tmp_path / "out.csv"
    words = ("eyes", "--format", "csv", "--shape", "chat=question_answer", "--out", str(out), "--json")
    done = cli(services, monkeypatch, *words)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"file": str(out), "unfit": {"chat": {"data.unfit.several_turns": 1}}}
    assert "several turns" in done.stderr
    assert out.read_text("utf-8-sig") == "question,answer\nQ?,A.\n"


@pytest.mark.backends("sqlite")
@pytest.mark.parametrize(
    ("words", "said"),
    [(("nobody",), "nobody"), (("eyes", "--shape", "alpaca"), "chat=alpaca"), (("eyes", "--format", "xlsx"), "format")],
)
def test_a_shell_is_told_what_is_wrong(
    services: Services, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    make_dataset(services.db, [chat()])
    done = cli(services, monkeypatch, *words)
    assert done.exit_code == 1
    assert said in done.stderr
