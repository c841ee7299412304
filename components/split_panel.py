"""Splits of a dataset: what stays together, how much is held out, what it would give; and the lock on its test set."""

from __future__ import annotations

from typing import Any, get_args

import gradio as gr

from components.page import EDITORS, LATEST, PRIVATE, Page, actor_of, ids_of, moved, new_request_id, render
from studio.access import Actor
from studio.data.splits import By, SplitSpec
from studio.errors import DataError, StudioError

__all__ = ["build"]


def build(page: Page) -> None:
    t = page.t
    lock = gr.HTML(elem_id="split-lock", padding=False)
    with gr.Row(elem_classes=EDITORS):
        lock_it = gr.Button(t("split_panel.lock"), size="sm", scale=0, min_width=160, visible=False, elem_id="split-lock-it")
        unlock = gr.Button(t("split_panel.unlock"), size="sm", scale=0, min_width=160, visible=False, elem_id="split-unlock")
    with gr.Group(elem_id="split-form", elem_classes=EDITORS):
        by = gr.Radio(
            [(t(f"split_panel.by.{name}"), name) for name in get_args(By)], value="prompt", label=t("split_panel.by"),
            info=t("split_panel.by.help"), elem_id="split-by",
        )
        column = gr.Textbox(
            label=t("split_panel.column"), info=t("split_panel.column.help"), max_lines=1, visible=False, elem_id="split-column"
        )
        with gr.Row():
            validation = gr.Slider(0, 49, 10, step=1, label=t("data.import.validation"), elem_id="split-validation")
            test = gr.Slider(0, 49, 10, step=1, label=t("data.import.test"), elem_id="split-test")
            seed = gr.Number(42, precision=0, minimum=0, label=t("split_panel.seed"), elem_id="split-seed")
        keep = gr.Checkbox(False, label=t("split_panel.keep"), info=t("split_panel.keep.help"), elem_id="split-keep")
        with gr.Row(equal_height=True):
            look = gr.Button(t("split_panel.look"), elem_id="split-look")
            assign = gr.Button(t("split_panel.assign"), variant="primary", elem_id="split-assign")
        request_id = gr.Textbox(visible=False)
    found = gr.HTML(elem_id="split-found", padding=False)
    given = [by, column, validation, test, seed, keep]
    _wire(page, given, (lock, lock_it, unlock), (look, assign, request_id, found))


def _wire(page: Page, given: list[Any], locks: tuple[Any, ...], parts: tuple[Any, ...]) -> None:
    services = page.services
    look, assign, request_id, found = parts

    @page.event("dataset.read")
    def open_panel(request: gr.Request) -> tuple[Any, ...]:
        return *_lock(page, actor_of(request), ids_of(request).get("dataset", "")), new_request_id(), "", False

    @page.event("dataset.read")
    def preview(by: By, column: str, validation: float, test: float, seed: float, keep: bool, request: gr.Request) -> str:
        dataset = ids_of(request).get("dataset", "")
        would = services.splits.preview(actor_of(request), _spec(dataset, by, column, validation, test, seed, keep))
        return render("split_found", page.lang, found=would)

    @page.event("dataset.write")
    def apply(
        by: By, column: str, validation: float, test: float, seed: float, keep: bool, wish: str, request: gr.Request
    ) -> str:
        dataset = ids_of(request).get("dataset", "")
        spec = _spec(dataset, by, column, validation, test, seed, keep)
        made = services.splits.assign(actor_of(request), spec, request_id=wish)
        if made.job_id is None and made.revision is None:
            raise DataError("error.data.split_nothing")
        return moved(tab="data", view="")

    @page.event("dataset.lock")
    def set_lock(request: gr.Request) -> tuple[Any, ...]:
        dataset = ids_of(request).get("dataset", "")
        services.splits.lock(actor_of(request), dataset)
        return _lock(page, actor_of(request), dataset)

    @page.event("dataset.lock")
    def take_lock(request: gr.Request) -> tuple[Any, ...]:
        dataset = ids_of(request).get("dataset", "")
        services.splits.unlock(actor_of(request), dataset)
        return _lock(page, actor_of(request), dataset)

    @page.event("dataset.read")
    def ask_column(by: By, request: gr.Request) -> tuple[Any, ...]:
        return gr.update(visible=by == "group"), ""

    page.opens["data-split"].click(open_panel, None, [*locks, request_id, found, given[-1]], **LATEST)
    given[0].input(ask_column, given[0], [given[1], found], **LATEST)
    look.click(preview, given, found, **PRIVATE)
    assign.click(apply, [*given, request_id], page.go, **PRIVATE)
    _, lock_it, unlock = locks
    lock_it.click(set_lock, None, list(locks), **PRIVATE)
    unlock.click(take_lock, None, list(locks), **PRIVATE)


def _spec(dataset: str, by: By, column: str, validation: float, test: float, seed: float, keep: bool) -> SplitSpec:
    return SplitSpec(
        dataset=dataset,
        validation_share=validation / 100,
        test_share=test / 100,
        by=by,
        column=(column or "").strip() or None,
        seed=int(seed or 0),
        keep=keep,
    )


def _lock(page: Page, actor: Actor, dataset_id: str) -> tuple[Any, ...]:
    try:
        info = page.services.data.get(actor, dataset_id)
    except StudioError:  # opened without a dataset
        return "", gr.update(visible=False), gr.update(visible=False)
    words = render("split_lock", page.lang, info=info)
    is_locked = info.locked_at is not None
    return words, gr.update(visible=not is_locked and info.counts.get("test", 0) > 0), gr.update(visible=is_locked)
