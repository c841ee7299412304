"""Mixes: several datasets, each as often as one likes, with general rows against forgetting; one new dataset of them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from components.form import late_choice
from components.page import EDITORS, LATEST, PRIVATE, Page, actor_of, ids_of, moved, new_request_id, render
from studio.data.mix import MixPart, MixSpec

__all__ = ["build"]

#: Datasets that a mix can have. More are mixed in two steps.
_PARTS = 6


def build(page: Page) -> None:
    t = page.t
    gr.Markdown(f"### {t('mix.title')}\n\n{t('mix.what')}")
    with gr.Group(elem_id="mix-form", elem_classes=EDITORS):
        name = gr.Textbox(label=t("data.import.name"), max_lines=1, elem_id="mix-name")
        datasets, weights = [], []
        for at in range(_PARTS):
            with gr.Row():
                label = t("mix.dataset", n=at + 1)
                datasets.append(late_choice(label=label, elem_id=f"mix-dataset-{at}", scale=3, visible=at < 2))
                info = t("mix.weight.help") if at == 0 else None
                weight = gr.Number(
                    1, minimum=0.01, maximum=20, step=0.25, label=t("mix.weight"), info=info, scale=1, visible=at < 2,
                    elem_id=f"mix-weight-{at}",
                )
                weights.append(weight)
        with gr.Row():
            replay = gr.Slider(0, 50, 0, step=1, label=t("mix.replay"), info=t("mix.replay.help"), elem_id="mix-replay")
            base = late_choice(label=t("mix.base"), info=t("mix.base.help"), elem_id="mix-base")
        with gr.Row(equal_height=True):
            look = gr.Button(t("mix.look"), elem_id="mix-look")
            make = gr.Button(t("mix.make"), variant="primary", elem_id="mix-make")
        request_id = gr.Textbox(visible=False)
    found = gr.HTML(elem_id="mix-found", padding=False)
    _wire(page, name, datasets, weights, (replay, base, look, make, request_id, found))


def _wire(page: Page, name: Any, datasets: list[Any], weights: list[Any], parts: tuple[Any, ...]) -> None:
    services = page.services
    replay, base, look, make, request_id, found = parts

    @page.event("dataset.read")
    def open_panel(request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        choices = [("\N{EM DASH}", ""), *((info.name, info.id) for info in services.data.list(actor))]
        chosen = ids_of(request).get("dataset", "")
        boxes = [gr.update(choices=choices, value=chosen if at == 0 else "") for at in range(_PARTS)]
        bases = [(item.name, item.id) for item in services.models.ready(actor)]
        picked = bases[0][1] if bases else ""
        return *boxes, gr.update(choices=[(page.t("mix.characters"), ""), *bases], value=picked), new_request_id(), ""

    @page.event("dataset.read")
    def show_more(request: gr.Request, *chosen: str) -> tuple[Any, ...]:
        """One row more than are filled."""
        n_shown = max(2, 2 + max((at for at, dataset in enumerate(chosen) if dataset), default=0))
        return tuple(gr.update(visible=at < n_shown) for at in range(_PARTS)) * 2

    @page.event("dataset.read")
    def preview(request: gr.Request, wanted: str, share: float, base_id: str, *given: Any) -> str:
        spec = _spec(wanted or "-", share, base_id, given)
        return render("mix_found", page.lang, found=services.mixes.preview(actor_of(request), spec))

    @page.event("dataset.import")
    def mix(request: gr.Request, wanted: str, share: float, base_id: str, wish: str, *given: Any) -> str:
        made = services.mixes.make(actor_of(request), _spec(wanted, share, base_id, given), request_id=wish)
        return moved(tab="data", dataset=made.dataset_id or "", view="")

    page.opens["data-mix"].click(open_panel, None, [*datasets, base, request_id, found], **LATEST)
    for dataset in datasets:
        dataset.input(show_more, datasets, [*datasets, *weights], **LATEST)
    look.click(preview, [name, replay, base, *datasets, *weights], found, **PRIVATE)
    make.click(mix, [name, replay, base, request_id, *datasets, *weights], page.go, **PRIVATE)


def _spec(name: str, share: float, base_id: str, given: tuple[Any, ...]) -> MixSpec:
    chosen = [(dataset, weight) for dataset, weight in zip(given[:_PARTS], given[_PARTS:], strict=True) if dataset]
    return MixSpec(
        dataset_name=name,
        parts=[MixPart(dataset=dataset, weight=weight or 1) for dataset, weight in chosen],
        replay_share=share / 100,
        base=base_id or None,
    )
