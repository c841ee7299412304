"""People → Links: make a link for guests, see how it is used, pause it, give it a new address, withdraw it.

Address bar: `link`, the one whose use is shown; without it, the form for a new one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from components.checkpoints import checkpoint_choices
from components.form import late_choice
from components.page import READ, Page, actor_of, address_of, ids_of, moved, render
from studio.access import Actor
from studio.engine.protocol import BASE
from studio.ids import now
from studio.settings import is_loopback

__all__ = ["build"]

_DAYS = (1, 7, 30, 90)

#: Seconds between looks at what guests do, while somebody looks (CONTRACTS 10).
_TICK_S = 5


def build(page: Page) -> None:
    t = page.t
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=280):
            listing = gr.HTML(elem_id="links-list", padding=False)
        with gr.Column(scale=3, min_width=320):
            made = gr.HTML(elem_id="link-made", padding=False)
            with gr.Column(elem_id="link-form") as form:
                gr.HTML(render("links_new", page.lang), padding=False)
                name = gr.Textbox(
                    label=t("links.name"), info=t("links.name.help"), max_length=120, max_lines=1, elem_id="link-name"
                )
                models = late_choice(
                    label=t("links.models"), info=t("links.models.help"), multiselect=True, elem_id="link-models"
                )
                with gr.Row():
                    days = gr.Dropdown(
                        [(t("links.days", n=n), n) for n in _DAYS] + [(t("links.days.none"), 0)],
                        value=7,
                        label=t("links.expires"),
                        elem_id="link-days",
                        min_width=140,
                    )
                    password = gr.Textbox(
                        label=t("links.password"), max_length=200, type="password", elem_id="link-password", min_width=140
                    )
                with gr.Accordion(t("links.limits"), open=False, elem_id="link-limits"), gr.Row():
                    visits = gr.Textbox(label=t("links.visits"), info=t("links.visits.help"), max_lines=1, min_width=140)
                    questions = gr.Number(60, label=t("links.questions"), precision=0, min_width=140)
                    tokens = gr.Number(50_000, label=t("links.tokens"), info=t("links.tokens.help"), precision=0, min_width=140)
                gr.HTML(render("links_warning", page.lang), padding=False)
                warned = gr.Checkbox(False, label=t("links.warned"), elem_id="link-warned")
                make = gr.Button(t("links.make"), variant="primary", elem_id="link-make")
            detail = gr.HTML(elem_id="link-detail", padding=False)
            with gr.Row(visible=False, elem_id="link-buttons") as buttons:
                pause = gr.Button(t("links.pause"), elem_id="link-pause", size="sm", scale=0, min_width=150)
                renew = gr.Button(t("links.renew"), elem_id="link-renew", size="sm", scale=0, min_width=150)
                revoke = gr.Button(t("links.revoke"), variant="stop", elem_id="link-revoke", size="sm", scale=0, min_width=150)
    fields = {"name": name, "models": models, "days": days, "password": password, "warned": warned}
    fields |= {"max_visits": visits, "questions_per_hour": questions, "tokens_per_day": tokens}
    _wire(page, (listing, form, models, detail, buttons, pause, renew, revoke), made, make, fields)


def _wire(page: Page, parts: tuple[Any, ...], made: gr.HTML, make: gr.Button, fields: dict[str, Any]) -> None:
    services, lang = page.services, page.lang
    *_, pause, renew, revoke = parts
    timer = gr.Timer(_TICK_S, active=False)

    def look(actor: Actor, ids: dict[str, str]) -> tuple[Any, ...]:
        links = services.links.list(actor)
        use = services.demo.use(actor, [item.id for item in links])
        chosen = next((item for item in links if item.id == ids.get("link")), None)
        is_over = chosen is None or chosen.state in ("revoked", "expired")
        names = {model: label for label, model in _models(page, actor)}
        return (
            render("links", lang, links=links, use=use, chosen=chosen),
            gr.update(visible=chosen is None),
            gr.update(choices=[(label, model) for model, label in names.items()]),
            "" if chosen is None else render("link_detail", lang, link_=chosen, use=use.get(chosen.id), names=names),
            gr.update(visible=chosen is not None and chosen.state != "revoked"),
            gr.update(value=page.t("links.open" if chosen and chosen.state == "paused" else "links.pause"), visible=not is_over),
            gr.update(visible=not is_over),
            gr.update(),
        )

    @page.event("link.read")
    def open_panel(request: gr.Request) -> tuple[Any, ...]:
        return gr.Timer(active=True), "", *look(actor_of(request), ids_of(request))

    @page.event("link.read")
    def tick(request: gr.Request) -> tuple[Any, ...]:
        """Guests come and ask while one looks. What is being filled in, and an address that is shown once, stay."""
        actor, ids = actor_of(request), ids_of(request)
        if ids.get("tab") != "people" or ids.get("section", "links") != "links":
            return gr.Timer(active=False), gr.skip(), gr.skip()
        listing, _, _, detail, *_ = look(actor, ids)
        return gr.skip(), listing, detail

    @page.event("link.make")
    def make_link(
        request: gr.Request, models: list[str], days: float, password: str, warned: bool, max_visits: str | None, **values: Any
    ) -> tuple[Any, ...]:
        actor = actor_of(request)
        if (max_visits or "").strip():  # nothing comes from a field that was never unfolded
            values["max_visits"] = max_visits.strip()
        ends = now() + timedelta(days=days) if days else None
        link_, token = services.demo.make(
            actor, models or [], warned=warned, password=password or None, expires_at=ends, **values
        )
        here = moved(link=link_.id)
        return here, "", "", False, shown_once(request, link_.id, token), *look(actor, {"link": link_.id})

    @page.event("link.write")
    def pause_link(request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        services.links.pause(actor, ids.get("link", ""), services.links.get(actor, ids.get("link", "")).state != "paused")
        return "", *look(actor, ids)

    @page.event("link.renew")
    def renew_link(request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        token = services.links.renew(actor, ids.get("link", ""))
        return shown_once(request, ids.get("link", ""), token), *look(actor, ids)

    @page.event("link.revoke")
    def revoke_link(request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        services.links.revoke(actor, ids.get("link", ""))
        return "", *look(actor, ids)

    def shown_once(request: gr.Request, link_id: str, token: str) -> str:
        """The only moment in which the whole address is known."""
        start = address_of(request)
        is_local = is_loopback(urlsplit(start).hostname or "")
        return render("link_made", lang, address=f"{start}demo/{link_id}/?k={token}", is_local=is_local)

    shown = [made, *parts]
    listing, _, _, detail, *_ = parts
    page.opens["people-links"].click(open_panel, None, [timer, *shown], **READ)
    timer.tick(tick, None, [timer, listing, detail], **READ)
    cleared = [fields["name"], fields["password"], fields["warned"]]
    make.click(make_link, None, [page.note, *cleared, *shown], inputs_kwargs=fields, **READ)
    pause.click(pause_link, None, shown, **READ)
    renew.click(renew_link, None, shown, **READ)
    revoke.click(revoke_link, None, shown, **READ)


def _models(page: Page, actor: Actor) -> list[tuple[str, str]]:
    """What a guest may be given: every checkpoint, and beside one of them its base."""
    return [*checkpoint_choices(page, actor), (page.t("links.base"), BASE)]
