"""Fetching a base from a hub of our own on the loopback address, and from folders: whole and ready, or not there at all.

The fake hub is tests/fakes/hub.py.
"""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

import studio.models.fetch as fetch_module
from studio.access import Actor
from studio.data.templates import template_of
from studio.errors import ModelError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.events import read_events
from studio.models.catalogue import Base
from studio.models.fetch import run_fetch
from studio.models.hub import HuggingFace, Listing, ModelScope, wanted_files
from studio.services import Services
from studio.settings import Settings
from tests.fakes.hub import COMMIT, FakeHub


@pytest.fixture
def hub(tiny_base_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with one good model, `eye/tiny`."""
    import huggingface_hub.constants

    # A machine that sets HF_HUB_OFFLINE forbids the loopback address as well; the library reads the variable at its import.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    made = FakeHub()
    made.repos["eye/tiny"] = {path.name: path.read_bytes() for path in tiny_base_folder.iterdir()} | {
        "README.md": b"# Tiny",
        "pytorch_model.bin": b"a pickle",
        "modeling_tiny.py": b"raise SystemExit",
        "onnx/model.safetensors": b"not wanted",
    }
    yield made
    made.close()


@pytest.fixture
def online(settings: Settings, hub: FakeHub) -> Settings:
    """Settings as STUDIO_HUB=<the fake hub> would make them."""
    return Settings(home=settings.home, hub=hub.url, device="cpu")


class Fetch:
    """Adds a base as a person does and runs its job in this process."""

    def __init__(self, services: Services, actor: Actor, settings: Settings, job_context: Callable[..., JobContext]) -> None:
        self.services, self.actor, self.settings, self.job_context = services, actor, settings, job_context
        self.context: JobContext | None = None

    def queue(self, ref: str) -> JobContext:
        self.base_id = self.services.models.add(self.actor, ref)
        self.context = self.job_context(self.services.jobs.latest(self.actor, "fetch", 1)[0].spec, self.settings)
        return self.context

    def run(self, ref: str) -> dict[str, Any]:
        return run_fetch(self.queue(ref))

    @property
    def base(self) -> Base:
        return self.services.models.get(self.actor, self.base_id)

    def left_nothing(self) -> bool:
        return list((self.settings.home / "models").iterdir()) == [] and self.base.state == "failed"


@pytest.fixture
def fetch(
    services: Services, actor: Actor, online: Settings, job_context: Callable[..., JobContext]
) -> Fetch:
    return Fetch(services, actor, online, job_context)


def weights_of(folder: Path) -> int:
    return sum(tensor.size for tensor in load_file(folder / "model.safetensors").values())


# --- from a hub -------------------------------------------------------------------------------------------------------


def test_a_fetched_base_is_whole_and_ready(fetch: Fetch, hub: FakeHub, tiny_base_folder: Path) -> None:
    facts = fetch.run("eye/tiny")
    base = fetch.base
    assert base.state == "ready"
    assert (base.revision, base.licence, base.architecture, base.context) == (COMMIT, "apache-2.0", "LlamaForCausalLM", 512)
    assert base.parameters == weights_of(tiny_base_folder)
    assert base.bytes == (tiny_base_folder / "model.safetensors").stat().st_size
    assert facts["base"] == base.id
    folder = fetch.settings.home / "models" / base.id
    for path in folder.iterdir():
        assert path.read_bytes() == hub.repos["eye/tiny"][path.name]
    assert template_of(fetch.settings, base.id).prompt_ids([{"role": "user", "content": "你好"}])


def test_only_what_a_base_needs_is_fetched_and_never_code_or_pickles(fetch: Fetch, hub: FakeHub) -> None:
    fetch.run("eye/tiny")
    got = {path.name for path in (fetch.settings.home / "models" / fetch.base_id).iterdir()}
    assert got == set(hub.repos["eye/tiny"]) - {"README.md", "pytorch_model.bin", "modeling_tiny.py", "onnx/model.safetensors"}
    assert not [path for path in hub.asked if path.endswith((".bin", ".py", ".md"))]


def test_progress_is_told_in_bytes_up_to_the_last_one(fetch: Fetch, hub: FakeHub) -> None:
    context = fetch.queue("eye/tiny")
    run_fetch(context)
    told = [event for event, _ in read_events(context.folder.events_file)]
    last = [event.body for event in told if event.kind == "progress"][-1]
    total = sum(len(hub.repos["eye/tiny"][path.name]) for path in (fetch.settings.home / "models" / fetch.base_id).iterdir())
    assert (last["done"], last["total"], last["unit"]) == (total, total, "bytes")
    assert [event.body["phase"] for event in told if event.kind == "phase_changed"] == ["downloading", "checking"]


def test_modelscope_is_a_hub_as_well(
    fetch: Fetch, hub: FakeHub, tiny_base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "hub_of", lambda settings: ModelScope(hub.url))  # its address is no setting
    fetch.run("eye/tiny")
    base = fetch.base
    assert base.state == "ready"
    assert base.parameters == weights_of(tiny_base_folder)
    assert base.revision == f"{len(hub.repos['eye/tiny']) - 1:040d}"  # of the file that was committed last
    assert (fetch.settings.home / "models" / base.id / "tokenizer.json").is_file()


@pytest.mark.parametrize("kind", [HuggingFace, ModelScope])
def test_both_hubs_list_the_same_files_with_their_sizes(hub: FakeHub, kind: Any) -> None:
    expected = {name: len(content) for name, content in hub.repos["eye/tiny"].items()}
    assert kind(hub.url).listing("eye/tiny").sizes == expected


@pytest.mark.parametrize("kind", [HuggingFace, ModelScope])
def test_both_hubs_say_that_a_model_is_not_there(hub: FakeHub, kind: Any) -> None:
    with pytest.raises(ModelError) as caught:
        kind(hub.url).listing("eye/none")
    assert (caught.value.key, caught.value.field) == ("error.model.not_on_hub", "ref")
    assert caught.value.params == {"ref": "eye/none", "hub": hub.url}


@pytest.mark.parametrize("kind", [HuggingFace, ModelScope])
def test_both_hubs_say_that_they_cannot_be_reached(kind: Any) -> None:
    """A machine without the internet: the starter model then comes from the package index, which needs this very error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ModelError) as caught:  # nobody listens there any more
        kind(url).listing("eye/tiny")
    assert (caught.value.key, caught.value.params) == ("error.model.hub_unreachable", {"hub": url})


@pytest.mark.parametrize("ref", ["eye/tiny--x", "eye/tiny.git", "eye/-tiny"])
def test_an_id_that_the_hub_does_not_allow_is_a_model_that_is_not_there(hub: FakeHub, ref: str) -> None:
    with pytest.raises(ModelError) as caught:
        HuggingFace(hub.url).listing(ref)
    assert (caught.value.key, caught.value.params["ref"]) == ("error.model.not_on_hub", ref)


def test_a_gated_model_says_so(fetch: Fetch, hub: FakeHub) -> None:
    hub.gated.add("eye/tiny")
    with pytest.raises(ModelError) as caught:
        fetch.run("eye/tiny")
    assert (caught.value.key, caught.value.params) == ("error.model.gated", {"ref": "eye/tiny"})
    assert fetch.left_nothing()


def test_a_model_whose_files_alone_are_gated_says_so_too(fetch: Fetch, hub: FakeHub) -> None:
    """The real hub lists gated models for everybody and refuses their files."""
    hub.locked.add("eye/tiny")
    with pytest.raises(ModelError) as caught:
        fetch.run("eye/tiny")
    assert (caught.value.key, caught.value.params) == ("error.model.gated", {"ref": "eye/tiny"})
    assert fetch.left_nothing()


def test_a_model_without_safetensors_is_refused_before_anything_is_fetched(fetch: Fetch, hub: FakeHub) -> None:
    del hub.repos["eye/tiny"]["model.safetensors"]
    del hub.repos["eye/tiny"]["onnx/model.safetensors"]
    with pytest.raises(ModelError) as caught:
        fetch.run("eye/tiny")
    assert caught.value.key == "error.model.no_safetensors"
    assert not [path for path in hub.asked if "resolve" in path]
    assert fetch.left_nothing()


@pytest.mark.parametrize(
    ("config", "architecture"),
    [
        ({"model_type": "warp-drive", "architectures": ["WarpForCausalLM"]}, "WarpForCausalLM"),
        ({"model_type": "custom", "auto_map": {"AutoModelForCausalLM": "modeling_tiny.Tiny"}}, "custom"),
        ({"model_type": "clip", "architectures": ["CLIPModel"]}, "CLIPModel"),  # known, but writes no text
    ],
)
def test_an_architecture_that_cannot_be_trained_is_refused(
    fetch: Fetch, hub: FakeHub, config: dict[str, Any], architecture: str
) -> None:
    hub.repos["eye/tiny"]["config.json"] = json.dumps(config).encode()
    with pytest.raises(ModelError) as caught:
        fetch.run("eye/tiny")
    assert (caught.value.key, caught.value.params) == ("error.model.unknown_architecture", {"architecture": architecture})
    assert fetch.left_nothing()


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("config.json", b"{", "error.model.broken_config"),
        ("config.json", b"[]", "error.model.broken_config"),
        ("model.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00garbage!", "error.model.broken_weights"),
    ],
)
def test_a_broken_file_is_found_before_the_base_is_called_ready(
    fetch: Fetch, hub: FakeHub, name: str, content: bytes, key: str
) -> None:
    hub.repos["eye/tiny"][name] = content
    with pytest.raises(ModelError) as caught:
        fetch.run("eye/tiny")
    assert caught.value.key == key
    assert fetch.left_nothing()


def test_a_download_that_breaks_off_leaves_no_base(fetch: Fetch, hub: FakeHub) -> None:
    hub.broken_off.add("model.safetensors")
    with pytest.raises(ModelError) as caught:
        fetch.run("eye/tiny")
    assert caught.value.key == "error.model.hub_unreachable"
    assert fetch.left_nothing()


def test_after_a_failure_the_next_try_begins_anew_and_succeeds(fetch: Fetch, hub: FakeHub) -> None:
    hub.broken_off.add("model.safetensors")
    with pytest.raises(ModelError):
        fetch.run("eye/tiny")
    for job in fetch.services.jobs.active(fetch.actor):
        fetch.services.jobs.stop(fetch.actor, job.id)
    hub.broken_off.clear()
    fetch.run("eye/tiny")
    assert fetch.base.state == "ready"


def test_a_fetch_that_is_asked_to_stop_stops_and_leaves_no_base(fetch: Fetch) -> None:
    context = fetch.queue("eye/tiny")
    context.stop.set()
    with pytest.raises(StoppedByRequest):
        run_fetch(context)
    assert fetch.left_nothing()


def test_too_little_disk_is_said_before_anything_is_fetched(
    fetch: Fetch, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "free_disk_bytes", lambda path: 1_000)  # no setting makes a disk small
    with pytest.raises(ModelError) as caught:
        fetch.run("eye/tiny")
    assert caught.value.key == "error.model.no_disk"
    assert caught.value.params["free_bytes"] == 1_000
    assert caught.value.params["needed_bytes"] > 100_000
    assert not [path for path in hub.asked if "resolve" in path]
    assert fetch.left_nothing()


def test_wanted_files_are_those_of_the_top_folder_that_a_base_needs() -> None:
    names = ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "config.json", "generation_config.json"]
    names += ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "LICENSE"]
    unwanted = ["pytorch_model.bin", "model.gguf", "flax.msgpack", "train.py", "README.md", "onnx/model.safetensors", "a.pkl"]
    found = wanted_files(Listing("c", dict.fromkeys([*names, *unwanted], 1), ""))
    assert set(found) == set(names)


# --- from a folder ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, tiny_base_folder: Path) -> Path:
    copied = tmp_path / "my model"
    shutil.copytree(tiny_base_folder, copied)
    return copied


def test_a_folder_is_copied_without_code_and_pickles(fetch: Fetch, folder: Path, hub: FakeHub) -> None:
    (folder / "evil.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    fetch.run(str(folder))
    base = fetch.base
    assert (base.id, base.state, base.source, base.licence) == ("my-model", "ready", "folder", "")
    assert len(base.revision) == 40
    copied = {path.name for path in (fetch.settings.home / "models" / base.id).iterdir()}
    assert copied == {path.name for path in folder.iterdir()} - {"evil.py", "pytorch_model.bin"}
    assert hub.asked == []


def test_the_revision_of_a_folder_follows_its_weights(
    fetch: Fetch, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    content = bytearray((other / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (other / "model.safetensors").write_bytes(content)
    revisions = [fetch.run(str(path))["revision"] for path in (folder, other)]
    assert revisions[0] != revisions[1]


@pytest.mark.parametrize(
    ("missing", "key"), [("config.json", "error.model.no_config"), ("model.safetensors", "error.model.no_safetensors")]
)
def test_a_folder_that_lost_a_file_since_it_was_added_is_refused_by_the_job(
    fetch: Fetch, folder: Path, missing: str, key: str
) -> None:
    context = fetch.queue(str(folder))
    (folder / missing).unlink()
    with pytest.raises(ModelError) as caught:
        run_fetch(context)
    assert caught.value.key == key
    assert fetch.left_nothing()


def test_a_folder_with_pickled_weights_only_is_refused(fetch: Fetch, folder: Path) -> None:
    context = fetch.queue(str(folder))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError) as caught:
        run_fetch(context)
    assert caught.value.key == "error.model.no_safetensors"
    assert fetch.left_nothing()
