"""Models: every checkpoint and every base; what it is, where it comes from, what depends on it; merge, download, hub, delete.

Address bar: `model`, a checkpoint as `run_…@<step>` or a base by its id.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from components.page import EDITORS, LATEST, PRIVATE, READ, Page, actor_of, ids_of, moved, new_request_id, render
from studio.access import Actor
from studio.errors import NotFoundError
from studio.jobs.queue import Job
from studio.models.catalogue import Base
from studio.train.service import Checkpoint
from studio.train.shelf import MAX_NOTE, Held

__all__ = ["build"]

#: Seconds between looks while something is merged or sent.
_TICK_S = 3

_HIDDEN, _SHOWN = gr.update(visible=False), gr.update(visible=True)


@dataclass
class _Parts:
    """What `look` fills, in this order."""

    listing: Any
    detail: Any
    writing: Any
    note: Any
    tags: Any
    buttons: Any
    keep: Any
    merge: Any
    further: Any
    delete: Any
    delete_anyway: Any
    hub: Any
    request_id: Any
    timer: Any

    def all(self) -> list[Any]:
        return [getattr(self, item.name) for item in fields(self)]

    def filled(self, **updates: Any) -> list[Any]:
        """What an event returns for `all`; what is not named stays."""
        return [updates.get(item.name, gr.skip()) for item in fields(self)]


def build(page: Page) -> None:
    t = page.t
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=260):
            listing = gr.HTML(elem_id="models-list", padding=False)
        with gr.Column(scale=5, min_width=320):
            detail = gr.HTML(elem_id="model-detail", padding=False)
            with gr.Row(visible=False, elem_id="model-buttons", elem_classes=EDITORS) as buttons:
                wide = {"scale": 0, "min_width": 170}
                merge = gr.Button(t("shelf.merge"), variant="primary", elem_id="model-merge", scale=0, min_width=230)
                further = gr.Button(t("shelf.further"), elem_id="model-further", **wide)
                keep = gr.Button(t("runs.checkpoints.keep"), elem_id="model-keep", **wide)
                delete = gr.Button(t("shelf.delete"), variant="stop", elem_id="model-delete", **wide)
                anyway = gr.Button(t("shelf.delete_anyway"), variant="stop", elem_id="model-delete-anyway", **wide)
            with gr.Row(visible=False, elem_id="model-writing", elem_classes=EDITORS) as writing:
                note = gr.Textbox(
                    label=t("shelf.note"), info=t("shelf.note.help"), lines=2, max_length=MAX_NOTE, elem_id="model-note", scale=3,
                    min_width=260,
                )
                with gr.Column(scale=2, min_width=220):
                    tags = gr.Textbox(label=t("shelf.tags"), info=t("shelf.tags.help"), max_lines=1, elem_id="model-tags")
                    save = gr.Button(t("shelf.save"), elem_id="model-save")
            with gr.Accordion(t("shelf.hub"), open=False, visible=False, elem_id="model-hub", elem_classes=EDITORS) as hub:
                gr.HTML(f'<p class="hint">{t("shelf.hub.help")}</p>', padding=False)
                with gr.Row():
                    repo = gr.Textbox(label=t("shelf.repo"), placeholder="name/model", max_lines=1, elem_id="model-repo")
                    private = gr.Checkbox(True, label=t("shelf.private"), elem_id="model-private")
                push = gr.Button(t("shelf.push"), elem_id="model-push")
            request_id = gr.Textbox(visible=False)
    timer = gr.Timer(_TICK_S, active=False)
    parts = _Parts(
        listing, detail, writing, note, tags, buttons, keep, merge, further, delete, anyway, hub, request_id, timer
    )
    _wire(page, parts, save, repo, private, push)


@dataclass
class _Chosen:
    """What the address bar names: a checkpoint, or a base."""

    held: Held | None = None
    base: Base | None = None
    is_gone: bool = False

    @property
    def name(self) -> str:
        return self.held.checkpoint.name if self.held else self.base.id if self.base else ""


def _chosen(page: Page, actor: Actor, ids: dict[str, str], saved: list[Checkpoint], bases: list[Base]) -> _Chosen:
    name = ids.get("model", "")
    if not name and saved:
        best = next((one for one in saved if one.best), saved[0])
        name = best.name
    if "@" not in name:
        base = next((item for item in bases if item.id == name), None) or (bases[0] if bases and not name else None)
        return _Chosen(base=base, is_gone=base is None and bool(name))
    try:
        return _Chosen(held=page.services.shelf.get(actor, name))
    except NotFoundError:
        return _Chosen(is_gone=True)


def _wire(page: Page, parts: _Parts, save: gr.Button, repo: gr.Textbox, private: gr.Checkbox, push: gr.Button) -> None:
    services, lang = page.services, page.lang
    shown = parts.all()

    def look(actor: Actor, ids: dict[str, str], *, typed: bool = False) -> list[Any]:
        """With `typed`, fields that somebody may be writing in stay."""
        saved, bases = list(services.train.checkpoints(actor)), services.models.list(actor)
        found = _chosen(page, actor, ids, saved, bases)
        at_work = [job for job in services.jobs.active(actor) if job.kind in ("merge", "push")]
        runs: dict[str, list[Checkpoint]] = {}
        for one in saved:
            runs.setdefault(one.run_id, []).append(one)
        listing = render("models", lang, bases=bases, runs=list(runs.values()), chosen=found.name, at_work=_by_base(at_work))
        pushed = [job for job in services.jobs.latest(actor, "push", 20) if job.spec["folder"] == _folder(found)][:1]
        if found.held is not None:
            updates = _checkpoint_shown(page, actor, found.held, pushed)
            updates |= {"note": gr.skip(), "tags": gr.skip()} if typed else {}
        else:
            updates = _base_shown(page, actor, found, at_work, pushed)
        return parts.filled(listing=listing, request_id=new_request_id(), timer=gr.Timer(active=bool(at_work)), **updates)

    def chosen(request: gr.Request) -> str:
        actor, ids = actor_of(request), ids_of(request)
        return _chosen(page, actor, ids, list(services.train.checkpoints(actor)), services.models.list(actor)).name

    @page.event("run.read")
    def open_tab(request: gr.Request) -> list[Any]:
        return look(actor_of(request), ids_of(request))

    @page.event("run.read")
    def tick(request: gr.Request) -> list[Any]:
        if ids_of(request).get("tab") != "models":
            return parts.filled(timer=gr.Timer(active=False))
        return look(actor_of(request), ids_of(request), typed=True)

    @page.event("model.label")
    def write_on(request: gr.Request, note: str, tags: str) -> str:
        name = chosen(request)
        services.shelf.label(actor_of(request), name, note=note or "", tags=tags or "")
        page.tell("shelf.saved")
        return moved(tab="models", model=name)

    @page.event("run.pin")
    def pin(request: gr.Request) -> str:
        name, actor = chosen(request), actor_of(request)
        saved = services.shelf.get(actor, name).checkpoint
        services.train.pin(actor, saved.run_id, saved.step, not saved.pinned)
        return moved(tab="models", model=name)

    @page.event("model.merge")
    def merge_it(request: gr.Request, request_id: str) -> str:
        actor, name = actor_of(request), chosen(request)
        services.jobs.require_worker(actor)
        services.shelf.merge(actor, name, request_id=request_id)
        return moved(tab="models", model=name)

    @page.event("run.read")
    def train_further(request: gr.Request) -> str:
        name = chosen(request)
        return moved(tab="train", start=name) if "@" in name else moved(tab="train", base=name)

    @page.event("model.delete")
    def let_go(request: gr.Request) -> str:
        name = chosen(request)
        if "@" in name:
            services.shelf.delete(actor_of(request), name)
        else:
            services.shelf.delete_model(actor_of(request), name)
        page.tell("shelf.deleted")
        return moved(tab="models", model="")

    @page.event("model.delete")
    def let_go_anyway(request: gr.Request) -> str:
        services.shelf.delete(actor_of(request), chosen(request), anyway=True)
        page.tell("shelf.deleted")
        return moved(tab="models", model="")

    @page.event("model.push")
    def send(request: gr.Request, repo: str, private: bool, request_id: str) -> str:
        actor, name = actor_of(request), chosen(request)
        services.jobs.require_worker(actor)
        services.shelf.push(actor, name, repo or "", private=private, request_id=request_id)
        return moved(tab="models", model=name)

    page.opens["models"].click(open_tab, None, shown, **LATEST)
    parts.timer.tick(tick, None, shown, **READ)
    save.click(write_on, [parts.note, parts.tags], page.go, **PRIVATE)
    parts.keep.click(pin, None, page.go, **PRIVATE)
    parts.merge.click(merge_it, parts.request_id, page.go, **PRIVATE)
    parts.further.click(train_further, None, page.go, **READ)
    parts.delete.click(let_go, None, page.go, **PRIVATE)
    parts.delete_anyway.click(let_go_anyway, None, page.go, **PRIVATE)
    push.click(send, [repo, private, parts.request_id], page.go, **PRIVATE)


def _checkpoint_shown(page: Page, actor: Actor, held: Held, pushed: list[Job]) -> dict[str, Any]:
    saved = held.checkpoint
    last = [job for job in page.services.jobs.latest(actor, "merge", 20) if f"{job.spec['run']}@{job.spec['step']}" == saved.name]
    kept = page.t("runs.checkpoints.kept" if saved.pinned else "runs.checkpoints.keep")
    return {
        "detail": render("checkpoint", page.lang, held=held, method=held.run.method, pushed=pushed, merged=last[:1]),
        "writing": _SHOWN,
        "note": saved.note or "",
        "tags": ", ".join(saved.tags or ()),
        "buttons": _SHOWN,
        "keep": gr.update(visible=True, value=kept),
        "merge": gr.update(visible=held.merges and not any(base.state != "failed" for base in held.models)),
        "further": gr.update(visible=True, value=page.t("shelf.further")),
        "delete": gr.update(visible=not held.dependants),
        "delete_anyway": gr.update(visible=bool(held.dependants)),
        "hub": _SHOWN,
    }


def _base_shown(page: Page, actor: Actor, found: _Chosen, at_work: list[Job], pushed: list[Job]) -> dict[str, Any]:
    """A base that was merged here is its people's to send and to delete; of others one can only go on."""
    base = found.base
    is_ready = base is not None and base.state == "ready"
    is_own = base is not None and base.source == "merged"
    return {
        "detail": _of_base(page, actor, found, at_work, pushed),
        "writing": _HIDDEN,
        "buttons": gr.update(visible=base is not None),
        "keep": _HIDDEN,
        "merge": _HIDDEN,
        "further": gr.update(visible=is_ready, value=page.t("shelf.train_on")),
        "delete": gr.update(visible=is_own),
        "delete_anyway": _HIDDEN,
        "hub": gr.update(visible=is_own and is_ready),
    }


def _of_base(page: Page, actor: Actor, found: _Chosen, at_work: list[Job], pushed: list[Job]) -> str:
    services, base = page.services, found.base
    if base is None:
        return render("models_empty", page.lang, is_gone=found.is_gone)
    job = _by_base(at_work).get(base.id)
    failed = next((one for one in services.jobs.latest(actor, "merge", 20) if one.spec["base"] == base.id), None)
    used = services.shelf.model_dependants(actor, base.id)
    equal = services.shelf.equality(actor, base.id) if base.state == "ready" else None
    return render("model", page.lang, base=base, job=job, failed=failed, equal=equal, used=used, pushed=pushed)


def _by_base(at_work: list[Job]) -> dict[str, Job]:
    return {job.spec["base"]: job for job in at_work if job.kind == "merge"}


def _folder(found: _Chosen) -> str:
    """Under the home, as a push names it."""
    if found.held is not None:
        return found.held.checkpoint.path
    return f"models/{found.base.id}" if found.base else ""
