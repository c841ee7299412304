"""The doctor: have a dataset examined, read what was found with examples, mend it with one click, take it back with another.

Address bar: `dataset`, `view=doctor`, `check` (the finding that is open), `found` (where its examples go on).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import gradio as gr

from components.doctor_words import cluster_json, example_json, history_words, rule_words
from components.form import late_choice
from components.page import EDITORS, LATEST, PRIVATE, Page, actor_of, ids_of, link, new_request_id, render
from studio.access import RULES, Actor
from studio.data.bulk import Applied
from studio.data.checks.base import SetCheck
from studio.data.doctor_job import DoctorSpec
from studio.data.doctor_service import Line, Told
from studio.errors import DataError, NotFoundError
from studio.jobs.spec import checked

__all__ = ["build"]

_DEFAULT_LIMIT = 512

#: No position has so many.
_DIGITS = 18

#: Examples of a finding that are shown at once.
_SHOWN = 5


def build(page: Page) -> None:
    t = page.t
    with gr.Group(elem_id="doctor-form", elem_classes=EDITORS), gr.Row(equal_height=True):
        base = late_choice(label=t("doctor.base"), info=t("doctor.base.help"), elem_id="doctor-base")
        limit = gr.Number(
            _DEFAULT_LIMIT, precision=0, label=t("doctor.limit"), info=t("doctor.limit.help"), elem_id="doctor-limit"
        )
        examine = gr.Button(t("doctor.examine"), variant="primary", elem_id="doctor-examine")
    report = gr.HTML(elem_id="doctor-report", padding=False)
    wish = gr.Textbox(visible="hidden", elem_id="doctor-wish", show_label=False)
    # Pressed by the buttons in the report, which name what they mean in `wish`.
    acts = {name: gr.Button(visible="hidden", elem_id=f"doctor-{name}") for name in ("mend", "aside", "keep", "undo", "redo")}
    request_id = gr.Textbox(visible=False)
    _wire(page, (base, limit, examine, request_id), report, wish, acts)


def _wire(page: Page, form: tuple[Any, ...], report: Any, wish: Any, acts: dict[str, Any]) -> None:
    services = page.services
    base, limit, examine, request_id = form

    @page.event("dataset.read")
    def open_panel(request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        bases = [(one.name, one.id) for one in services.models.ready(actor)]
        told = _told(page, request)
        last = "" if told is None else told.examined.base_id
        chosen = next((id_ for _, id_ in bases if id_ == last), bases[0][1] if bases else "")
        choices = gr.update(choices=[*bases, (page.t("doctor.no_base"), "")], value=chosen)
        n_tokens = gr.skip() if told is None else told.examined.max_seq_len
        again = gr.update(value=page.t("doctor.examine" if told is None else "doctor.again"))
        return choices, n_tokens, again, new_request_id(), _report(page, request, told)

    @page.event("dataset.write")
    def begin(base_id: str | None, max_seq_len: float | None, mine: str, request: gr.Request) -> tuple[Any, ...]:
        wanted = {"dataset": ids_of(request).get("dataset", ""), "base": base_id or ""}
        spec = checked(DoctorSpec, wanted | {"max_seq_len": int(max_seq_len or _DEFAULT_LIMIT)})
        services.doctor.examine(actor_of(request), spec, request_id=mine)
        return link(tab="data", check="", found="") + f"#{mine}", new_request_id()

    @page.event("dataset.write")
    def mend(wanted: str, request: gr.Request) -> str:
        key, mine = _wish(wanted)
        made = services.doctor.mend(actor_of(request), ids_of(request).get("dataset", ""), key, request_id=mine)
        return _after(page, request, made)

    @page.event("dataset.write")
    def set_aside(wanted: str, request: gr.Request) -> str:
        key, mine = _wish(wanted)
        dataset = ids_of(request).get("dataset", "")
        why = page.t(f"check.{key}.name")
        made = services.doctor.set_aside(actor_of(request), dataset, key, why, request_id=mine)
        return _after(page, request, made, "doctor.aside_done" if made.changes.get("changed") else None)

    @page.event("dataset.write")
    def keep(wanted: str, request: gr.Request) -> str:
        key, group, row, mine = _wish(wanted, 4)
        dataset = ids_of(request).get("dataset", "")
        made = services.doctor.keep(actor_of(request), dataset, key, int(group), int(row), request_id=mine)
        return _after(page, request, made)

    @page.event("dataset.write")
    def undo(wanted: str, request: gr.Request) -> str:
        return step(wanted, request, services.edits.undo, "rows.undone")

    @page.event("dataset.write")
    def redo(wanted: str, request: gr.Request) -> str:
        return step(wanted, request, services.edits.redo, "rows.redone")

    def step(wanted: str, request: gr.Request, change: Callable[[Actor, str], Any], said: str) -> str:
        """Of the change that the person saw; what somebody else has done since is not taken back unseen."""
        actor, dataset = actor_of(request), ids_of(request).get("dataset", "")
        number, _ = _wish(wanted)
        if services.data.get(actor, dataset).revision != int(number):
            raise DataError("error.rows.moved_on")
        change(actor, dataset)
        page.tell(said)
        return _report(page, request, _told(page, request))

    page.opens["data-doctor"].click(open_panel, None, [base, limit, examine, request_id, report], **LATEST)
    examine.click(begin, [base, limit, request_id], [page.go, request_id], **PRIVATE)
    for name, act in (("mend", mend), ("aside", set_aside), ("keep", keep), ("undo", undo), ("redo", redo)):
        acts[name].click(act, wish, report, **PRIVATE)


def _wish(wanted: str, n: int = 2) -> list[str]:
    """What a button of the report names, and the id of this wish: sent twice, it is done once."""
    parts = wanted.split(" ")
    if len(parts) != n:
        raise DataError("error.rows.unreadable")
    return parts


def _after(page: Page, request: gr.Request, made: Applied, said: str | None = "doctor.done") -> str:
    """What came of it, said; then the report as it is now."""
    if made.job_id is not None:
        page.tell("rows.b_goes_on")
    elif made.revision is None:
        page.tell("doctor.nothing_done")
    elif said is not None:
        page.tell(said, n=sum(made.changes.get(what, 0) for what in ("changed", "removed")))
    return _report(page, request, _told(page, request))


def _told(page: Page, request: gr.Request) -> Told | None:
    """None for a dataset that was not examined, or an address without one."""
    with contextlib.suppress(NotFoundError):
        return page.services.doctor.report(actor_of(request), ids_of(request).get("dataset", ""))
    return None


def _report(page: Page, request: gr.Request, told: Told | None) -> str:
    actor, ids = actor_of(request), ids_of(request)
    dataset = ids.get("dataset", "")
    with contextlib.suppress(NotFoundError):  # opened without a dataset
        info = page.services.data.get(actor, dataset)
        working = any(job.kind == "doctor" for job in page.services.jobs.active(actor))
        common: dict[str, Any] = {"info": info, "is_working": working, "may_write": actor.role in RULES["dataset.write"].roles}
        if told is None:
            return render("doctor_empty", page.lang, **common)
        open_line = next((line for line in told.lines if line.key == ids.get("check")), None) or next(iter(told.lines), None)
        return render(
            "doctor_report",
            page.lang,
            told=told,
            line=open_line,
            detail=_detail(page, actor, dataset, open_line, ids.get("found", "")) if open_line is not None else None,
            n_aside=page.services.doctor.n_aside(actor, dataset, open_line.key) if open_line is not None else 0,
            last=_last(page, actor, dataset),
            wish=new_request_id(),
            rule_words=lambda check: rule_words(check, page.lang),
            **common,
        )
    return ""


def _detail(page: Page, actor: Actor, dataset: str, line: Line, found: str) -> dict[str, Any]:
    after = int(found) if found.isdecimal() and len(found) < _DIGITS else -1
    doctor = page.services.doctor
    if isinstance(line.check, SetCheck) and line.n_groups and line.key != "openings":
        clusters = doctor.clusters(actor, dataset, line.key, after=after, limit=_SHOWN + 1)
        shown = [cluster_json(cluster, page.lang) for cluster in clusters[:_SHOWN]]
        return {"clusters": shown, "next": clusters[_SHOWN - 1].number if len(clusters) > _SHOWN else None, "first": after < 0}
    examples = doctor.examples(actor, dataset, line.key, after=after, limit=_SHOWN + 1)
    shown = [example_json(line.check, example, page.lang) for example in examples[:_SHOWN]]
    return {"examples": shown, "next": examples[_SHOWN - 1].row.position if len(examples) > _SHOWN else None, "first": after < 0}


def _last(page: Page, actor: Actor, dataset: str) -> dict[str, Any] | None:
    """The newest change since the dataset's import, in words, and whether it can be taken back: an undo is, by a redo."""
    made = page.services.edits.history(actor, dataset, limit=2)
    can_undo, can_redo = page.services.edits.can(actor, dataset)
    if len(made) < 2:
        return None
    summary = made[0].summary or {}
    words = history_words(summary.get("key", ""), summary.get("params", {}), page.lang)
    step = ("redo" if can_redo else "") if made[0].action == "undo" else ("undo" if can_undo else "")
    return {"number": made[0].number, "before": made[1].number, "words": words, "step": step}
