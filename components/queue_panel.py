"""What runs and what waits, in its order: earlier, later, held back, taken out; and how busy the devices are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from components.page import PRIVATE, Page, actor_of, ids_of, render
from studio.access import Actor

__all__ = ["QueueParts", "build", "drawn", "wire"]


@dataclass
class QueueParts:
    """A press inside `listing` names its wish in `wish` and clicks `do` (shell.js)."""

    listing: gr.HTML
    wish: gr.Textbox
    do: gr.Button


def build(page: Page) -> QueueParts:
    listing = gr.HTML(elem_id="queue", padding=False)
    wish = gr.Textbox(elem_id="queue-wish", elem_classes="unseen", show_label=False, container=False)
    do = gr.Button(visible="hidden", elem_id="queue-do")
    return QueueParts(listing, wish, do)


def drawn(page: Page, actor: Actor) -> str:
    services = page.services
    found = services.jobs.active(actor)
    waiting = [job for job in found if not job.is_active]
    rivals = {job.id: sum(other.job_class == job.job_class for other in waiting) for job in waiting}
    running = [job for job in found if job.is_active]
    states = services.system.device_states(actor)
    return render("queue", page.lang, running=running, waiting=waiting, rivals=rivals, devices=states)


def wire(page: Page, parts: QueueParts, look: Callable[[Actor, dict[str, str]], tuple[Any, ...]], outputs: list[Any]) -> None:
    jobs, sweeps = page.services.jobs, page.services.sweeps

    @page.event("job.order")
    def do(wish: str, request: gr.Request) -> tuple[Any, ...]:
        """`<what>:<job>` or `sweep:<sweep>`; a job that has begun or ended meanwhile stays as it is."""
        actor = actor_of(request)
        what, _, job = wish.partition(":")
        if what == "earlier":
            jobs.move(actor, job, -1)
        elif what == "later":
            jobs.move(actor, job, 1)
        elif what == "cancel":
            jobs.stop(actor, job)
        elif what == "sweep":
            sweeps.stop(actor, job)
        else:
            jobs.pause(actor, job, what == "hold")
        return look(actor, ids_of(request))

    parts.do.click(do, parts.wish, outputs, **PRIVATE)
