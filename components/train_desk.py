"""What the parts of the Train tab share: the form's widgets, and what is shown of a spec before it starts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import gradio as gr

from components.page import Page, render
from studio.access import Actor
from studio.errors import NotFoundError, StudioError
from studio.jobs.queue import Job
from studio.train.methods import MethodFields
from studio.train.plan import shares_as_form
from studio.train.spec import TrainSpec
from studio.train.stages import StageFields

__all__ = ["Desk"]


@dataclass
class Desk:
    """`asked` keeps the question that a person has been asked before a start; `fields` are the form's widgets by name; `kept`
    holds their values as JSON for the browser, which gives them back when the page is loaded again.
    """

    page: Page
    fields: dict[str, Any]
    columns: dict[str, gr.Column]
    plan: gr.HTML
    start: gr.Button
    asked: gr.Textbox
    request_id: gr.Textbox
    yaml: gr.Code
    kept: gr.Textbox
    timer: gr.Timer

    @property
    def seen(self) -> list[Any]:
        """What `look` fills."""
        return [self.plan, self.start, self.asked, self.yaml, self.kept, *self._come_and_go().values()]

    def _come_and_go(self) -> dict[str, gr.Column]:
        """Columns of fields that not every method or stage reads."""
        return {name: self.columns[name] for name in (*MethodFields.model_fields, *StageFields.model_fields)}

    def _columns(self, values: dict[str, Any]) -> list[Any]:
        silent = TrainSpec.silent(str(values.get("method")), str(values.get("stage")))
        return [gr.update(visible=name not in silent) for name in self._come_and_go()]

    def look(self, actor: Actor, values: dict[str, Any], *, asked: Any = "", changed: Any = ()) -> tuple[Any, ...]:
        """What these values would do, or why they cannot; `changed` are remedies that were taken just now."""
        services, lang = self.page.services, self.page.lang
        base = next((item for item in services.models.list(actor) if item.id == values.get("base")), None)
        spec = ahead = problem = pilot = origin = None
        try:
            spec = services.train.complete(actor, values)
            ahead, pilot = services.train.preflight(actor, spec), services.plan.pilot_of(actor, spec)
            origin = services.train.origin(actor, spec.start_from)
        except StudioError as error:
            problem = error
        is_asked = isinstance(asked, str) and asked != ""
        drawn = render(
            "plan",
            lang,
            ahead=ahead,
            problem=problem,
            base=base,
            origin=origin,
            spec=spec,
            pilot=pilot,
            before=self._before(actor, pilot),
            changed=changed,
            asked=is_asked,
        )
        words = self.page.t("train.start_anyway" if is_asked else "train.start")
        stays = not isinstance(asked, str)  # a look between two clicks: nobody changed anything, somebody may be typing
        start = gr.skip() if stays else gr.update(value=words, interactive=bool(values.get("base") and values.get("dataset")))
        written = (gr.skip(), gr.skip()) if stays else self.written(actor, values)
        return drawn, start, asked, *written, *self._columns(values)

    def written(self, actor: Actor, values: dict[str, Any]) -> tuple[str, str]:
        """The form as a file, and as the browser keeps it."""
        return self.page.services.plan.as_yaml(actor, values), json.dumps(values)

    def _before(self, actor: Actor, pilot: Job | None) -> Job | None:
        """What a pilot waits for."""
        if pilot is None or pilot.state != "queued":
            return None
        at_work = (job for job in self.page.services.jobs.active(actor) if job.is_active and job.job_class == pilot.job_class)
        return next(at_work, None)

    def is_piloting(self, actor: Actor, values: dict[str, Any]) -> bool:
        try:
            pilot = self.page.services.plan.pilot_of(actor, self.page.services.train.complete(actor, values))
        except StudioError:  # no spec yet
            return False
        return pilot is not None and not pilot.has_ended

    def question(self, actor: Actor, spec: TrainSpec) -> str:
        """The same for the same warnings about the same spec; empty where there is nothing to ask, or nothing can start."""
        ahead = self.page.services.train.preflight(actor, spec)
        if ahead.errors or not ahead.warnings:
            return ""
        keys = [[warning["key"], warning["params"].get("reason", "")] for warning in ahead.warnings]
        return hashlib.sha256(json.dumps([spec.as_dict(), keys]).encode()).hexdigest()

    def values_like(self, actor: Actor, run_id: str) -> dict[str, Any]:
        """A run's settings for the form, under a name that is free."""
        spec = self.page.services.plan.again(actor, run_id)
        values = spec.model_dump(mode="json") | {"base": spec.base.id, "dataset": spec.dataset.id}
        values |= _lines(values) | shares_as_form(spec)
        return {name: values[name] for name in self.fields}

    def values_begun(self, actor: Actor, name: str) -> dict[str, Any]:
        """What a run that goes on from a checkpoint takes over; nothing where that is gone: the form opens as it was."""
        try:
            return self.page.services.train.begin_from(actor, name)
        except NotFoundError:
            return {}

    def values_kept(self, kept: str) -> dict[str, Any]:
        """What this window's form held before the page was loaded again; nothing where that cannot be read."""
        try:
            values = json.loads(kept or "{}")
        except ValueError:  # a browser's store is not ours alone
            return {}
        if not isinstance(values, dict):
            return {}
        return {name: value for name, value in values.items() if name in self.fields and _suits(self.fields[name], value)}

    def filled(self, values: dict[str, Any]) -> list[Any]:
        """Updates of all widgets; a field that `values` does not name stays."""
        lines = values | _lines(values)
        return [lines.get(name, gr.skip()) for name in self.fields]


def _lines(values: dict[str, Any]) -> dict[str, str]:
    """Fields that a form shows as lines of one text."""
    return {name: "\n".join(values[name]) for name in ("own_probes", "rewards") if isinstance(values.get(name), list)}


def _suits(widget: Any, value: Any) -> bool:
    """Whether a value is of the kind that the widget began with: an older studio's form may have held another."""
    if isinstance(widget, gr.Dropdown) and widget.multiselect:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    begun = str if widget.value is None else _kind(widget.value)
    return value is None or _kind(value) is begun


def _kind(value: Any) -> type:
    """An enum's member counts as what it is written as."""
    kinds: tuple[tuple[type, Any], ...] = ((bool, bool), (float, int | float), (str, str))
    return next((kind for kind, found in kinds if isinstance(value, found)), type(value))
