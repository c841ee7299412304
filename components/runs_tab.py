"""Runs: what waits, what trains, how far, how well; several over each other; stop, go on, do it again; what it left.

Address bar: `run`; `with`, runs that are drawn over it; `sweep`, a group of runs as one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from components import queue_panel, run_charts
from components.page import ASSETS, EDITORS, LATEST, PRIVATE, READ, Page, actor_of, ids_of, moved, render
from components.widgets.chart import line_chart
from studio.access import Actor
from studio.jobs.queue import ATTEMPTS
from studio.train.service import Run
from studio.train.story import Noticed
from studio.train.sweeps import Sweep, doubling

__all__ = ["build"]

#: Seconds between looks while a run moves (CONTRACTS 10).
_TICK_S = 3

_FOOT_SCRIPT = (ASSETS / "js" / "checkpoints.js").read_text("utf-8")

#: Of marks.
_BAD, _GOOD = "#dc2626", "#0f766e"

_HIDDEN = gr.update(visible=False)


@dataclass
class _Parts:
    """What `look` fills, in this order."""

    queue: Any
    listing: Any
    head: Any
    buttons: Any
    stop: Any
    resume: Any
    hint: Any
    chat: Any
    group: Any
    charts: Any
    loss: Any
    lr: Any
    grad_norm: Any
    speed: Any
    memory: Any
    rewards: Any
    accuracy: Any
    logps: Any
    length: Any
    health: Any
    noticed: Any
    probes: Any
    foot: Any
    cursor: Any
    timer: Any

    def all(self) -> list[Any]:
        return [getattr(self, item.name) for item in fields(self)]


def build(page: Page) -> None:
    t = page.t
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=240):
            queue = queue_panel.build(page)
            listing = gr.HTML(elem_id="runs-list", padding=False)
        with gr.Column(scale=4, min_width=320):
            head = gr.HTML(elem_id="run-head", padding=False)
            with gr.Row(visible=False, elem_id="run-buttons") as buttons:
                wide = {"scale": 0, "min_width": 270}
                short = {"scale": 0, "min_width": 170}
                stop = gr.Button(t("runs.stop"), variant="stop", elem_id="run-stop", elem_classes=EDITORS, **wide)
                resume = gr.Button(t("runs.resume"), elem_id="run-resume", elem_classes=EDITORS, **wide)
                hint = gr.HTML(elem_id="run-resume-hint", elem_classes=EDITORS, padding=False, min_width=200)
                chat = gr.Button(t("runs.chat"), variant="primary", elem_id="run-chat", **wide)
                again = gr.Button(t("runs.again"), elem_id="run-again", elem_classes=EDITORS, **short)
                like = gr.Button(t("runs.like"), elem_id="run-like", elem_classes=EDITORS, **short)
            group = gr.HTML(elem_id="run-group", padding=False)
            with gr.Column(visible=False, elem_id="run-charts") as charts:
                loss = line_chart(t("runs.chart.loss"), elem_id="chart-loss", height=260)
                with gr.Row(visible=False, elem_id="run-health") as health:
                    small = {name: _small_chart(t(f"runs.chart.{name}"), name) for name in run_charts.HEALTH}
                with gr.Row():
                    plain = [name for name in run_charts.CHARTS if name not in ("loss", *run_charts.HEALTH)]
                    small |= {name: _small_chart(t(f"runs.chart.{name}"), name) for name in plain}
            noticed = gr.HTML(elem_id="run-noticed", padding=False)
            probes = gr.HTML(elem_id="run-probes", padding=False)
            foot = gr.HTML(elem_id="run-foot", padding=False, js_on_load=_FOOT_SCRIPT)
            cursor = gr.Textbox(visible=False)
    timer = gr.Timer(_TICK_S, active=False)
    parts = _Parts(
        queue=queue.listing, listing=listing, head=head, buttons=buttons, stop=stop, resume=resume, hint=hint, chat=chat,
        group=group, charts=charts, loss=loss, health=health, **small, noticed=noticed, probes=probes, foot=foot,
        cursor=cursor, timer=timer,
    )
    _wire(page, parts, queue, again, like)


def _small_chart(title: str, name: str) -> gr.HTML:
    with gr.Column(min_width=190):  # below each other on a phone
        return line_chart(title, elem_id=f"chart-{name.replace('_', '-')}", height=150, tools=False)


@dataclass
class _Chosen:
    """What the address bar asks for: a run, those over it, the sweep that they make; `runs` are all there are."""

    runs: list[Run]
    run: Run | None
    over: list[Run]
    sweep: Sweep | None


def _chosen(page: Page, actor: Actor, ids: dict[str, str]) -> _Chosen:
    services = page.services
    runs = services.train.list(actor)
    by_id = {run.id: run for run in runs}
    if "sweep" in ids:
        sweep = services.sweeps.get(actor, ids["sweep"])
        its = [item.run for item in sweep.runs]
        best = sweep.best.run if sweep.best else its[0]
        first = next((run for run in its if run.id == ids.get("run")), best)
        return _Chosen(runs, first, [run for run in its if run.id != first.id], sweep)
    at_work = next((run for run in runs if run.job.is_active), runs[0] if runs else None)
    run = by_id.get(ids.get("run", "")) or at_work
    asked = [by_id[name] for name in ids.get("with", "").split(",") if name in by_id and (run is None or name != run.id)]
    return _Chosen(runs, run, asked[: run_charts.MOST_RUNS - 1], None)


def _wire(page: Page, parts: _Parts, queue: queue_panel.QueueParts, again: gr.Button, like: gr.Button) -> None:
    services, lang = page.services, page.lang
    shown = parts.all()

    def look(actor: Actor, ids: dict[str, str], seen: str = "") -> tuple[Any, ...]:
        found = _chosen(page, actor, ids)
        run = found.run
        listing = _listing(page, actor, found)
        if run is None:
            empty = render("runs_empty", lang, datasets=services.data.list(actor))
            return (
                queue_panel.drawn(page, actor), listing, empty, *[_HIDDEN] * 5, "", _HIDDEN,
                *[gr.skip()] * len(run_charts.CHARTS), _HIDDEN, "", "", "", "",
                gr.Timer(active=False),
            )
        saved = services.train.checkpoints(actor, run.id)
        last_step = saved[-1].step if saved else None
        told = services.jobs.events(actor, run.job.id, ["warned", "attempt_started"])
        starts = [event.get("resumed_from_step", 0) for event in told if event["kind"] == "attempt_started"]
        warnings = [event for event in told if event["kind"] == "warned" and not event["key"].startswith("detect.")]
        noticed = services.story.noticed(actor, run.id)
        drawn_runs = [run, *found.over]
        now_at = ":".join([*(f"{one.id}.{services.train.cursor(actor, one.id)}" for one in drawn_runs), str(len(starts))])
        drawn: list[Any] = [gr.skip()] * len(run_charts.CHARTS)
        if now_at != seen:
            best = next((item.step for item in saved if item.best), None)
            marks = _marks(page, starts[1:], noticed, best if run.job.has_ended else None)
            drawn = run_charts.values(page, [(one, services.train.curves(actor, one.id)) for one in drawn_runs], marks)
        lineage = services.story.lineage(actor, run.id)
        said = {"run": run, "base": lineage.base, "warnings": warnings, "starts": starts, "last_step": last_step}
        return (
            queue_panel.drawn(page, actor),
            listing,
            render("run_head", lang, **said, limit=ATTEMPTS, facts=lineage.facts, origin=lineage.origin),
            gr.update(visible=True),
            gr.update(visible=not run.job.has_ended, interactive=run.job.state != "stopping"),
            gr.update(visible=run.job.can_resume),
            gr.update(visible=run.job.can_resume, value=render("run_resume", lang, last_step=last_step)),
            gr.update(visible=bool(saved)),
            _group(page, actor, found),
            gr.update(visible=True),
            *drawn,
            gr.update(visible=any(one.watched for one in drawn_runs)),
            render("run_noticed", lang, noticed=noticed, dataset=run.dataset_id),
            render("run_probes", lang, told=services.story.timeline(actor, run.id)),
            render("run_foot", lang, lineage=lineage, log=services.jobs.log_tail(actor, run.job.id)),
            now_at,
            gr.Timer(active=any(not item.job.has_ended for item in found.runs)),
        )

    @page.event("run.read")
    def open_tab(request: gr.Request) -> tuple[Any, ...]:
        return look(actor_of(request), ids_of(request))

    @page.event("run.read")
    def tick(seen: str, request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        if ids.get("tab") != "runs":
            return (*[gr.skip()] * (len(shown) - 1), gr.Timer(active=False), gr.skip())
        moving = any(not item.job.has_ended for item in services.train.list(actor))
        # The last look: the page opens once more, so that its header does not go on saying that something runs.
        return (*look(actor, ids, seen), gr.skip() if moving else moved(tab="runs"))

    def chosen(request: gr.Request) -> Run:
        run = _chosen(page, actor_of(request), ids_of(request)).run
        assert run is not None, "the buttons of a run are hidden where there is none"
        return run

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

    @page.event("run.start")
    def run_again(request: gr.Request) -> str:
        actor = actor_of(request)
        spec = services.plan.again(actor, chosen(request).id)
        return moved(tab="runs", run=services.train.start(actor, spec), sweep="", **{"with": ""})

    @page.event("run.read")
    def change_and_run(request: gr.Request) -> str:
        return moved(tab="train", like=chosen(request).id)

    @page.event("run.pin")
    def pin(request: gr.Request, event: gr.EventData) -> str:
        run = chosen(request)
        services.train.pin(actor_of(request), run.id, int(event._data["step"]), bool(event._data["keep"]))
        return moved(tab="runs", run=run.id)

    @page.event("run.read")
    def chat_with(request: gr.Request) -> str:
        return moved(tab="chat", run=chosen(request).id, chat="")

    page.opens["runs"].click(open_tab, None, shown, **LATEST)
    parts.timer.tick(tick, parts.cursor, [*shown, page.go], **READ)
    parts.stop.click(stop_run, None, page.go, **PRIVATE)
    parts.resume.click(resume_run, None, page.go, **PRIVATE)
    again.click(run_again, None, page.go, **PRIVATE)
    like.click(change_and_run, None, page.go, **READ)
    parts.foot.pin(pin, None, page.go, **PRIVATE)
    parts.chat.click(chat_with, None, page.go, **READ)
    queue_panel.wire(page, queue, look, shown)


def _listing(page: Page, actor: Actor, found: _Chosen) -> str:
    sweeps = page.services.sweeps.list(actor)
    over = [run.id for run in found.over] if found.sweep is None else []
    return render("runs", page.lang, runs=found.runs, chosen=found.run.id if found.run else None, over=over, sweeps=sweeps)


def _group(page: Page, actor: Actor, found: _Chosen) -> str:
    """A table of the sweep, or of the runs that are drawn over each other."""
    assert found.run is not None
    if found.sweep is not None:
        return render("sweep", page.lang, sweep=found.sweep, chosen=found.run.id, ahead=doubling(found.sweep.losses))
    if not found.over:
        return ""
    runs = [found.run, *found.over]
    told = page.services.story.compare(actor, [run.id for run in runs])
    return render("run_compare", page.lang, runs=runs, told=told)


def _marks(page: Page, resumed_from: list[int], noticed: list[Noticed], best: int | None) -> list[dict[str, Any]]:
    """Upright lines: where a later attempt went on, what was noticed (a press opens it), the best checkpoint."""
    t = page.t
    marks: list[dict[str, Any]] = [
        {"x": step, "text": t("runs.chart.resumed", step=step)} for step in sorted({step for step in resumed_from if step})
    ]
    marks += [
        {"x": one.step, "text": t(f"detect.{one.key}", **one.params), "press": f"noticed-{one.key}-{one.step}", "color": _BAD}
        for one in noticed
    ]
    return marks + ([{"x": best, "text": t("runs.chart.best", step=best), "color": _GOOD}] if best else [])
