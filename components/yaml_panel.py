"""The form as a file, and the file as the form: what is changed in one is changed in the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from components.page import READ, Page, actor_of
from components.train_desk import Desk

__all__ = ["Yaml", "build", "wire"]


@dataclass
class Yaml:
    code: gr.Code
    take: gr.Button


def build(page: Page) -> Yaml:
    t = page.t
    with gr.Accordion(t("train.yaml"), open=False, elem_id="train-yaml"):
        gr.HTML(f'<p class="hint">{t("train.yaml.help")}</p>', padding=False)
        code = gr.Code(language="yaml", show_label=False, elem_id="train-yaml-text", interactive=True, lines=8)
        take = gr.Button(t("train.yaml.take"), size="sm", elem_id="train-yaml-take")
    return Yaml(code, take)


def wire(desk: Desk, parts: Yaml) -> None:
    page = desk.page

    @page.event("run.read")
    def take(text: str, request: gr.Request) -> tuple[Any, ...]:
        """The form as the file says. What the file is silent about gets its default; a name is taken as it is given."""
        actor = actor_of(request)
        values = page.services.plan.from_yaml(actor, text)
        return (*desk.filled(values), *desk.look(actor, values))

    parts.take.click(take, parts.code, [*desk.fields.values(), *desk.seen], **READ)
