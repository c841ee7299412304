"""Train: a base, a dataset, a preset, a few numbers; what will happen is said before it does.

Address bar: `dataset` and `base` when another tab sends somebody here.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from components.form import form_widgets, late_choice
from components.page import EDITORS, OPEN, PRIVATE, READ, Page, actor_of, ids_of, moved, new_request_id, render
from studio.access import Actor
from studio.errors import StudioError
from studio.train.spec import PRESETS, Preset, TrainSpec

__all__ = ["build"]

#: Seconds between looks while a base is on its way.
_TICK_S = 3


def build(page: Page) -> None:
    t, lang = page.t, page.lang
    presets = [(t(f"enum.Preset.{preset.value}"), preset.value) for preset in Preset]
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                base = late_choice(label=t("field.TrainSpec.base.label"), elem_id="train-base")
                dataset = late_choice(label=t("field.TrainSpec.dataset.label"), elem_id="train-dataset")
            preset = gr.Radio(
                presets,
                value=Preset.QUICK.value,
                label=t("field.TrainSpec.preset.label"),
                info=t("field.TrainSpec.preset.help"),
                elem_id="train-preset",
            )
            name = gr.Textbox(
                label=t("field.TrainSpec.name.label"), info=t("field.TrainSpec.name.help"), elem_id="train-name", max_lines=1
            )
            with gr.Row():
                widgets = form_widgets(TrainSpec, "basic", lang, PRESETS[Preset.QUICK])
            with gr.Accordion(t("train.advanced"), open=False, elem_id="train-advanced"), gr.Row():
                widgets |= form_widgets(TrainSpec, "advanced", lang, PRESETS[Preset.QUICK])
            with gr.Accordion(t("train.other_base"), open=False, elem_id="train-other-base", elem_classes=EDITORS):
                ref = gr.Textbox(label=t("train.base_ref.label"), info=t("train.base_ref.help"), elem_id="base-ref", max_lines=1)
                add = gr.Button(t("train.base_add"), elem_id="base-add")
                bases = gr.HTML(elem_id="base-list", padding=False)
        with gr.Column(scale=2, min_width=300):
            plan = gr.HTML(elem_id="train-plan", padding=False)
            start = gr.Button(
                t("train.start"), variant="primary", size="lg", elem_id="train-start", elem_classes=EDITORS
            )
            request_id = gr.Textbox(visible=False)
    timer = gr.Timer(_TICK_S, active=False)
    fields = {"base": base, "dataset": dataset, "preset": preset, "name": name} | widgets
    _wire(page, fields, (plan, start, request_id, ref, add, bases, timer))


def _wire(page: Page, fields: dict[str, Any], parts: tuple[Any, ...]) -> None:
    services, lang = page.services, page.lang
    plan, start, request_id, ref, add, bases, timer = parts
    preset_fields = [name for name in PRESETS[Preset.QUICK] if name in fields]

    def plan_html(actor: Actor, values: dict[str, Any]) -> str:
        """What these values would do, or why they cannot."""
        base = next((item for item in services.models.list(actor) if item.id == values.get("base")), None)
        try:
            spec = services.train.complete(actor, values)
            ahead = services.train.preflight(actor, spec)
        except StudioError as error:
            return render("plan", lang, ahead=None, problem=error, base=base, spec=None)
        return render("plan", lang, ahead=ahead, problem=None, base=base, spec=spec)

    @page.event("run.read")
    def open_tab(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        ready = services.models.ready(actor)
        datasets = services.data.list(actor)
        values["base"] = _chosen(ids.get("base"), values["base"], [item.id for item in ready])
        before = values["dataset"]
        values["dataset"] = _chosen(ids.get("dataset"), before, [item.id for item in datasets])
        chosen = next((item for item in datasets if item.id == values["dataset"]), None)
        # A name that somebody typed stays, unless it is another dataset's or was taken meanwhile.
        typed = (values["name"] or "").strip() if values["dataset"] == before else ""
        if not typed or services.train.free_name(actor, typed) != typed:
            values["name"] = services.train.free_name(actor, chosen.name) if chosen else ""
        return (
            gr.update(choices=[(item.name, item.id) for item in ready], value=values["base"]),
            gr.update(choices=[(item.name, item.id) for item in datasets], value=values["dataset"]),
            values["name"],
            plan_html(actor, values),
            gr.update(interactive=chosen is not None and values["base"] is not None),
            new_request_id(),
            bases_html(actor),
            gr.Timer(active=any(item.state == "fetching" for item in services.models.list(actor))),
        )

    @page.event("model.read")
    def tick(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """While a base is on its way: show how far it is, and take it up when it is there."""
        actor = actor_of(request)
        still = any(item.state == "fetching" for item in services.models.list(actor))
        if still or values["base"] is not None:
            return (*[gr.skip()] * 6, bases_html(actor), gr.Timer(active=still and ids_of(request).get("tab") == "train"))
        return open_tab(request, **values)

    def bases_html(actor: Actor) -> str:
        failed = {job.spec["base"]: job for job in reversed(services.jobs.latest(actor, "fetch")) if job.state == "failed"}
        active = {job.spec["base"]: job for job in services.jobs.active(actor) if job.kind == "fetch"}
        return render("bases", lang, bases=services.models.list(actor), failed=failed, active=active)

    @page.event("run.read")
    def look_again(request: gr.Request, **values: Any) -> str:
        return plan_html(actor_of(request), values)

    @page.event("run.read")
    def take_preset(request: gr.Request, chosen: str) -> list[Any]:
        return [PRESETS[Preset(chosen)][name] for name in preset_fields]

    @page.event("run.start")
    def begin(request: gr.Request, request_id: str, **values: Any) -> tuple[str, str]:
        actor = actor_of(request)
        run_id = services.train.start(actor, services.train.complete(actor, values), request_id=request_id)
        return moved(tab="runs", run=run_id), new_request_id()

    @page.event("model.fetch")
    def fetch_base(wanted: str, request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        services.models.add(actor, wanted)
        return "", bases_html(actor), gr.Timer(active=True)

    opened = [fields["base"], fields["dataset"], fields["name"], plan, start, request_id, bases, timer]
    page.opens["train"].click(open_tab, None, opened, inputs_kwargs=fields, **OPEN)
    timer.tick(tick, None, opened, inputs_kwargs=fields, **READ)
    fields["preset"].input(take_preset, fields["preset"], [fields[name] for name in preset_fields], **READ).then(
        look_again, None, plan, inputs_kwargs=fields, **READ
    )
    for name, widget in fields.items():
        if name not in ("preset", "name"):
            widget.input(look_again, None, plan, inputs_kwargs=fields, **READ)
    start.click(begin, None, [page.go, request_id], inputs_kwargs=fields | {"request_id": request_id}, **PRIVATE)
    gr.on([add.click, ref.submit], fetch_base, ref, [ref, bases, timer], **PRIVATE)


def _chosen(asked: str | None, current: str | None, known: list[str]) -> str | None:
    """What the address bar asks for, else what is chosen already, else the first there is."""
    return next((item for item in (asked, current) if item in known), known[0] if known else None)
