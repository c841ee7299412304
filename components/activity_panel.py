"""People → Activity: who did what, newest first; the same as a file.

Address bar: `who` (a user's id), `what` (an action), `how` (an outcome), `days` (how far back), `older` (an entry's number).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import gradio as gr
from pydantic import ValidationError

from components.form import late_choice
from components.page import LATEST, PRIVATE, Page, actor_of, ids_of, moved, render
from studio.access import RULES, Actor
from studio.access.audit import Filter, Line
from studio.access.trail import Outcome
from studio.ids import now
from studio.text import Lang, has_text, text

__all__ = ["build"]

_PAGE_LINES = 50
_DAYS = (1, 7, 30, 365)

#: Never in the trail on its own: asked of every request and every event.
_ACTIONS = [action for action in RULES if not action.startswith("page.")]

#: The file is on the page by now: press the button that holds it.
_SAVE = "() => setTimeout(() => document.querySelector('#activity-file')?.click(), 100)"


def build(page: Page) -> None:
    t, lang = page.t, page.lang
    with gr.Row(elem_id="activity-filter"):
        who = late_choice(label=t("activity.who"), elem_id="activity-who", min_width=150)
        actions = [(t("activity.all"), ""), *((_words(lang, action), action) for action in _ACTIONS)]
        what = gr.Dropdown(actions, value="", label=t("activity.what"), elem_id="activity-what", min_width=150)
        outcomes = [(t("activity.all"), ""), *((t(f"outcome.{name}"), name) for name in get_args(Outcome))]
        how = gr.Dropdown(outcomes, value="", label=t("activity.how"), elem_id="activity-how", min_width=150)
        spans = [(t("activity.always"), ""), *((t(f"activity.days.{n}"), str(n)) for n in _DAYS)]
        days = gr.Dropdown(spans, value="", label=t("activity.days"), elem_id="activity-days", min_width=150)
    listing = gr.HTML(elem_id="activity-list", padding=False)
    with gr.Row():
        as_csv = gr.Button(t("activity.csv"), size="sm", scale=0, min_width=160, elem_id="activity-csv")
        as_jsonl = gr.Button(t("activity.jsonl"), size="sm", scale=0, min_width=160, elem_id="activity-jsonl")
    file = gr.DownloadButton(t("activity.save"), elem_id="activity-file", elem_classes="unseen")
    _wire(page, [who, what, how, days], listing, {"csv": as_csv, "jsonl": as_jsonl}, file)


def _wire(page: Page, filters: list[Any], listing: Any, buttons: dict[Literal["csv", "jsonl"], Any], file: Any) -> None:
    services, lang = page.services, page.lang

    @page.event("audit.read")
    def open_panel(request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        wanted = _filter(ids)
        before = _number(ids.get("older"))
        lines = services.audit.list(actor, wanted, before=before, limit=_PAGE_LINES + 1)
        found = lines[:_PAGE_LINES]
        html = render(
            "activity",
            lang,
            lines=[(line, _words(lang, line.action)) for line in found],
            older=found[-1].id if len(lines) > _PAGE_LINES else None,
            is_first=before is None,
            names=_names(page, actor),
        )
        people = _people(page, actor, wanted.user_id, found)
        return (
            gr.update(choices=people, value=wanted.user_id or ""),
            gr.update(value=wanted.action or ""),
            gr.update(value=wanted.outcome or ""),
            gr.update(value=ids["days"] if wanted.since else ""),
            html,
        )

    @page.event("audit.read")
    def narrow(request: gr.Request, who: str, what: str, how: str, days: str) -> str:
        return moved(tab="people", section="activity", who=who or "", what=what or "", how=how or "", days=days or "", older="")

    def saver(form: Literal["csv", "jsonl"]) -> Any:
        @page.event("audit.export")
        def export(request: gr.Request) -> str:
            made = services.audit.export(actor_of(request), _filter(ids_of(request)), form)
            return str(_served(page, made))

        return export

    page.opens["people-activity"].click(open_panel, None, [*filters, listing], **LATEST)
    for choice in filters:
        choice.input(narrow, filters, page.go, **LATEST)
    for form, button in buttons.items():
        button.click(saver(form), None, file, **PRIVATE).success(None, None, None, js=_SAVE, **PRIVATE)


def _words(lang: Lang, action: str) -> str:
    """What was done, in words; an action that the studio no longer knows as it stands in the trail."""
    room, _, what = action.partition(".")
    key = f"action.{room}.{what}"
    return text(lang, key) if has_text(key) else action


def _filter(ids: dict[str, str]) -> Filter:
    """The address bar as a filter; what makes no sense there filters nothing."""
    names = {"user_id": "who", "action": "what", "outcome": "how"}
    values: dict[str, Any] = {}
    for field, name in names.items():
        try:
            Filter.model_validate({field: ids.get(name)})
        except ValidationError:
            continue
        values[field] = ids.get(name)
    if values.get("action") not in _ACTIONS:  # the choice could not show it
        values["action"] = None
    n_days = _number(ids.get("days"))
    if n_days in _DAYS:
        values["since"] = now() - timedelta(days=n_days)
    return Filter(**values)


def _number(value: str | None) -> int | None:
    """At most nine digits: a larger one is no entry's, and none that PostgreSQL compares."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 10 else None


def _people(page: Page, actor: Actor, chosen: str | None, lines: list[Line]) -> list[tuple[str, str]]:
    """Everybody with an account; and who is chosen without one, by their id or as they are named in the list."""
    known = {user.id: user.name for user in page.services.users.list(actor)}
    if chosen and chosen not in known:
        known[chosen] = next((line.user_name or line.link_name for line in lines if line.user_id == chosen), "") or chosen
    return [(page.t("activity.all"), ""), *((name, user_id) for user_id, name in known.items())]


def _names(page: Page, actor: Actor) -> dict[str, str]:
    """What ids stand for, where it still has a name."""
    services = page.services
    every = (services.users.list(actor), services.links.list(actor), services.data.list(actor), services.train.list(actor))
    return {item.id: item.name for found in every for item in found}


def _served(page: Page, made: Path) -> Path:
    """The file where Gradio hands out files, under a name that nobody guesses; cleaned away with other passing ones."""
    folder = page.services.settings.folder("tmp", "gradio", secrets.token_hex(16))
    return made.replace(folder / made.name)
