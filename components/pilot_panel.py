"""Two buttons under the plan: a few real steps that tell memory and time, and as few changes as make it fit."""

from __future__ import annotations

from typing import Any

import gradio as gr

from components.page import PRIVATE, READ, actor_of
from components.train_desk import Desk

__all__ = ["wire"]


def wire(desk: Desk, pilot: gr.Button, fit: gr.Button) -> None:
    page, services = desk.page, desk.page.services

    @page.event("run.start")
    def start_pilot(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        actor = actor_of(request)
        services.jobs.require_worker(actor)
        services.plan.start_pilot(actor, services.train.complete(actor, values))
        return (*desk.look(actor, values), gr.Timer(active=True))

    @page.event("run.read")
    def make_fit(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        actor = actor_of(request)
        found = services.plan.make_fit(actor, services.train.complete(actor, values))
        changes = {name: value for remedy in found.remedies for name, value in remedy.changes.items()}
        changed = found.remedies or [None]  # None: it fits as it is
        return (*desk.filled(changes), *desk.look(actor, values | changes, changed=changed))

    pilot.click(start_pilot, None, [*desk.seen, desk.timer], inputs_kwargs=desk.fields, **PRIVATE)
    fit.click(make_fit, None, [*desk.fields.values(), *desk.seen], inputs_kwargs=desk.fields, **READ)
