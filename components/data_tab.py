"""Data: bring files in, see what they hold before anything is imported, then work on the rows.

Address bar: `draft` and `file` while files are looked at (import_panel.py); afterwards `dataset`, and `view` (rows, split, card,
mix), and what the rows panel writes there.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import gradio as gr

from components import card_panel, doctor_panel, import_panel, mix_panel, split_panel, tokens_panel
from components.page import EDITORS, LATEST, PRIVATE, READ, Page, actor_of, ids_of, moved, render
from studio.access import Actor
from studio.data.examples import Reading
from studio.jobs.queue import Job

__all__ = ["build"]

_DEFAULT_LIMIT = 512

#: Seconds between looks while something is written in the background.
_TICK_S = 3

#: Jobs that belong to datasets; the list shows them.
_KINDS = ("import", "mix", "split", "bulk_edit", "bring", "doctor")

#: What stands beside the head of a dataset. `rows` is no panel of Gradio's but an element of our own.
_PANELS: dict[str, Any] = {
    "bring": import_panel.build,
    "doctor": doctor_panel.build,
    "tokens": tokens_panel.build,
    "split": split_panel.build,
    "card": card_panel.build,
    "mix": mix_panel.build,
}
_OF_ROWS = ("rows", "review")
_VIEWS = ("rows", "review", "doctor", "tokens", "split", "card")

#: What a link to another dataset leaves behind.
_ELSEWHERE = dict.fromkeys(("row", "after", "before", "at", "view", "check", "found", "finding"), "") | import_panel.forget

#: What people may bring.
_SUFFIXES = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".feather", ".xlsx", ".xls", ".ods"]
_SUFFIXES += [".txt", ".md", ".docx", ".pdf", ".html", ".htm", ".zip", ".gz"]


def build(page: Page) -> None:
    t = page.t
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=220):
            upload = gr.File(
                label=t("data.upload.label"), file_types=_SUFFIXES, file_count="multiple", elem_id="data-upload",
                elem_classes=EDITORS, height=150,
            )
            with gr.Row(elem_classes=EDITORS):
                sample = gr.Button(t("data.sample.take"), size="sm", elem_id="data-sample")
                mix = gr.Button(t("data.view.mix"), size="sm", elem_id="data-mix")
            with gr.Accordion(t("data.hub"), open=False, elem_classes=EDITORS):
                ref = gr.Textbox(info=t("data.hub.help"), show_label=False, max_lines=1, elem_id="data-hub-ref")
                find = gr.Button(t("data.hub.open"), size="sm", elem_id="data-hub-open")
            datasets = gr.HTML(elem_id="data-list", padding=False)
            stop = gr.Button(t("data.job.stop"), size="sm", visible=False, elem_id="data-stop", elem_classes=EDITORS)
        with gr.Column(scale=4, min_width=320):
            look = gr.HTML(elem_id="data-look", padding=False)
            panes = []
            for name, build_panel in _PANELS.items():
                # A panel is read when it is shown: its button is pressed by the page.
                page.opens[f"data-{name}"] = gr.Button(visible="hidden", elem_id=f"open-data-{name}")
                with gr.Column(visible=False, elem_id=f"data-{name}-panel") as pane:
                    build_panel(page)
                panes.append(pane)
            detail = gr.HTML(elem_id="data-detail", padding=False)
    shown = gr.Textbox(visible="hidden", elem_id="data-shown", show_label=False)
    timer = gr.Timer(_TICK_S, active=False)
    _wire(page, [datasets, stop, look, *panes, detail, shown, timer], (upload, sample, mix, ref, find, stop))


def _wire(page: Page, parts: list[Any], bring: tuple[Any, ...]) -> None:
    services = page.services
    upload, sample, mix, ref, find, stop = bring
    shown, timer = parts[-2:]

    @page.event("dataset.read")
    def open_tab(request: gr.Request) -> tuple[Any, ...]:
        return _shown(page, actor_of(request), ids_of(request))

    @page.event("dataset.look")
    def take_files(paths: list[str] | None, request: gr.Request) -> str:
        if not paths:
            return ""
        draft = services.drafts.bring(actor_of(request), [(Path(path), Path(path).name) for path in paths])
        return moved(tab="data", **_ELSEWHERE | {"draft": draft.id})

    @page.event("dataset.look")
    def let_go(request: gr.Request) -> None:
        """The field is empty again: the files were taken."""

    @page.event("dataset.look")
    def look_on_hub(wanted: str, request: gr.Request) -> str:
        draft = services.hub_data.open(actor_of(request), wanted)
        return moved(tab="data", **_ELSEWHERE | {"draft": draft.id})

    @page.event("dataset.import")
    def take_sample(request: gr.Request) -> str:
        made = services.data.import_sample(actor_of(request), page.t("data.sample.name"), page.t("data.sample.note"))
        return moved(tab="data", **_ELSEWHERE | {"dataset": made})

    @page.event("dataset.import")
    def open_mix(request: gr.Request) -> str:
        return moved(tab="data", **_ELSEWHERE | {"view": "mix"})

    @page.event("job.stop")
    def stop_job(request: gr.Request) -> tuple[Any, ...]:
        job = next(iter(_working(page, actor_of(request))), None)
        if job is not None:
            services.jobs.stop(actor_of(request), job.id)
        return _shown(page, actor_of(request), ids_of(request))

    @page.event("dataset.read")
    def tick(request: gr.Request) -> tuple[Any, ...]:
        """The list moves while something is written; when it has ended, the whole tab is read again."""
        actor, ids = actor_of(request), ids_of(request)
        working = _working(page, actor)
        if working:
            return _list(page, actor, ids.get("dataset")), *[gr.skip()] * (len(parts) - 1)
        if "draft" in ids:
            return _list(page, actor, None), gr.update(visible=False), *[gr.skip()] * (len(parts) - 3), gr.Timer(active=False)
        return _shown(page, actor, ids)

    page.opens["data"].click(open_tab, None, parts, **LATEST)
    timer.tick(tick, None, parts, **READ)
    upload.upload(take_files, upload, page.go, **PRIVATE).then(let_go, None, upload, **READ)
    sample.click(take_sample, None, page.go, **PRIVATE)
    mix.click(open_mix, None, page.go, **READ)
    find.click(look_on_hub, ref, page.go, **PRIVATE)
    ref.submit(look_on_hub, ref, page.go, **PRIVATE)
    stop.click(stop_job, None, parts, **PRIVATE)
    press = "(shown) => document.getElementById(`open-data-${shown.split('#')[0]}`)?.click()"
    shown.change(None, shown, None, js=press, **PRIVATE)


def _working(page: Page, actor: Actor) -> list[Job]:
    return [job for job in page.services.jobs.active(actor) if job.kind in _KINDS]


def _list(page: Page, actor: Actor, chosen: str | None) -> str:
    known = page.services.data.list(actor)
    return render("datasets", page.lang, datasets=known, chosen=chosen, working=_working(page, actor), elsewhere=_ELSEWHERE)


def _shown(page: Page, actor: Actor, ids: dict[str, str]) -> tuple[Any, ...]:
    """The list, and a draft, a mix, or a dataset in one of its views."""
    known = page.services.data.list(actor)
    chosen = ids.get("dataset") if ids.get("dataset") in {info.id for info in known} else (known[0].id if known else None)
    working = _working(page, actor)
    view = "bring" if "draft" in ids else ids.get("view", "rows")
    if view not in (*_VIEWS, *_PANELS) or (chosen is None and view in _VIEWS) or (view == "bring" and "draft" not in ids):
        view = "rows"
    look = detail = ""
    if chosen is None and view == "rows":
        look = render("data_empty", page.lang)
    elif view in _VIEWS:
        assert chosen is not None
        if view in _OF_ROWS:
            detail = render("rows_panel", page.lang, info=page.services.data.get(actor, chosen), view=view)
        look = _head(page, actor, chosen, view)
    return (
        _list(page, actor, chosen if view in _VIEWS else None),
        gr.update(visible=bool(working)),
        look,
        *[gr.update(visible=name == view) for name in _PANELS],
        detail,
        # The fragment makes the same panel twice a change: it is read again.
        f"{view}#{secrets.token_hex(4)}" if view in _PANELS else gr.skip(),
        gr.Timer(active=bool(working)),
    )


def _head(page: Page, actor: Actor, dataset: str, view: str) -> str:
    """What a dataset is: its numbers, how it would be trained on, what its import refused."""
    info = page.services.data.get(actor, dataset)
    base = next(iter(page.services.models.ready(actor)), None)
    seen = None
    if base is not None and view == "rows":
        seen = page.services.data.training_view(actor, dataset, base.id, Reading(max_seq_len=_DEFAULT_LIMIT))
    return render(
        "dataset",
        page.lang,
        info=info,
        view=seen,
        base=base,
        limit=_DEFAULT_LIMIT,
        chosen_view=view,
        views=_VIEWS,
        runs=page.services.story.trained_on(actor, dataset) if view == "rows" else [],
    )
