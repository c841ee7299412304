"""What the Runs tab says of a run in each of its states, and what can be pressed then. Drawn by the tab's own handler."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from components.page import render
from components.shell import build_studio
from studio.access import Actor, Role, local_admin
from studio.data.tables import datasets, revisions
from studio.errors import AccessError, NotFoundError
from studio.ids import new_id, now
from studio.jobs.queue import insert_job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import checkpoints, events, jobs, runs
from studio.models.tables import bases
from studio.services import Services, build_services
from studio.settings import Settings
from studio.text import LANGS, Lang, text
from studio.train.spec import BaseRef, DatasetRef, TrainSpec

STEP = 32
SPEC: dict[str, Any] = TrainSpec(
    name="eyes",
    base=BaseRef(id="b", revision="0"),
    dataset=DatasetRef(id="ds_a", revision=1, hash="0"),
    lora_rank=8,
).as_dict()
DIED = {"key": "error.job.died", "field": None, "params": {"n": 3, "log": "runs/r/log.txt"}}
LOST = {"key": "error.job.lost", "field": None, "params": {"host": "gpu-box"}}


class Shown:
    """One run in a home of its own; `draw` sets its job as a state is and asks the tab's handler for the page."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.run_id = new_id("run")
        self.pages = {lang: build_studio(services, lang) for lang in LANGS}
        by = {"author": "usr_a", "created_at": now()}
        with services.db.write() as connection:
            connection.execute(datasets.insert().values(id="ds_a", name="d", note="", **by))
            counts = {"number": 1, "content_hash": "0", "counts": {"train": 1}, "report": {}, "state": "committed", "message": ""}
            connection.execute(revisions.insert().values(dataset_id="ds_a", committed_at=now(), **counts, **by))
            connection.execute(bases.insert().values(id="b", name="b", source="hub", ref="a/b", state="ready", **by))
            spec = dict(SPEC)
            row = {"id": self.run_id, "name": "eyes", "dataset_id": "ds_a", "dataset_revision": 1, "base_id": "b", "spec": spec}
            connection.execute(runs.insert().values(**row, **by))
            self.job_id = insert_job(connection, spec=spec, name="eyes", author="usr_a", run_id=self.run_id)
        RunFolder(services.settings.home / "runs" / self.run_id).create(spec)

    def draw(self, lang: Lang, *, saved: bool, starts: tuple[int, ...] = (0,), **job: Any) -> tuple[str, dict[str, Any]]:
        """All its words, and the updates of its buttons by their elem_id."""
        with self.services.db.write() as connection:
            connection.execute(checkpoints.delete())
            connection.execute(events.delete())
            if saved:
                facts = {"path": "x", "bytes": 1, "best": True, "created_at": now()}
                connection.execute(checkpoints.insert().values(run_id=self.run_id, step=STEP, **facts))
            for seq, step in enumerate(starts, start=1):
                event = {"job_id": self.job_id, "seq": seq, "attempt": seq, "at": now(), "kind": "attempt_started"}
                connection.execute(events.insert().values(**event, body={"resumed_from_step": step}))
            plain = {"error": None, "deaths": 0, "attempt": 1, "phase": None, "done": 40, "total": 96}
            connection.execute(jobs.update().values(**plain | job))
        fn = next(fn for fn in self.pages[lang].fns.values() if self._opens_runs(lang, fn))
        query = {"tab": "runs", "run": self.run_id}
        request = gr.Request(SimpleNamespace(state=SimpleNamespace(actor=local_admin(lang=lang)), query_params=query))
        assert fn.fn is not None
        drawn = {block.elem_id: value for block, value in zip(fn.outputs, fn.fn(request), strict=True) if block.elem_id}
        hint = drawn["run-resume-hint"]
        words = drawn["run-head"] + drawn["runs-list"] + (hint["value"] if hint["visible"] else "")
        return words, {name: value for name, value in drawn.items() if name in ("run-stop", "run-resume", "run-resume-hint")}

    def _opens_runs(self, lang: Lang, fn: Any) -> bool:
        opener = next(block for block in self.pages[lang].blocks.values() if getattr(block, "elem_id", "") == "open-runs")
        return fn.name == "open_tab" and (opener._id, "click") in fn.targets


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    settings = Settings(home=tmp_path_factory.mktemp("runs") / "home").ready()
    services = build_services(settings)
    services.db.migrate(settings)
    yield Shown(services)
    services.close()


#: state of the job → what is said, as keys with their parameters, and whether it can be resumed.
STATES: list[tuple[str, dict[str, Any], list[tuple[str, dict[str, Any]]], bool]] = [
    ("waits", {"saved": False, "state": "queued", "starts": ()}, [("runs.waits", {})], False),
    ("died", {"saved": True, "state": "queued", "deaths": 1}, [("runs.died.from", {"step": STEP, "n": 2, "limit": 3})], False),
    ("died early", {"saved": False, "state": "starting", "deaths": 2}, [("runs.died.begin", {"n": 3, "limit": 3})], False),
    (
        "goes on",
        {"saved": True, "state": "running", "deaths": 1, "starts": (0, STEP), "phase": "training"},
        [("runs.attempt.from", {"n": 2, "step": STEP})],
        False,
    ),
    ("stopping", {"saved": True, "state": "stopping"}, [("runs.stopping", {})], False),
    (
        "stopped",
        {"saved": True, "state": "stopped"},
        [("runs.stopped.kept", {"step": STEP}), ("runs.resume.from", {"step": STEP})],
        True,
    ),
    ("stopped early", {"saved": False, "state": "stopped"}, [("runs.stopped.nothing", {}), ("runs.resume.begin", {})], True),
    (
        "failed",
        {"saved": True, "state": "failed", "error": DIED},
        [(DIED["key"], DIED["params"]), ("runs.failed.todo", {}), ("runs.resume.from", {"step": STEP})],
        True,
    ),
    ("lost", {"saved": True, "state": "lost", "error": LOST}, [(LOST["key"], LOST["params"])], True),
    ("finished", {"saved": True, "state": "finished"}, [("job.state.finished", {})], False),
]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize(("job", "said", "can_resume"), [state[1:] for state in STATES], ids=[state[0] for state in STATES])
def test_a_run_says_what_happened_and_what_can_be_done(
    shown: Shown, lang: Lang, job: dict[str, Any], said: list[tuple[str, dict[str, Any]]], can_resume: bool
) -> None:
    words, buttons = shown.draw(lang, **job)
    for key, params in said:
        assert text(lang, key, **params) in words
    assert buttons["run-resume"]["visible"] is can_resume
    assert buttons["run-stop"]["visible"] is (job["state"] in ("queued", "starting", "running", "stopping"))


@pytest.mark.parametrize(("state", "is_told"), [("running", True), ("stopping", False)])
def test_the_header_tells_no_time_that_is_left_of_what_is_stopping(shown: Shown, state: str, is_told: bool) -> None:
    shown.draw("en", saved=True, state=state, eta_s=130.0)
    chip = render("header", "en", active=shown.services.jobs.active(local_admin()), worker="alive", me=None, role="admin")
    assert ("2 min 10 s left" in chip) is is_told


def test_a_run_is_called_by_its_method(shown: Shown) -> None:
    """Also one of the time before there was a choice."""
    for bits, method in (({}, "LoRA"), ({"bits": 16}, "LoRA"), ({"bits": 4}, "QLoRA")):
        spec = {name: value for name, value in SPEC.items() if name not in ("bits", "method")} | bits
        with shown.services.db.write() as connection:
            connection.execute(runs.update().values(spec=spec))
        assert f" · {method} r=8" in shown.draw("en", saved=False, state="queued")[0]


def test_a_pinned_checkpoint_is_shown_as_kept_until_it_is_let_go(shown: Shown) -> None:
    shown.draw("en", saved=True, state="stopped")
    train, actor = shown.services.train, local_admin()
    for keep in (True, True, False):
        train.pin(actor, shown.run_id, STEP, keep)
        assert [saved.pinned for saved in train.checkpoints(actor, shown.run_id)] == [keep]


def test_a_checkpoint_that_is_gone_cannot_be_pinned_and_a_viewer_pins_none(shown: Shown) -> None:
    with pytest.raises(NotFoundError) as caught:
        shown.services.train.pin(local_admin(), shown.run_id, STEP + 1, keep=True)
    assert caught.value.key == "error.run.no_checkpoint"
    with pytest.raises(AccessError):
        shown.services.train.pin(Actor("usr_v", Role.VIEWER), shown.run_id, STEP, keep=True)


def test_choices_that_come_later_do_not_bind_a_server_that_was_started_again(shown: Shown) -> None:
    """Gradio itself would refuse what an open page sends before its tab has been opened on the new server."""
    late = {"train-base", "train-dataset", "chat-checkpoint", "draft-part-0", "draft-sheet"}
    late |= {"mix-dataset-0", "mix-base", "export-shape"}
    boxes = [block for block in shown.pages["en"].blocks.values() if getattr(block, "elem_id", None) in late]
    assert len(boxes) == len(late)
    for box in boxes:
        assert isinstance(box, gr.Dropdown)
        assert box.preprocess("chosen long ago") == "chosen long ago"
