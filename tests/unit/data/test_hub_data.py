"""A dataset of a hub becomes a draft: its files are listed, chosen, fetched, and then imported like any others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from studio.access import Actor
from studio.data.drafts import Draft
from studio.data.hub_data import BringSpec, HubDataService, run_bring
from studio.data.jobs import ImportSpec
from studio.errors import DataError
from studio.jobs.context import JobContext
from studio.services import Services
from studio.settings import Settings
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.backends("sqlite", "postgresql")


def lines(n: int, split: str) -> bytes:
    rows = ({"instruction": f"{split} {number}?", "output": "Yes."} for number in range(n))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with one dataset, `eye/care`, in three splits, and what repositories hold besides."""
    import huggingface_hub.constants

    # A machine that sets HF_HUB_OFFLINE forbids the loopback address as well; the library reads the variable at its import.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    made = FakeHub()
    made.repos["eye/care"] = {
        "README.md": b"# Eye care",
        "care.py": b"raise SystemExit",
        "dataset_infos.json": b"{}",
        "data/train-00000-of-00001.jsonl": lines(5, "train"),
        "data/validation-00000-of-00001.jsonl": lines(2, "validation"),
        "data/test-00000-of-00001.jsonl": lines(3, "test"),
    }
    made.repos["eye/code"] = {"care.py": b"raise SystemExit"}
    yield made
    made.close()


@pytest.fixture
def online(settings: Settings, hub: FakeHub) -> Settings:
    return Settings(home=settings.home, database_url=settings.database_url, hub=hub.url)


@pytest.fixture
def opened(services: Services, actor: Actor, online: Settings) -> Draft:
    return HubDataService(services.db, online).open(actor, "eye/care")


def test_a_draft_of_a_hubs_dataset_lists_its_data_files_with_their_splits_and_fetches_nothing(opened: Draft) -> None:
    assert [(file.name, file.split) for file in opened.files] == [
        ("data/test-00000-of-00001.jsonl", "test"),
        ("data/train-00000-of-00001.jsonl", "train"),
        ("data/validation-00000-of-00001.jsonl", "validation"),
    ]
    assert all(file.is_away for file in opened.files)


def test_the_address_of_the_page_is_as_good_as_the_id(services: Services, actor: Actor, online: Settings, hub: FakeHub) -> None:
    assert len(HubDataService(services.db, online).open(actor, f" {hub.url}/datasets/eye/care/tree/main ").files) == 3


def test_only_the_chosen_splits_are_fetched_and_their_rows_keep_them(
    services: Services, actor: Actor, online: Settings, hub: FakeHub, opened: Draft, job_context: Callable[..., JobContext]
) -> None:
    services.drafts.change(actor, opened.id, 2, chosen=False)
    run_bring(job_context(BringSpec(draft=opened.id).as_dict(), online))
    assert not any("validation" in path for path in hub.asked)
    files = [file for file in services.drafts.get(actor, opened.id).files if file.chosen]
    spec = ImportSpec(files=[file.as_import() for file in files], dataset_name="care")
    made = services.data.import_upload(actor, spec).dataset_id
    assert made is not None
    assert services.data.get(actor, made).counts == {"train": 5, "test": 3}


def test_a_second_attempt_fetches_only_what_is_missing(
    services: Services, actor: Actor, online: Settings, hub: FakeHub, opened: Draft, job_context: Callable[..., JobContext]
) -> None:
    hub.broken_off.add("data/validation-00000-of-00001.jsonl")
    with pytest.raises(DataError) as caught:
        run_bring(job_context(BringSpec(draft=opened.id).as_dict(), online))
    assert caught.value.key == "error.data.hub_unreachable"
    assert [file.is_away for file in services.drafts.get(actor, opened.id).files] == [False, False, True]
    hub.broken_off.clear()
    hub.asked.clear()
    run_bring(job_context(BringSpec(draft=opened.id).as_dict(), online))
    assert [path.split("/")[-1] for path in hub.asked] == ["validation-00000-of-00001.jsonl"]
    assert list((online.home / "tmp").glob("job_*")) == []


@pytest.mark.parametrize(
    ("ref", "key"),
    [
        ("eye/none", "error.data.not_on_hub"),
        ("eye/code", "error.data.no_data_files"),
        ("eye/closed", "error.data.gated"),
        ("../../etc", "error.data.bad_ref"),
        ("", "error.data.bad_ref"),
    ],
)
def test_what_cannot_be_opened_says_why(
    services: Services, actor: Actor, online: Settings, hub: FakeHub, ref: str, key: str
) -> None:
    hub.gated.add("eye/closed")
    with pytest.raises(DataError) as caught:
        HubDataService(services.db, online).open(actor, ref)
    assert (caught.value.key, caught.value.field) == (key, "ref")
