"""The list of bases: what may become one, under which id, and that asking twice fetches once."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.access import Actor
from studio.errors import AccessError, ModelError, NotFoundError
from studio.jobs.queue import Job
from studio.models.catalogue import STARTER_ID, base_folder, base_id_of, check_folder
from studio.models.tables import bases
from studio.services import Services
from studio.settings import Settings


def fetches(services: Services, actor: Actor) -> list[Job]:
    return [job for job in services.jobs.active(actor) if job.kind == "fetch"]


def set_state(services: Services, base_id: str, state: str) -> None:
    with services.db.write() as connection:
        connection.execute(bases.update().where(bases.c.id == base_id).values(state=state))


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ref", "base_id"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "huggingfacetb-smollm2-135m-instruct"),
        ("Qwen/Qwen2.5_0.5B", "qwen-qwen2.5_0.5b"),
        ("/data/models/My Model/", "data-models-my-model"),
        ("../../etc", "etc"),
        ("模型", "model"),
    ],
)
def test_an_id_is_a_readable_form_of_the_reference(ref: str, base_id: str) -> None:
    assert base_id_of(ref) == base_id


@given(st.text())
@hypothesis_settings(database=None, deadline=None)
def test_every_reference_has_an_id_that_is_safe_in_files_and_urls(ref: str) -> None:
    base_id = base_id_of(ref)
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", base_id)
    home = Settings(home=Path("/nowhere"))
    assert base_folder(home, base_id).parent == Path("/nowhere/models")


@pytest.mark.parametrize("base_id", ["", "..", "../keys", "a/b", "/etc", "A", ".hidden", "a\n"])
def test_an_id_that_could_lead_out_of_the_folder_is_refused(settings: Settings, base_id: str) -> None:
    with pytest.raises(ModelError) as caught:
        base_folder(settings, base_id)
    assert (caught.value.key, caught.value.params) == ("error.model.unknown_base", {"base": base_id})


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "key"),
    [
        ("config.json", "error.model.no_config"),
        ("tokenizer.json", "error.model.no_tokenizer_file"),
        ("model.safetensors", "error.model.no_safetensors"),
    ],
)
def test_a_folder_says_which_file_is_missing(tmp_path: Path, tiny_base_folder: Path, missing: str, key: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_base_folder, folder)
    check_folder(folder)
    (folder / missing).unlink()
    with pytest.raises(ModelError) as caught:
        check_folder(folder)
    assert (caught.value.key, caught.value.field, caught.value.params) == (key, "ref", {"folder": str(folder)})


def test_pickled_weights_are_no_weights(tmp_path: Path, tiny_base_folder: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_base_folder, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError) as caught:
        check_folder(folder)
    assert caught.value.key == "error.model.no_safetensors"


# --- adding -----------------------------------------------------------------------------------------------------------


def test_a_hub_id_becomes_a_base_on_its_way_and_a_job_that_brings_it(services: Services, actor: Actor) -> None:
    base_id = services.models.add(actor, " Qwen/Qwen2.5-0.5B ")
    base = services.models.get(actor, base_id)
    assert (base.id, base.name, base.source, base.state) == ("qwen-qwen2.5-0.5b", "Qwen2.5-0.5B", "hub", "fetching")
    assert [job.spec for job in fetches(services, actor)] == [
        {"kind": "fetch", "schema": 1, "then": [], "base": base_id, "source": "hub", "ref": "Qwen/Qwen2.5-0.5B"}
    ]
    assert services.models.ready(actor) == []


def test_a_folder_becomes_a_base_under_its_own_name(services: Services, actor: Actor, tiny_base_folder: Path) -> None:
    base = services.models.get(actor, services.models.add(actor, f"{tiny_base_folder}/"))
    assert (base.source, base.ref) == ("folder", str(tiny_base_folder))
    assert base.name == tiny_base_folder.name


def test_asking_twice_fetches_once(services: Services, actor: Actor) -> None:
    assert services.models.add(actor, "a/b") == services.models.add(actor, "a/b")
    assert len(fetches(services, actor)) == 1
    assert len(services.models.list(actor)) == 1


def test_a_base_that_is_here_is_not_fetched_again(services: Services, actor: Actor) -> None:
    base_id = services.models.add(actor, "a/b")
    services.jobs.stop(actor, fetches(services, actor)[0].id)
    set_state(services, base_id, "ready")
    services.models.add(actor, "a/b")
    assert fetches(services, actor) == []


def test_a_base_that_failed_can_be_fetched_again(services: Services, actor: Actor) -> None:
    base_id = services.models.add(actor, "a/b")
    services.jobs.stop(actor, fetches(services, actor)[0].id)
    set_state(services, base_id, "failed")
    assert services.models.add(actor, "a/b") == base_id
    assert services.models.get(actor, base_id).state == "fetching"
    assert len(fetches(services, actor)) == 1


def test_a_base_whose_fetch_was_stopped_or_killed_can_be_fetched_again(services: Services, actor: Actor) -> None:
    """Nobody wrote "failed": the job was stopped while it waited, or its process was killed."""
    base_id = services.models.add(actor, "a/b")
    services.jobs.stop(actor, fetches(services, actor)[0].id)
    assert services.models.get(actor, base_id).state == services.models.list(actor)[0].state == "failed"
    services.models.add(actor, "a/b")
    assert services.models.get(actor, base_id).state == "fetching"
    assert len(fetches(services, actor)) == 1


@pytest.mark.parametrize("names", [("one/model", "two/model"), ("甲", "乙")])
def test_two_folders_whose_names_read_alike_are_two_bases(
    services: Services, actor: Actor, tiny_base_folder: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    for name in names:
        shutil.copytree(tiny_base_folder, tmp_path / name)
    first, second = (services.models.add(actor, str(tmp_path / name)) for name in names)
    assert first != second
    assert [services.models.get(actor, base).ref for base in (first, second)] == [str(tmp_path / name) for name in names]
    assert services.models.add(actor, str(tmp_path / names[1])) == second


@pytest.mark.parametrize(
    ("ref", "key"),
    [
        ("", "error.model.no_ref"),
        ("   ", "error.model.no_ref"),
        ("gpt2", "error.model.bad_ref"),
        ("a/b/c", "error.model.bad_ref"),
        ("https://huggingface.co/a/b", "error.model.bad_ref"),
        ("a/b; rm -rf /", "error.model.bad_ref"),
        ("/no/such/folder", "error.model.no_folder"),
    ],
)
def test_what_can_be_seen_at_once_is_said_at_once(services: Services, actor: Actor, ref: str, key: str) -> None:
    with pytest.raises(ModelError) as caught:
        services.models.add(actor, ref)
    assert (caught.value.key, caught.value.field) == (key, "ref")
    assert services.models.list(actor) == []
    assert fetches(services, actor) == []


def test_the_starter_is_queued_once_and_stands_first(services: Services, actor: Actor) -> None:
    services.models.ensure_starter(actor)
    services.models.ensure_starter(actor)
    services.models.add(actor, "a/b")
    assert [base.id for base in services.models.list(actor)] == [STARTER_ID, "a-b"]
    assert [job.spec["source"] for job in fetches(services, actor)] == ["starter", "hub"]


def test_an_unknown_base_is_not_found(services: Services, actor: Actor) -> None:
    with pytest.raises(NotFoundError) as caught:
        services.models.get(actor, "nothing")
    assert (caught.value.key, caught.value.params) == ("error.model.unknown_base", {"base": "nothing"})


def test_a_viewer_sees_bases_and_adds_none(services: Services, actor: Actor, viewer: Actor) -> None:
    services.models.add(actor, "a/b")
    assert [base.id for base in services.models.list(viewer)] == ["a-b"]
    with pytest.raises(AccessError):
        services.models.add(viewer, "c/d")
    with services.db.read() as connection:
        rows: Any = connection.execute(sa.select(bases.c.id)).scalars().all()
    assert rows == ["a-b"]
