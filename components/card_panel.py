"""The card of a dataset (what people say about it) and its export: the rows in another shape or format, to take away."""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import quote

import gradio as gr

from components.form import late_choice
from components.page import EDITORS, LATEST, PRIVATE, READ, Page, actor_of, ids_of, new_request_id, render
from studio.access import Actor
from studio.data.card import LICENCES, Card
from studio.data.export import ExportFormat
from studio.data.export_shapes import SHAPES
from studio.errors import StudioError
from studio.text import text

__all__ = ["build"]

#: Seconds between looks while an export runs.
_TICK_S = 2


def build(page: Page) -> None:
    t = page.t
    gr.Markdown(f"### {t('export_panel.title')}")
    with gr.Group(elem_id="export-form"):
        with gr.Row():
            formats = [(t(f"export_panel.format.{name}"), name) for name in get_args(ExportFormat)]
            form = gr.Dropdown(formats, value="jsonl", label=t("export_panel.format"), elem_id="export-format")
            shape = late_choice(label=t("export_panel.shape"), info=t("export_panel.shape.help"), elem_id="export-shape")
            splits = [(t("split.all"), ""), *((t(f"split.{name}"), name) for name in ("train", "validation", "test"))]
            split = gr.Dropdown(splits, value="", label=t("export_panel.split"), elem_id="export-split")
        extra = gr.Checkbox(True, label=t("export_panel.extra"), info=t("export_panel.extra.help"), elem_id="export-extra")
        with gr.Row(equal_height=True):
            look = gr.Button(t("export_panel.look"), elem_id="export-look")
            make = gr.Button(t("export_panel.make"), variant="primary", elem_id="export-make")
        request_id = gr.Textbox(visible=False)
    found = gr.HTML(elem_id="export-found", padding=False)
    made = gr.HTML(elem_id="export-made", padding=False)
    timer = gr.Timer(_TICK_S, active=False)
    _wire_export(page, [form, shape, split, extra], (look, make, request_id, found, made, timer))
    _build_card(page)


def _wire_export(page: Page, given: list[Any], parts: tuple[Any, ...]) -> None:
    services = page.services
    look, make, request_id, found, made, timer = parts

    @page.event("dataset.read")
    def open_panel(request: gr.Request) -> tuple[Any, ...]:
        actor, dataset = actor_of(request), ids_of(request).get("dataset", "")
        kinds = services.data.kinds(actor, dataset) if dataset else []
        names = [(page.t("export_panel.shape.own"), "")]
        if len(kinds) == 1:
            names += [(page.t(f"data.shape.{known.name}"), known.name) for known in SHAPES[kinds[0]]]
        return gr.update(choices=names, value=""), "", *_state(page, actor, dataset), new_request_id()

    @page.event("dataset.read")
    def preview(form: str, shape: str, split: str, extra: bool, request: gr.Request) -> tuple[str, str]:
        seen = services.exports.preview(actor_of(request), _spec(page, request, form, shape, split, extra))
        return render("export_found", page.lang, found=seen), ""  # a file that was made is another one

    @page.event("dataset.export")
    def export(form: str, shape: str, split: str, extra: bool, wish: str, request: gr.Request) -> tuple[Any, ...]:
        actor, spec = actor_of(request), _spec(page, request, form, shape, split, extra)
        done = services.exports.export(actor, spec, request_id=wish)
        if done.name is not None:
            return _made(page, done.name, vars(done)), gr.Timer(active=False), new_request_id()
        return *_state(page, actor, spec.dataset.id), new_request_id()

    @page.event("dataset.read")
    def tick(request: gr.Request) -> tuple[Any, ...]:
        return _state(page, actor_of(request), ids_of(request).get("dataset", ""))

    page.opens["data-card"].click(open_panel, None, [given[1], found, made, timer, request_id], **LATEST)
    look.click(preview, given, [found, made], **PRIVATE)
    make.click(export, [*given, request_id], [made, timer, request_id], **PRIVATE)
    timer.tick(tick, None, [made, timer], **READ)


def _spec(page: Page, request: gr.Request, form: str, shape: str, split: str, extra: bool) -> Any:
    actor, dataset = actor_of(request), ids_of(request).get("dataset", "")
    wanted = dict.fromkeys(page.services.data.kinds(actor, dataset), shape) if shape else {}
    options = {"format": form, "shape": wanted, "split": split or None, "with_extra": extra}
    return page.services.exports.spec(actor, dataset, **options)


def _made(page: Page, name: str, counts: dict[str, Any], job: Any = None) -> str:
    return render("export_made", page.lang, name=name, href=f"/exports/{quote(name)}", counts=counts, job=job)


def _state(page: Page, actor: Actor, dataset: str) -> tuple[Any, ...]:
    """The newest export of this dataset that is a job: on its way, done, or failed."""
    mine = [job for job in page.services.jobs.latest(actor, "export_data", 20) if job.spec["dataset"]["id"] == dataset]
    if not mine:
        return "", gr.Timer(active=False)
    job = mine[0]
    result = job.result or {}
    return _made(page, result.get("file", ""), result, job), gr.Timer(active=not job.has_ended)


# --- the card ---------------------------------------------------------------------------------------------------------


def _build_card(page: Page) -> None:
    t, lang = page.t, page.lang
    gr.Markdown(f"### {t('card_panel.title')}\n\n{t('card_panel.what')}")
    boxes: dict[str, Any] = {}

    def box(name: str) -> Any:
        words: dict[str, Any] = {"label": text(lang, f"field.Card.{name}.label"), "info": text(lang, f"field.Card.{name}.help")}
        if name == "licence":
            return gr.Dropdown([*LICENCES], allow_custom_value=True, value="", elem_id="card-licence", **words)
        return gr.Textbox(lines=1 if name in ("languages", "contact") else 2, elem_id=f"card-{name.replace('_', '-')}", **words)

    with gr.Group(elem_id="card-form", elem_classes=EDITORS):
        for name, field in Card.model_fields.items():
            if _level(field) == "basic":
                boxes[name] = box(name)
        with gr.Accordion(t("card_panel.more"), open=False):
            for name, field in Card.model_fields.items():
                if _level(field) != "basic":
                    boxes[name] = box(name)
        save = gr.Button(t("card_panel.save"), variant="primary", elem_id="card-save")
    saved = gr.HTML(elem_id="card-saved", padding=False)

    @page.event("dataset.read")
    def open_card(request: gr.Request) -> tuple[Any, ...]:
        try:
            card = page.services.data.card(actor_of(request), ids_of(request).get("dataset", ""))
        except StudioError:  # opened without a dataset
            card = Card()
        return *[getattr(card, name) for name in boxes], ""

    @page.event("dataset.write")
    def save_card(request: gr.Request, *values: str | None) -> str:
        said = {name: value or "" for name, value in zip(boxes, values, strict=True)}
        page.services.data.set_card(actor_of(request), ids_of(request).get("dataset", ""), said)
        return render("told", page.lang, key="card_panel.saved")

    page.opens["data-card"].click(open_card, None, [*boxes.values(), saved], **LATEST)
    save.click(save_card, list(boxes.values()), saved, **PRIVATE)


def _level(field: Any) -> str:
    return str((field.json_schema_extra or {}).get("level", "advanced"))
