"""The purge, for admins: say what, look at what would go, repeat it, and it is gone for good."""

from __future__ import annotations

from typing import Any

import gradio as gr

from components.form import late_choice
from components.page import LATEST, PRIVATE, Page, actor_of, render
from studio.access import Actor
from studio.purge import Wanted

__all__ = ["build"]

#: Every row, chat and file is read: in the queue, one at a time; the panel shows that it waits.
_SEARCH: dict[str, Any] = PRIVATE | {"show_progress": "minimal", "concurrency_id": "purge", "trigger_mode": "once"}


def build(page: Page) -> None:
    t = page.t
    with gr.Column(elem_id="purge"):
        gr.Markdown(f"### {t('purge.title')}\n\n{t('purge.what')}")
        with gr.Row():
            phrase = gr.Textbox(label=t("purge.phrase"), info=t("purge.phrase.help"), max_lines=1, elem_id="purge-phrase")
            dataset = late_choice(label=t("purge.dataset"), info=t("purge.dataset.help"), elem_id="purge-dataset")
            person = gr.Textbox(label=t("purge.person"), info=t("purge.person.help"), max_lines=1, elem_id="purge-person")
        look = gr.Button(t("purge.look"), elem_id="purge-look", size="sm", scale=0, min_width=120)
        found = gr.HTML(elem_id="purge-found", padding=False)
        with gr.Group(visible=False, elem_id="purge-form") as form:
            checkpoints = gr.Checkbox(
                False, label=t("purge.checkpoints"), info=t("purge.checkpoints.help"), elem_id="purge-checkpoints"
            )
            confirm = gr.Textbox(label=t("purge.confirm"), info=t("purge.confirm.help"), max_lines=1, elem_id="purge-confirm")
            run = gr.Button(t("purge.run"), variant="stop", elem_id="purge-run")
    _wire(page, (phrase, dataset, person), (look, found, form), (checkpoints, confirm, run))


def _wire(page: Page, what: tuple[Any, ...], seen: tuple[Any, ...], said: tuple[Any, ...]) -> None:
    services, lang = page.services, page.lang
    phrase, dataset, person = what
    look, found, form = seen
    checkpoints, confirm, run = said

    @page.event("purge.look")
    def open_panel(request: gr.Request) -> Any:
        choices = [(item.name, item.id) for item in services.data.list(actor_of(request))]
        return gr.update(choices=[("", ""), *choices], value="")

    @page.event("purge.look")
    def show(phrase: str, dataset: str, person: str, request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        would_go = services.purge.look(actor, _wanted(phrase, dataset, _id_of(page, actor, person)))
        words = render("purge", lang, found=would_go, done=False, delete_checkpoints=False)
        return words, gr.update(visible=not would_go.is_empty), gr.update(visible=bool(would_go.runs), value=False), ""

    @page.event("purge.look")
    def forget(request: gr.Request) -> tuple[Any, ...]:
        """What was found was found for other words."""
        return "", gr.update(visible=False)

    @page.event("purge.run")
    def purge(
        phrase: str, dataset: str, person: str, delete_checkpoints: bool, confirm: str, request: gr.Request
    ) -> tuple[Any, ...]:
        actor = actor_of(request)
        who = _id_of(page, actor, person)
        if confirm.strip() == (person or "").strip():
            confirm = who or confirm
        wanted = _wanted(phrase, dataset, who)
        gone = services.purge.run(actor, wanted, delete_checkpoints=delete_checkpoints, confirm=confirm)
        words = render("purge", lang, found=gone, done=True, delete_checkpoints=delete_checkpoints)
        return words, gr.update(visible=False), "", "", ""

    page.opens["people-purge"].click(open_panel, None, dataset, **LATEST)
    look.click(show, list(what), [found, form, checkpoints, confirm], **_SEARCH)
    for widget in what:
        widget.input(forget, None, [found, form], **LATEST)
    run.click(purge, [*what, checkpoints, confirm], [found, form, phrase, person, confirm], **_SEARCH).success(
        open_panel, None, dataset, **LATEST
    )


def _id_of(page: Page, actor: Actor, person: str | None) -> str:
    """Of an account or a link that is named; an id, a guest's too, is taken as it is."""
    typed = (person or "").strip()
    named = [*page.services.users.list(actor), *page.services.links.list(actor)] if typed else []
    return next((item.id for item in named if item.name == typed), typed)


def _wanted(phrase: str, dataset: str | None, person: str) -> Wanted:
    """One field serves for people and for links: their ids say which they are."""
    who = person
    is_link = who.startswith("lnk_")
    return Wanted(
        phrase=(phrase or "").strip(), dataset=dataset or "", person="" if is_link else who, link=who if is_link else ""
    )
