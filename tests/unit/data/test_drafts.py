"""Files are brought before they are imported: each stands in a draft with what it is, and one bad file spoils no other."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.access import Actor
from studio.data.drafts import split_in_name
from studio.data.jobs import ImportSpec
from studio.errors import AccessError, DataError, NotFoundError
from studio.services import Services

pytestmark = pytest.mark.backends("sqlite", "postgresql")

Made = Callable[[str, bytes], Path]


def jsonl(*questions: str) -> bytes:
    return "".join(json.dumps({"instruction": question, "output": "Yes."}) + "\n" for question in questions).encode()


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_a_bad_file_stands_in_the_draft_with_its_reason_and_the_others_are_taken(
    services: Services, actor: Actor, made: Made
) -> None:
    paths = [made("a.jsonl", jsonl("A?")), made("b.zip", b"PK\x03\x04 broken"), made("c.jsonl", jsonl("C?"))]
    draft = services.drafts.bring(actor, [(path, path.name) for path in paths])
    assert [(file.name, file.chosen) for file in draft.files] == [("a.jsonl", True), ("b.zip", False), ("c.jsonl", True)]
    looks = [services.drafts.look(actor, file) for file in draft.files]
    assert [look.found.n_good if look.found else None for look in looks] == [1, None, 1]
    assert isinstance(looks[1].problem, DataError)


def test_an_archive_stands_in_the_draft_with_its_members_and_their_splits(services: Services, actor: Actor, made: Made) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("train", "test"):
            archive.writestr(f"data/{name}.jsonl", jsonl(f"{name}?"))
        archive.writestr("__MACOSX/._train.jsonl", b"x")
    path = made("rows.zip", stream.getvalue())
    draft = services.drafts.bring(actor, [(path, path.name)])
    assert [(Path(file.name).name, file.split) for file in draft.files] == [("train.jsonl", "train"), ("test.jsonl", "test")]
    assert {file.archive for file in draft.files} == {services.data.stage(actor, path)}
    spec = ImportSpec(files=[file.as_import() for file in draft.files], dataset_name="rows")
    dataset = services.data.import_upload(actor, spec).dataset_id
    assert dataset is not None
    assert services.data.get(actor, dataset).counts == {"test": 1, "train": 1}


def test_several_files_become_one_dataset_in_their_order(services: Services, actor: Actor, made: Made) -> None:
    paths = [made("one.jsonl", jsonl("1?", "2?")), made("two.csv", "问题,回答\n3?,好\n".encode("gb18030"))]
    draft = services.drafts.bring(actor, [(path, path.name) for path in paths])
    spec = ImportSpec(files=[file.as_import() for file in draft.files], dataset_name="both", test_share=0, validation_share=0)
    dataset = services.data.import_upload(actor, spec).dataset_id
    assert dataset is not None
    found, _ = services.data.page(actor, dataset)
    assert [row.content["messages"][0]["content"] for row in found] == ["1?", "2?", "3?"]
    assert [(row.origin or {})["ref"] for row in found] == ["one.jsonl", "one.jsonl", "two.csv"]


def test_what_people_decide_stands_in_the_draft_and_is_imported(services: Services, actor: Actor, made: Made) -> None:
    path = made("odd.csv", "病人的话,医生的话\n痛吗,不痛\n".encode())
    draft = services.drafts.bring(actor, [(path, path.name)])
    look = services.drafts.look(actor, draft.files[0])
    assert look.found is not None
    assert (look.found.shape, look.found.n_good) == ("", 0)
    services.drafts.change(actor, draft.id, 0, mapping={"as": "chat", "question": "病人的话", "answer": "医生的话"})
    file = services.drafts.get(actor, draft.id).files[0]
    sure = services.drafts.look(actor, file)
    assert sure.found is not None
    assert sure.found.n_good == 1
    spec = ImportSpec(files=[file.as_import()], dataset_name="odd")
    assert services.data.import_upload(actor, spec).dataset_id is not None


def test_a_mapping_is_forgotten_when_the_file_is_read_otherwise(services: Services, actor: Actor, made: Made) -> None:
    path = made("odd.csv", b"x;y\n1;2\n")
    draft = services.drafts.bring(actor, [(path, path.name)])
    services.drafts.change(actor, draft.id, 0, mapping={"as": "chat", "question": "x", "answer": "y"})
    assert services.drafts.change(actor, draft.id, 0, options={"delimiter": ","}).mapping is None
    with pytest.raises(DataError) as caught:
        services.drafts.change(actor, draft.id, 0, options={"encoding": "klingon"})
    assert caught.value.key == "error.data.unknown_encoding"


def test_a_draft_that_is_not_there_says_so(services: Services, actor: Actor, made: Made) -> None:
    with pytest.raises(NotFoundError):
        services.drafts.get(actor, "drf_none")
    path = made("a.jsonl", jsonl("A?"))
    draft = services.drafts.bring(actor, [(path, path.name)])
    with pytest.raises(NotFoundError):
        services.drafts.change(actor, draft.id, 1, chosen=False)


def test_a_viewer_cannot_bring_files(services: Services, viewer: Actor, made: Made) -> None:
    with pytest.raises(AccessError):
        services.drafts.bring(viewer, [(made("a.jsonl", jsonl("A?")), "a.jsonl")])


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("data/train-00000-of-00001.parquet", "train"),
        ("validation.jsonl", "validation"),
        ("my_dev_set.csv", "validation"),
        ("latest.csv", None),
        ("contest.csv", None),
        ("train_test.csv", None),
        ("测试.csv", None),
    ],
)
def test_a_split_is_read_from_whole_words_of_a_name_only(name: str, split: str | None) -> None:
    assert split_in_name(name) == split


def test_shares_are_drawn_from_the_files_that_name_no_split(services: Services, actor: Actor, made: Made) -> None:
    paths = [made("test.jsonl", jsonl("a?", "b?")), made("more.jsonl", jsonl(*(f"{n}?" for n in range(10))))]
    draft = services.drafts.bring(actor, [(path, path.name) for path in paths])
    files = [file.as_import() for file in draft.files]
    spec = ImportSpec(files=files, dataset_name="both", validation_share=0.2, test_share=0.1)
    dataset = services.data.import_upload(actor, spec).dataset_id
    assert dataset is not None
    assert services.data.get(actor, dataset).counts == {"train": 7, "validation": 2, "test": 3}


def test_of_a_refused_archive_nothing_is_left(services: Services, actor: Actor, made: Made) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", jsonl("A?"))
        archive.writestr("b.jsonl", b"0" * 40_000_000)
    path = made("bomb.zip", stream.getvalue())
    draft = services.drafts.bring(actor, [(path, path.name)])
    assert [(file.name, file.chosen, file.upload) for file in draft.files] == [("bomb.zip", False, "")]


@pytest.mark.parametrize(("name", "shown"), [("a\0b.jsonl", "ab.jsonl"), ("a\udcffb.jsonl", "a?b.jsonl"), ("\n", "file")])
def test_a_files_name_is_what_can_be_shown(services: Services, actor: Actor, made: Made, name: str, shown: str) -> None:
    path = made("plain.jsonl", jsonl("A?"))
    assert services.drafts.bring(actor, [(path, name)]).files[0].name == shown
