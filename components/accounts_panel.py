"""People → Accounts: who has one, and as what; invite, change a role, sign out, shut out.

Address bar: `user`, the one who is changed; without it, the form for an invitation.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from components.page import LATEST, READ, Page, actor_of, address_of, ids_of, moved, render
from studio.access import STAFF, Actor, Role
from studio.settings import is_loopback

__all__ = ["build"]


def build(page: Page) -> None:
    t = page.t
    roles = [(t(f"accounts.role.{role}"), str(role)) for role in STAFF]
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=280):
            listing = gr.HTML(elem_id="accounts-list", padding=False)
        with gr.Column(scale=3, min_width=320):
            made = gr.HTML(elem_id="account-made", padding=False)
            with gr.Column(elem_id="account-form") as form:
                gr.HTML(render("accounts_new", page.lang), padding=False)
                name = gr.Textbox(
                    label=t("accounts.name"), info=t("accounts.name.help"), max_length=80, max_lines=1, elem_id="account-name"
                )
                role = gr.Radio(roles, value=str(Role.EDITOR), label=t("accounts.role"), elem_id="account-role")
                invite = gr.Button(t("accounts.invite"), variant="primary", elem_id="account-invite")
            detail = gr.HTML(elem_id="account-detail", padding=False)
            with gr.Column(visible=False, elem_id="account-change") as change:
                new_role = gr.Radio(roles, label=t("accounts.role"), elem_id="account-new-role")
                with gr.Row():
                    again = gr.Button(t("accounts.again"), elem_id="account-again", size="sm", scale=0, min_width=180)
                    leave = gr.Button(t("accounts.logout"), elem_id="account-logout", size="sm", scale=0, min_width=180)
                    shut = gr.Button(t("accounts.disable"), elem_id="account-shut", size="sm", scale=0, min_width=180)
    _wire(page, [made, listing, form, detail, change, new_role, shut], (name, role, invite), (again, leave))


def _wire(page: Page, shown: list[Any], new: tuple[Any, ...], buttons: tuple[Any, ...]) -> None:
    users, lang = page.services.users, page.lang
    *_, new_role, shut = shown
    name, role, invite = new
    again, leave = buttons

    def look(actor: Actor, ids: dict[str, str], made: str = "") -> tuple[Any, ...]:
        found = users.list(actor)
        chosen = next((user for user in found if user.id == ids.get("user")), None)
        is_on = chosen is None or chosen.active
        return (
            made,
            render("accounts", lang, users=found, chosen=chosen, me=actor.user_id),
            gr.update(visible=chosen is None),
            "" if chosen is None else render("account_detail", lang, user=chosen, is_me=chosen.id == actor.user_id),
            gr.update(visible=chosen is not None),
            gr.update(value=str(chosen.role) if chosen else None),
            gr.update(value=page.t("accounts.disable" if is_on else "accounts.enable"), variant="stop" if is_on else "secondary"),
        )

    def invitation(request: gr.Request, user_id: str) -> str:
        """The only moment in which the whole address is known."""
        token = users.invite(actor_of(request), user_id)
        start = address_of(request)
        is_local = is_loopback(urlsplit(start).hostname or "")
        return render("account_made", lang, address=f"{start}invite?k={token}", is_local=is_local)

    @page.event("user.read")
    def open_panel(request: gr.Request) -> tuple[Any, ...]:
        return look(actor_of(request), ids_of(request))

    @page.event("user.add")
    def invite_user(name: str, role: str, request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        user = users.add(actor, name, Role(role))
        return moved(user=user.id), "", *look(actor, {"user": user.id}, invitation(request, user.id))

    @page.event("user.invite")
    def invite_again(request: gr.Request) -> tuple[Any, ...]:
        ids = ids_of(request)
        return look(actor_of(request), ids, invitation(request, ids.get("user", "")))

    @page.event("user.write")
    def change_role(role: str, request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        users.set_role(actor, ids.get("user", ""), Role(role))
        return look(actor, ids)

    @page.event("user.logout")
    def sign_out(request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        users.logout_user(actor, ids.get("user", ""))
        return look(actor, ids, render("told", lang, key="accounts.logged_out"))

    @page.event("user.write")
    def shut_out(request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        users.set_active(actor, ids.get("user", ""), not users.get(actor, ids.get("user", "")).active)
        return look(actor, ids)

    page.opens["people-accounts"].click(open_panel, None, shown, **READ)
    invite.click(invite_user, [name, role], [page.note, name, *shown], **READ)
    again.click(invite_again, None, shown, **READ)
    new_role.input(change_role, new_role, shown, **LATEST)
    leave.click(sign_out, None, shown, **READ)
    shut.click(shut_out, None, shown, **READ)
