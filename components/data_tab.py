"""Data: bring a file in, see what it holds before anything is imported, read the rows, see them as tokens.

Address bar: `upload` and `file` while a file is looked at; `dataset`, `split`, `after` / `before`, `row` afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from components.form import late_choice
from components.page import EDITORS, OPEN, PRIVATE, READ, Page, actor_of, ids_of, moved, new_request_id, render
from studio.access import Actor
from studio.data.service import ImportSpec
from studio.data.store import MAX_NAME
from studio.errors import StudioError
from studio.jobs.queue import Job
from studio.text import is_plain

__all__ = ["build"]

_PAGE_ROWS = 20
_DEFAULT_LIMIT = 512

#: Seconds between looks while a large file is imported by a job.
_TICK_S = 3


def build(page: Page) -> None:
    t = page.t
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=260):
            upload = gr.File(
                label=t("data.upload.label"),
                file_types=[".jsonl", ".json", ".csv", ".tsv", ".txt"],
                elem_id="data-upload",
                elem_classes=EDITORS,
                height=150,
            )
            sample = gr.Button(t("data.sample.take"), elem_id="data-sample", elem_classes=EDITORS)
            datasets = gr.HTML(elem_id="data-list", padding=False)
        with gr.Column(scale=3, min_width=320):
            look = gr.HTML(elem_id="data-look", padding=False)
            with gr.Group(visible=False, elem_id="data-import-form", elem_classes=EDITORS) as import_form:
                with gr.Row():
                    name = gr.Textbox(label=t("data.import.name"), elem_id="data-name", max_lines=1)
                    validation = gr.Slider(0, 40, 10, step=1, label=t("data.import.validation"), elem_id="data-validation")
                    test = gr.Slider(0, 40, 10, step=1, label=t("data.import.test"), elem_id="data-test")
                with gr.Row():
                    question = late_choice(label=t("data.import.question"), visible=False, elem_id="data-question")
                    answer = late_choice(label=t("data.import.answer"), visible=False, elem_id="data-answer")
                with gr.Row():
                    cancel = gr.Button(t("data.import.cancel"), elem_id="data-cancel")
                    confirm = gr.Button(t("data.import.confirm"), variant="primary", elem_id="data-import")
                request_id = gr.Textbox(visible=False)
            tokens = gr.HTML(elem_id="data-tokens", padding=False)
            detail = gr.HTML(elem_id="data-detail", padding=False)
    timer = gr.Timer(_TICK_S, active=False)
    shown = [datasets, look, import_form, name, question, answer, confirm, detail, tokens, request_id, timer]
    _wire(page, shown, (upload, sample, cancel, name, validation, test, question, answer, request_id, confirm, look))


def _wire(page: Page, shown: list[Any], parts: tuple[Any, ...]) -> None:
    services, lang = page.services, page.lang
    upload, sample, cancel, name, validation, test, question, answer, request_id, confirm, look = parts

    @page.event("dataset.read")
    def open_tab(request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        if "upload" in ids:
            return _shown_upload(page, actor, ids)
        return _shown_dataset(page, actor, ids)

    @page.event("dataset.look")
    def take_file(path: str | None, request: gr.Request) -> str:
        if path is None:
            return ""
        digest = services.data.stage(actor_of(request), Path(path))
        return moved(tab="data", upload=digest, file=Path(path).name, dataset="", row="", after="", before="")

    @page.event("dataset.look")
    def let_go(request: gr.Request) -> None:
        """The field is empty again: the file was taken."""

    @page.event("dataset.import")
    def take_sample(request: gr.Request) -> str:
        made = services.data.import_sample(actor_of(request), page.t("data.sample.name"), page.t("data.sample.note"))
        return moved(tab="data", dataset=made, upload="", file="", row="", after="", before="", split="")

    @page.event("dataset.look")
    def look_with_columns(question_column: str, answer_column: str, request: gr.Request) -> tuple[str, Any]:
        mapping = _mapping(question_column, answer_column)
        if mapping is None:
            return gr.skip()
        ids = ids_of(request)
        found = services.data.inspect(actor_of(request), ids["upload"], ids["file"], mapping)
        shown_html = render("inspection", lang, found=found, name=ids["file"], problem=None)
        return shown_html, gr.update(value=page.t("data.import.confirm_n", n=found.n_good), interactive=found.n_good > 0)

    @page.event("dataset.import")
    def run_import(
        wanted: str, validation_share: float, test_share: float, q: str, a: str, wish: str, request: gr.Request
    ) -> str:
        ids = ids_of(request)
        spec = ImportSpec(
            upload=ids["upload"],
            file_name=ids["file"],
            dataset_name=wanted,
            mapping=_mapping(q, a),
            validation_share=validation_share / 100,
            test_share=test_share / 100,
        )
        made = services.data.import_upload(actor_of(request), spec, request_id=wish)
        return moved(tab="data", upload="", file="", dataset=made.dataset_id or "", row="", after="", before="", split="")

    @page.event("dataset.read")
    def back(request: gr.Request) -> str:
        return moved(tab="data", upload="", file="")

    @page.event("dataset.read")
    def tick(request: gr.Request) -> tuple[Any, ...]:
        """Show a dataset as soon as its import job has ended; nothing else on the page changes meanwhile."""
        actor, ids = actor_of(request), ids_of(request)
        if _importing(page, actor):
            return (_list_html(page, actor, ids.get("dataset")), *[gr.skip()] * (len(shown) - 1))
        if "upload" in ids:
            return (_list_html(page, actor, None), *[gr.skip()] * (len(shown) - 2), gr.Timer(active=False))
        return _shown_dataset(page, actor, ids)

    page.opens["data"].click(open_tab, None, shown, **OPEN)
    shown[-1].tick(tick, None, shown, **READ)
    upload.upload(take_file, upload, page.go, **PRIVATE).then(let_go, None, upload, **READ)
    sample.click(take_sample, None, page.go, **PRIVATE)
    cancel.click(back, None, page.go, **READ)
    for column in (question, answer):
        column.input(look_with_columns, [question, answer], [look, confirm], **READ)
    confirm.click(run_import, [name, validation, test, question, answer, request_id], page.go, **PRIVATE)


def _mapping(question_column: str | None, answer_column: str | None) -> dict[str, str | None] | None:
    if not question_column or not answer_column:
        return None
    return {"question": question_column, "answer": answer_column, "system": None}


def _importing(page: Page, actor: Actor) -> list[Job]:
    return [job for job in page.services.jobs.active(actor) if job.kind == "import"]


def _list_html(page: Page, actor: Actor, chosen: str | None) -> str:
    datasets = page.services.data.list(actor)
    return render("datasets", page.lang, datasets=datasets, chosen=chosen, importing=_importing(page, actor))


def _shown_upload(page: Page, actor: Actor, ids: dict[str, str]) -> tuple[Any, ...]:
    """A staged file before its import: what it is, what is refused, and the form that takes the rest."""
    lang, name = page.lang, ids.get("file", "")
    found, problem, columns = None, None, []
    try:
        found = page.services.data.inspect(actor, ids["upload"], name)
    except StudioError as error:
        problem = error
        columns = [column for column in str(error.params.get("columns", "")).split(", ") if column]
    asks_columns = problem is not None and problem.key == "error.data.unknown_shape" and len(columns) >= 2
    n_good = found.n_good if found else 0
    return (
        _list_html(page, actor, None),
        render("inspection", lang, found=found, name=name, problem=problem),
        gr.update(visible=found is not None or asks_columns),
        gr.update(value="".join(filter(is_plain, Path(name).stem))[:MAX_NAME]),
        gr.update(choices=columns, value=None, visible=asks_columns),
        gr.update(choices=columns, value=None, visible=asks_columns),
        gr.update(value=page.t("data.import.confirm_n", n=n_good), interactive=n_good > 0),
        "",
        "",
        new_request_id(),
        gr.Timer(active=bool(_importing(page, actor))),
    )


def _shown_dataset(page: Page, actor: Actor, ids: dict[str, str]) -> tuple[Any, ...]:
    """A dataset's numbers, a page of its rows, and the chosen row as the model sees it."""
    datasets = page.services.data.list(actor)
    known = {info.id for info in datasets}
    chosen = ids.get("dataset") if ids.get("dataset") in known else (datasets[0].id if datasets else None)
    hidden = (gr.update(visible=False), gr.skip(), gr.skip(), gr.skip(), gr.skip())
    moving = gr.Timer(active=bool(_importing(page, actor)))
    if chosen is None:
        return (_list_html(page, actor, None), render("data_empty", page.lang), *hidden, "", "", gr.skip(), moving)
    info = page.services.data.get(actor, chosen)
    split = ids.get("split") if ids.get("split") in ("train", "validation", "test") else None
    rows, first = page.services.data.page(
        actor, chosen, split=split, after=_key(ids.get("after")), before=_key(ids.get("before")), limit=_PAGE_ROWS
    )
    base = next(iter(page.services.models.ready(actor)), None)
    view = page.services.data.training_view(actor, chosen, base.id, max_seq_len=_DEFAULT_LIMIT) if base else None
    look = render("dataset", page.lang, info=info, view=view, base=base, limit=_DEFAULT_LIMIT)
    total = info.counts.get(split, 0) if split else info.n_rows
    detail = render("rows", page.lang, rows=rows, first=first, total=total, info=info, split=split, chosen=ids.get("row"))
    return (_list_html(page, actor, chosen), look, *hidden, detail, _row_html(page, actor, ids, base), gr.skip(), moving)


def _row_html(page: Page, actor: Actor, ids: dict[str, str], base: Any) -> str:
    if not ids.get("row", "").isdigit():
        return ""
    row = page.services.data.row(actor, int(ids["row"]))
    pieces = page.services.data.row_as_tokens(actor, row.id, base.id) if base else []
    return render("row", page.lang, row=row, pieces=pieces, base=base)


def _key(value: str | None) -> tuple[int, int] | None:
    """`position.id` of a row, as the pager's links carry it."""
    position, _, row_id = (value or "").partition(".")
    return (int(position), int(row_id)) if position.isdigit() and row_id.isdigit() else None
