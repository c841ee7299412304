"""People: who may come in, by an account or by a link; what was done; what must go for good.

Address bar: `section` (links, accounts, activity, purge), and what each section says of itself.
"""

from __future__ import annotations

import secrets
from typing import Any

import gradio as gr

from components import accounts_panel, activity_panel, links_panel, purge_panel
from components.page import LATEST, PRIVATE, Page, actor_of, ids_of, render
from studio.access import RULES

__all__ = ["build"]

#: Section → what one must be allowed to see it, and what builds it.
_SECTIONS: dict[str, tuple[str, Any]] = {
    "links": ("link.read", links_panel.build),
    "accounts": ("user.read", accounts_panel.build),
    "activity": ("audit.read", activity_panel.build),
    "purge": ("purge.look", purge_panel.build),
}


def build(page: Page) -> None:
    services, lang = page.services, page.lang
    nav = gr.HTML(elem_id="people-nav", padding=False)
    panes = []
    for name, (_, build_panel) in _SECTIONS.items():
        # A section is read when it is shown, by whoever may see it: its button is pressed by the page.
        page.opens[f"people-{name}"] = gr.Button(visible="hidden", elem_id=f"open-people-{name}")
        with gr.Column(visible=False, elem_id=f"people-{name}") as pane:
            build_panel(page)
        panes.append(pane)
    shown = gr.Textbox(visible="hidden", elem_id="people-shown", show_label=False)

    @page.event("page.use")
    def open_tab(request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        is_open = services.users.is_open()
        mine = [name for name, (action, _) in _SECTIONS.items() if actor.role in RULES[action].roles]
        if is_open:  # nobody else can come in yet: there is nobody to invite, and nowhere for a link to lead
            mine = [name for name in mine if name in ("activity", "purge")]
        wanted = ids_of(request).get("section", "")
        chosen = wanted if wanted in mine else "" if is_open else next(iter(mine), "")
        me = None if is_open else services.users.me(actor)
        words = render("people", lang, sections=mine, chosen=chosen, is_open=is_open, me=me)
        # The fragment makes the same section twice a change: it is read again.
        return words, *[gr.update(visible=name == chosen) for name in _SECTIONS], f"{chosen}#{secrets.token_hex(4)}"

    page.opens["people"].click(open_tab, None, [nav, *panes, shown], **LATEST)
    press = "(shown) => document.getElementById(`open-people-${shown.split('#')[0]}`)?.click()"
    shown.change(None, shown, None, js=press, **PRIVATE)
