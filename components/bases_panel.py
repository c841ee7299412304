"""Bases that are here, and a field that brings another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from components.page import EDITORS, PRIVATE, Page, actor_of, render
from components.train_desk import Desk
from studio.access import Actor

__all__ = ["Bases", "build", "is_fetching", "listed", "wire"]


@dataclass
class Bases:
    ref: gr.Textbox
    add: gr.Button
    listing: gr.HTML


def build(page: Page) -> Bases:
    t = page.t
    with gr.Accordion(t("train.other_base"), open=False, elem_id="train-other-base", elem_classes=EDITORS):
        return Bases(
            gr.Textbox(label=t("train.base_ref.label"), info=t("train.base_ref.help"), elem_id="base-ref", max_lines=1),
            gr.Button(t("train.base_add"), elem_id="base-add"),
            gr.HTML(elem_id="base-list", padding=False),
        )


def wire(desk: Desk, parts: Bases) -> None:
    page = desk.page

    @page.event("model.fetch")
    def fetch_base(wanted: str, request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        page.services.models.add(actor, wanted)
        return "", listed(page, actor), gr.Timer(active=True)

    outputs = [parts.ref, parts.listing, desk.timer]
    gr.on([parts.add.click, parts.ref.submit], fetch_base, parts.ref, outputs, **PRIVATE)


def listed(page: Page, actor: Actor) -> str:
    jobs = page.services.jobs
    failed = {job.spec["base"]: job for job in reversed(jobs.latest(actor, "fetch")) if job.state == "failed"}
    active = {job.spec["base"]: job for job in jobs.active(actor) if job.kind == "fetch"}
    return render("bases", page.lang, bases=page.services.models.list(actor), failed=failed, active=active)


def is_fetching(page: Page, actor: Actor) -> bool:
    return any(item.state == "fetching" for item in page.services.models.list(actor))
