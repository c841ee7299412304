"""Runs: what trains, how far, how well; stop it, let it go on; what it left.

Address bar: `run`.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from components.page import ASSETS, EDITORS, OPEN, PRIVATE, READ, Page, actor_of, ids_of, moved, render
from components.widgets.chart import chart_words, line_chart
from studio.access import Actor
from studio.jobs.queue import ATTEMPTS
from studio.train.service import Curves, Run

__all__ = ["build"]

#: Seconds between looks while a run moves (CONTRACTS 10).
_TICK_S = 3

_FOOT_SCRIPT = (ASSETS / "js" / "checkpoints.js").read_text("utf-8")

_COLOURS = {"train/loss": "#14b8a6", "validation/loss": "#f97316", "train/lr": "#8b5cf6", "speed": "#0ea5e9", "memory": "#e11d48"}


def build(page: Page) -> None:
    t = page.t
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=240):
            listing = gr.HTML(elem_id="runs-list", padding=False)
        with gr.Column(scale=4, min_width=320):
            head = gr.HTML(elem_id="run-head", padding=False)
            with gr.Row(visible=False, elem_id="run-buttons") as buttons:
                wide = {"scale": 0, "min_width": 290}
                stop = gr.Button(t("runs.stop"), variant="stop", elem_id="run-stop", elem_classes=EDITORS, **wide)
                resume = gr.Button(t("runs.resume"), elem_id="run-resume", elem_classes=EDITORS, **wide)
                hint = gr.HTML(elem_id="run-resume-hint", elem_classes=EDITORS, padding=False, min_width=200)
                chat = gr.Button(t("runs.chat"), variant="primary", elem_id="run-chat", **wide)
            with gr.Column(visible=False, elem_id="run-charts") as charts:
                loss = line_chart(t("runs.chart.loss"), elem_id="chart-loss", height=260)
                with gr.Row():
                    rate, speed, memory = (_small_chart(t(f"runs.chart.{name}"), name) for name in ("lr", "speed", "memory"))
            foot = gr.HTML(elem_id="run-foot", padding=False, js_on_load=_FOOT_SCRIPT)
            cursor = gr.Textbox(visible=False)
    timer = gr.Timer(_TICK_S, active=False)
    _wire(page, (listing, head, buttons, stop, resume, hint, chat, charts, loss, rate, speed, memory, foot, cursor, timer))


def _small_chart(title: str, name: str) -> gr.HTML:
    with gr.Column(min_width=230):  # below each other on a phone
        return line_chart(title, elem_id=f"chart-{name}", height=150, tools=False)


def _wire(page: Page, parts: tuple[Any, ...]) -> None:
    services, lang = page.services, page.lang
    _, _, _, stop, resume, _, chat, *_, foot, cursor, timer = parts
    shown = list(parts)

    def look(actor: Actor, ids: dict[str, str], seen: str) -> tuple[Any, ...]:
        runs = services.train.list(actor)
        run = next((item for item in runs if item.id == ids.get("run")), runs[0] if runs else None)
        listing_html = render("runs", lang, runs=runs, chosen=run.id if run else None)
        if run is None:
            empty = render("runs_empty", lang, datasets=services.data.list(actor))
            hidden = gr.update(visible=False)
            return (listing_html, empty, *[hidden] * 6, *[gr.skip()] * 4, "", "", gr.Timer(active=False))
        saved = services.train.checkpoints(actor, run.id)
        last_step = saved[-1].step if saved else None
        told = services.jobs.events(actor, run.job.id, ["warned", "attempt_started"])
        starts = [event.get("resumed_from_step", 0) for event in told if event["kind"] == "attempt_started"]
        now_at = f"{run.id}:{len(starts)}:{services.train.cursor(actor, run.id)}"
        drawn = [gr.skip()] * 4 if now_at == seen else _charts(page, run.id, services.train.curves(actor, run.id), starts[1:])
        moving = any(not item.job.has_ended for item in runs)
        return (
            listing_html,
            render(
                "run_head",
                lang,
                run=run,
                base=services.models.get(actor, run.base_id),
                warnings=[event for event in told if event["kind"] == "warned"],
                starts=starts,
                last_step=last_step,
                limit=ATTEMPTS,
            ),
            gr.update(visible=True),
            gr.update(visible=not run.job.has_ended, interactive=run.job.state != "stopping"),
            gr.update(visible=run.job.can_resume),
            gr.update(visible=run.job.can_resume, value=render("run_resume", lang, last_step=last_step)),
            gr.update(visible=bool(saved)),
            gr.update(visible=True),
            *drawn,
            render("run_foot", lang, run=run, checkpoints=saved, log=services.jobs.log_tail(actor, run.job.id)),
            now_at,
            gr.Timer(active=moving),
        )

    @page.event("run.read")
    def open_tab(request: gr.Request) -> tuple[Any, ...]:
        return look(actor_of(request), ids_of(request), "")

    @page.event("run.read")
    def tick(seen: str, request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        if ids.get("tab") != "runs":
            return (*[gr.skip()] * (len(shown) - 1), gr.Timer(active=False), gr.skip())
        moving = any(not item.job.has_ended for item in services.train.list(actor))
        # The last look: the page opens once more, so that its header does not go on saying that something runs.
        return (*look(actor, ids, seen), gr.skip() if moving else moved(tab="runs"))

    def chosen(request: gr.Request) -> Run:
        actor, run_id = actor_of(request), ids_of(request).get("run")
        return services.train.get(actor, run_id) if run_id else services.train.list(actor, limit=1)[0]

    @page.event("run.stop")
    def stop_run(request: gr.Request) -> str:
        run = chosen(request)
        services.train.stop(actor_of(request), run.id)
        return moved(tab="runs", run=run.id)

    @page.event("run.resume")
    def resume_run(request: gr.Request) -> str:
        run = chosen(request)
        services.train.resume(actor_of(request), run.id)
        return moved(tab="runs", run=run.id)

    @page.event("run.pin")
    def pin(request: gr.Request, event: gr.EventData) -> str:
        run = chosen(request)
        services.train.pin(actor_of(request), run.id, int(event._data["step"]), bool(event._data["keep"]))
        return moved(tab="runs", run=run.id)

    @page.event("run.read")
    def chat_with(request: gr.Request) -> str:
        return moved(tab="chat", run=chosen(request).id, chat="")

    page.opens["runs"].click(open_tab, None, shown, **OPEN)
    timer.tick(tick, cursor, [*shown, page.go], **READ)
    stop.click(stop_run, None, page.go, **PRIVATE)
    resume.click(resume_run, None, page.go, **PRIVATE)
    foot.pin(pin, None, page.go, **PRIVATE)
    chat.click(chat_with, None, page.go, **READ)


def _charts(page: Page, run_id: str, curves: Curves, resumed_from: list[int]) -> list[dict[str, Any]]:
    """Values of the four charts, in the order of the page; a mark where a later attempt went on."""
    t, series = page.t, curves.series
    marks = [{"x": step, "text": t("runs.chart.resumed", step=step)} for step in sorted({step for step in resumed_from if step})]

    def chart(*lines: tuple[str, str, list[list[float | None]]], zero: bool = False) -> dict[str, Any]:
        drawn = [
            {"name": label, "color": _COLOURS[key], "points": found, "dots": key == "validation/loss"}
            for key, label, found in lines
            if found
        ]
        words = {"x": t("runs.chart.step"), "empty": t("runs.chart.empty"), "words": chart_words(t)}
        return {"series": drawn, "zero": zero, "marks": marks, "key": run_id} | words

    return [
        chart(
            ("train/loss", t("runs.series.train_loss"), series.get("train/loss", [])),
            ("validation/loss", t("runs.series.validation_loss"), series.get("validation/loss", [])),
        ),
        chart(("train/lr", t("runs.chart.lr"), series.get("train/lr", []))),
        chart(("speed", t("runs.chart.speed"), _ratio(series, "train/tokens", "train/seconds")), zero=True),
        chart(("memory", t("runs.chart.memory"), _scaled(series.get("train/mem_bytes", []), 2**30)), zero=True),
    ]


def _ratio(series: dict[str, list[list[float | None]]], above: str, below: str) -> list[list[float | None]]:
    return [
        [step, None if value is None or not other else value / other]
        for (step, value), (_, other) in zip(series.get(above, []), series.get(below, []), strict=False)
    ]


def _scaled(points: list[list[float | None]], divisor: float) -> list[list[float | None]]:
    return [[step, None if value is None else value / divisor] for step, value in points]
