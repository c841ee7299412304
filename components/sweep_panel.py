"""Several values of one or two fields: how many runs that makes, and their start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gradio as gr

from components.page import EDITORS, LATEST, PRIVATE, READ, Page, actor_of, moved, new_request_id
from components.train_desk import Desk
from studio.errors import StudioError
from studio.train.sweeps import AXES, DATA_SIZES

__all__ = ["Sweeping", "build", "wire"]

_N_AXES = 2


@dataclass
class Sweeping:
    names: list[gr.Dropdown]
    values: list[gr.Textbox]
    sizes: gr.Button
    says: gr.HTML
    start: gr.Button


def build(page: Page) -> Sweeping:
    t = page.t
    fields = [(t(f"field.TrainSpec.{name}.label"), name) for name in AXES]
    names, values = [], []
    with gr.Accordion(t("sweep.title"), open=False, elem_id="train-sweep", elem_classes=EDITORS):
        gr.HTML(f'<p class="hint">{t("sweep.help")}</p>', padding=False)
        sizes = gr.Button(t("sweep.sizes"), size="sm", elem_id="sweep-sizes")
        for number in range(_N_AXES):
            with gr.Row():
                first = AXES[0] if number == 0 else None
                label = t("sweep.field") if number == 0 else t("sweep.field.second")
                names.append(gr.Dropdown(fields, value=first, label=label, elem_id=f"sweep-field-{number}"))
                values.append(gr.Textbox(label=t("sweep.values"), max_lines=1, elem_id=f"sweep-values-{number}"))
        says = gr.HTML(elem_id="sweep-says", padding=False)
        start = gr.Button(t("sweep.start"), variant="secondary", elem_id="sweep-start")
    return Sweeping(names, values, sizes, says, start)


def _axes(name_0: str | None, values_0: str, name_1: str | None, values_1: str) -> dict[str, list[str]]:
    """Values are parted by commas, or by spaces between numbers; those of no field are told under ""."""
    pairs = ((name_0, values_0), (name_1, values_1))
    return {name or "": [part for part in re.split(r"[,，;；、\s]+", told) if part] for name, told in pairs if told.strip()}


def wire(desk: Desk, parts: Sweeping) -> None:
    page, services = desk.page, desk.page.services
    asked = {f"name_{number}": widget for number, widget in enumerate(parts.names)}
    asked |= {f"values_{number}": widget for number, widget in enumerate(parts.values)}
    asked = {name: asked[name] for name in ("name_0", "values_0", "name_1", "values_1")}

    def parted(values: dict[str, Any]) -> tuple[dict[str, list[str]], dict[str, Any]]:
        return _axes(*(values[name] for name in asked)), {name: values[name] for name in desk.fields}

    @page.event("run.read")
    def count(request: gr.Request, **values: Any) -> str:
        actor = actor_of(request)
        axes, form = parted(values)
        if not axes:
            return ""
        try:
            n_runs = len(services.sweeps.specs(actor, services.train.complete(actor, form), axes))
        except StudioError as error:
            return f'<p class="problem" role="alert">{page.error(error)}</p>'
        return f'<p class="lead">{page.t("sweep.count", n=n_runs)}</p>'

    @page.event("run.read")
    def take_sizes(request: gr.Request) -> tuple[Any, ...]:
        return "train_share", ", ".join(f"{share:g}" for share in DATA_SIZES), None, ""

    @page.event("run.start")
    def begin(request: gr.Request, request_id: str, **values: Any) -> tuple[str, str]:
        actor = actor_of(request)
        axes, form = parted(values)
        spec = services.train.complete(actor, form)
        sweep = services.sweeps.start(actor, spec, axes, request_id=request_id)
        return moved(tab="runs", sweep=sweep, run="", **{"with": ""}), new_request_id()

    given = desk.fields | asked
    for widget in asked.values():
        widget.input(count, None, parts.says, inputs_kwargs=given, **LATEST)
        widget.blur(count, None, parts.says, inputs_kwargs=given, **LATEST)  # `input` is told of keys alone, not of pasting
    parts.sizes.click(take_sizes, None, list(asked.values()), **READ).then(count, None, parts.says, inputs_kwargs=given, **READ)
    wished = given | {"request_id": desk.request_id}
    parts.start.click(begin, None, [page.go, desk.request_id], inputs_kwargs=wished, **PRIVATE)
