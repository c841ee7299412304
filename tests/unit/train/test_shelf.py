"""Checkpoints afterwards: written on, merged and proved equal, taken away, sent to a hub, let go with what depends on them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.access import Actor, local_admin
from studio.engine.tables import chats
from studio.errors import ConfigError, JobError, ModelError, NotFoundError
from studio.ids import new_id, now
from studio.jobs.context import JobContext
from studio.jobs.events import EventWriter
from studio.jobs.ingest import ingest
from studio.jobs.kinds import kind_of
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import jobs
from studio.models.merge import MOST_DIFFERENCE
from studio.services import Services, build_services
from studio.settings import Settings
from studio.text import error_text
from studio.train.methods import METHODS
from tests.fakes.hub import FakeHub
from tests.unit.train.runs import Training

New = Callable[..., Training]

#: In float32, where rounding is all that a merge changes.
FP32 = 1e-4


@pytest.fixture(scope="module")
def services(training_home: Path) -> Iterator[Services]:
    made = build_services(Settings(home=training_home, device="cpu"))
    yield made
    made.close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The library may ask it, and nobody else."""
    fake = FakeHub()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield fake
    fake.close()


@pytest.fixture
def actor() -> Actor:
    return local_admin()


@pytest.fixture
def finished(new_training: New, services: Services) -> Callable[..., str]:
    """A training of 4 steps whose checkpoint is in the database; its name."""

    def make(**values: Any) -> str:
        run = new_training(**{"base": "apt", "entered": True, "max_steps": 4, "evaluations": 1} | values)
        run.finished()
        take_in(services, run)
        return f"{run.name}@4"

    return make


def take_in(services: Services, run: Training) -> None:
    """What the worker would do: events into the database, the job ended."""
    job = services.train.get(local_admin(), run.name).job
    ingest(services.db, services.settings, job)
    with services.db.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job.id).values(state="finished", ended_at=now()))


def do(services: Services, kind: str, **settings: Any) -> dict[str, Any]:
    """The newest job of a kind, in this process; it has ended then."""
    job = next(job for job in services.jobs.active(local_admin()) if job.kind == kind)
    folder = RunFolder(services.settings.home / job.folder)
    folder.create(job.spec)
    own = services.settings.model_copy(update=settings)
    context = JobContext(job.id, 1, "usr_local", job.spec, folder, own, services.db, EventWriter(folder.events_file, 1))
    state = "failed"
    try:
        result = kind_of(kind).load()(context)
        state = "finished"
    finally:
        with services.db.write() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(state=state, ended_at=now()))
    return result


IDS = torch.tensor([[5, 17, 33, 64, 101, 7, 9, 300]])


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return model(input_ids=IDS).logits.float()


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


# --- merge ------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The following rank_pattern keys did not match:RuntimeWarning")
@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.merges or name == "full"])
def test_merged_is_the_same_model(method: str, finished: Any, services: Services, actor: Actor) -> None:
    """Oracle: plain peft on plain transformers. LoRA: h = Wx + (α/r)BAx, so merged = unmerged to rounding in float32."""
    from peft import PeftModel

    name = finished(base="tiny", method=method, learning_rate=3e-2, first_rank=6)
    base_id = services.shelf.merge(actor, name)
    assert services.shelf.merge(actor, name) == base_id, "a second press is the same wish"
    result = do(services, "merge")
    assert result["max_difference"] < FP32
    base = services.models.get(actor, base_id)
    assert (base.state, base.source, base.ref) == ("ready", "merged", name)
    folder = services.settings.home / "models" / base_id
    saved = services.settings.home / services.shelf.get(actor, name).checkpoint.path
    tiny = services.settings.home / "models" / "tiny"
    plain = load(saved) if method == "full" else PeftModel.from_pretrained(load(tiny), str(saved)).eval()
    assert float((logits(load(folder)) - logits(plain)).abs().max()) < FP32
    assert float((logits(load(folder)) - logits(load(tiny))).abs().max()) > 1e-3
    told = services.shelf.equality(actor, base_id)
    assert told is not None
    assert (told["max_difference"], told["revision"]) == (result["max_difference"], name)
    assert (folder / "tokenizer.json").is_file()


def test_what_stands_before_the_text_cannot_be_merged(finished: Any, services: Services, actor: Actor) -> None:
    name = finished(method="prompt_tuning")
    assert not services.shelf.get(actor, name).merges
    with pytest.raises(ModelError) as caught:
        services.shelf.merge(actor, name)
    assert (caught.value.key, caught.value.params) == ("error.model.not_merged", {"method": "prompt_tuning"})


def test_a_merge_that_is_not_the_same_leaves_nothing(
    finished: Any, services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.models import merge

    name = finished(learning_rate=1e-2)
    base_id = services.shelf.merge(actor, name)
    true = merge._logits
    calls: list[int] = []

    def off(*args: Any) -> list[Any]:
        calls.append(1)
        return [item + MOST_DIFFERENCE * 2 * (len(calls) == 2) for item in true(*args)]

    monkeypatch.setattr(merge, "_logits", off)
    with pytest.raises(ModelError) as caught:
        do(services, "merge")
    assert caught.value.key == "error.model.merge_differs"
    assert services.models.get(actor, base_id).state == "failed"
    assert not (services.settings.home / "models" / base_id).exists()
    monkeypatch.undo()
    assert services.shelf.merge(actor, name) == base_id, "it may be tried again"
    do(services, "merge")


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("llama", {}),
        ("qwen3", {"head_dim": 16}),
        ("gemma3_text", {"head_dim": 16}),
        ("phi3", {}),
        ("gpt2", {"n_embd": 64, "n_layer": 2, "n_head": 4}),
        ("qwen3_moe", {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 16}),
    ],
)
def test_read_layer_by_layer_it_is_the_model_in_float64(family: str, more: dict[str, int]) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    from studio.models.merge import _largest, _logits

    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 300}
    sizes |= {"num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2} | more
    config = AutoConfig.for_model(family, **sizes)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, experts_implementation="eager").eval()
    read = _logits(model, [IDS[0].tolist()[:7]])
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    with torch.no_grad():
        whole = model.double()(IDS[:, :7]).logits
    assert read[0].dtype == torch.float64
    assert _largest(read, [whole[0]]) == 0


def test_a_16_bit_base_is_merged_in_float32_and_written_in_16_bits(finished: Any, services: Services, actor: Actor) -> None:
    from safetensors.torch import load_file, save_file

    name = finished(learning_rate=1e-2)
    file = services.settings.home / "models" / "apt" / "model.safetensors"
    before = file.read_bytes()
    save_file({key: value.bfloat16() for key, value in load_file(file).items()}, file, metadata={"format": "pt"})
    try:
        base_id = services.shelf.merge(actor, name)
        result = do(services, "merge")
    finally:
        file.write_bytes(before)
    weights = load_file(services.settings.home / "models" / base_id / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.bfloat16}
    assert result["max_difference"] < FP32 < result["rounded_difference"] < 1


# --- on it, away with it ----------------------------------------------------------------------------------------------


def test_notes_and_tags_stay_where_the_run_goes_on(finished: Any, services: Services, actor: Actor) -> None:
    name = finished()
    services.shelf.label(actor, name, note=" the first that knows lenses ", tags="clinic, 初稿；clinic ,  two  words")
    saved = services.shelf.get(actor, name).checkpoint
    assert (saved.note, saved.tags) == ("the first that knows lenses", ["clinic", "初稿", "two words"])
    services.shelf.label(actor, name, tags="")
    assert services.shelf.get(actor, name).checkpoint.note == "the first that knows lenses"
    with pytest.raises(ConfigError) as caught:
        services.shelf.label(actor, name, tags=",".join(map(str, range(20))))
    assert caught.value.key == "error.shelf.tags"


def test_the_archive_is_what_plain_peft_loads(finished: Any, services: Services, actor: Actor, tmp_path: Path) -> None:
    from peft import PeftModel

    name = finished(learning_rate=1e-2)
    archive = services.shelf.archive(actor, name)
    with zipfile.ZipFile(io.BytesIO(b"".join(archive.chunks))) as found:
        assert found.testzip() is None
        assert set(found.namelist()) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
        found.extractall(tmp_path)
    assert archive.file_name.endswith("-4.zip")
    saved = services.settings.home / services.shelf.get(actor, name).checkpoint.path
    apt = services.settings.home / "models" / "apt"
    ours, theirs = (PeftModel.from_pretrained(load(apt), str(folder)).eval() for folder in (saved, tmp_path))
    assert torch.equal(logits(ours), logits(theirs))
    assert (tmp_path / "README.md").read_text("utf-8").startswith("---\nbase_model:")


def test_what_depends_on_a_checkpoint_is_named_before_it_goes(
    finished: Any, new_training: New, services: Services, actor: Actor
) -> None:
    name = finished()
    run_id = name.partition("@")[0]
    child = new_training(base="apt", entered=True, start_from=name)
    base_id = services.shelf.merge(actor, name)
    do(services, "merge")
    with services.db.write() as connection:
        row = {"id": new_id("cht"), "owner": "usr_other", "base_id": "apt", "models": [run_id], "title": "secret"}
        connection.execute(chats.insert().values(**row, created_at=now()))
    held = services.shelf.get(actor, name)
    named = {(one.kind, one.name) for one in held.dependants}
    assert named == {
        ("run", services.train.get(actor, child.name).name),
        ("chats", "1"),
    }
    with pytest.raises(ModelError) as caught:
        services.shelf.delete(actor, name)
    assert caught.value.key == "error.shelf.depended_on"
    assert "secret" not in str(caught.value.params)
    folder = services.settings.home / held.checkpoint.path
    assert folder.is_dir()
    services.shelf.delete(actor, name, anyway=True)
    assert not folder.exists()
    with pytest.raises(NotFoundError):
        services.shelf.get(actor, name)
    assert b"".join(services.shelf.model_archive(actor, base_id).chunks), "what was merged needs its checkpoint no longer"
    services.shelf.delete_model(actor, base_id)
    assert base_id not in [base.id for base in services.models.list(actor)]
    assert not (services.settings.home / "models" / base_id).exists()


def test_who_goes_on_from_a_checkpoint_keeps_its_shape(finished: Any, services: Services, actor: Actor) -> None:
    name = finished(method="dora", lora_rank=4)
    begun = services.train.begin_from(actor, name)
    assert (begun["method"], begun["lora_rank"], begun["base"]) == ("dora", 4, "apt")
    dataset = services.train.get(actor, name.partition("@")[0]).dataset_id

    def wrong(**other: Any) -> list[dict[str, Any]]:
        spec = services.train.complete(actor, {"name": "on", "dataset": dataset} | begun | other)
        return [error for error in services.train.preflight(actor, spec).errors if error["key"].startswith("error.train.start")]

    assert wrong() == []
    assert wrong(lora_dropout=0.1) == []  # of no weight's shape
    (error,) = wrong(lora_rank=8)
    assert (error["field"], error["params"]["value"]) == ("lora_rank", "4")
    assert "LoRA rank = 4" in error_text("en", error)
    assert [error["field"] for error in wrong(method="lora")] == ["method"]
    with pytest.raises(NotFoundError):
        services.train.begin_from(actor, name.replace("@4", "@5"))


def test_a_run_at_work_keeps_its_checkpoints(finished: Any, services: Services, actor: Actor) -> None:
    name = finished()
    job = services.train.get(actor, name.partition("@")[0]).job
    with services.db.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job.id).values(state="running", ended_at=None))
    with pytest.raises(JobError):
        services.shelf.delete(actor, name, anyway=True)
    with services.db.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job.id).values(state="finished", ended_at=now()))


def test_to_the_hub_with_its_card(
    finished: Any, services: Services, actor: Actor, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = finished()
    services.shelf.push(actor, name, "clinic/lenses")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", "/nowhere")
    monkeypatch.setattr("huggingface_hub.utils.get_token", lambda: None)
    with pytest.raises(ModelError) as caught:
        do(services, "push", hub=hub.url)
    assert caught.value.key == "error.model.no_hub_token"
    monkeypatch.setattr("huggingface_hub.utils.get_token", lambda: "hf_test")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    services.shelf.push(actor, name, "clinic/lenses")
    result = do(services, "push", hub=hub.url)
    assert result["url"] == f"{hub.url}/clinic/lenses"
    saved = services.settings.home / services.shelf.get(actor, name).checkpoint.path
    pushed = hub.repos["clinic/lenses"]
    assert set(pushed) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert pushed["adapter_model.safetensors"] == (saved / "adapter_model.safetensors").read_bytes()
    assert pushed["README.md"].startswith(b"---\nbase_model:")
    assert "clinic/lenses" in hub.private
    with pytest.raises(ModelError) as caught:
        services.shelf.push(actor, name, "no name")
    assert caught.value.key == "error.model.bad_ref"


def test_a_base_that_others_made_is_not_given_on(services: Services, actor: Actor) -> None:
    for use in (services.shelf.model_archive, services.shelf.delete_model):
        with pytest.raises((ModelError, NotFoundError)) as caught:
            use(actor, "apt")
        assert caught.value.key == "error.model.not_own"
