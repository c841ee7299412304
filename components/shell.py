"""The studio's one page: header, "Start here", the tabs, and the script that keeps page and address bar together."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from components import chat_tab, data_tab, models_tab, people_tab, runs_tab, settings_tab, train_tab
from components.page import ASSETS, LATEST, PRIVATE, READ, Page, Tab, actor_of, render
from components.rows_panel import SCRIPT, rows_words
from studio.services import Services
from studio.text import Lang, text

__all__ = ["TABS", "build_studio", "mount_options"]

TABS: tuple[Tab, ...] = (
    Tab("data", data_tab.build),
    Tab("train", train_tab.build),
    Tab("runs", runs_tab.build),
    Tab("chat", chat_tab.build),
    Tab("models", models_tab.build),
    Tab("people", people_tab.build),
    Tab("settings", settings_tab.build),
)

#: Buttons whose click is asked about first, by their elem_id.
_ASKED_FIRST = ("link-revoke", "link-renew", "account-shut", "model-delete", "model-delete-anyway")

#: Styles of the page, in their order; those of the rows panel and of the public pages are loaded by these.
_STYLES = ("studio.css", "doctor.css", "findings.css", "tokens.css", "train.css")

#: Seconds between looks at what runs, for the header (CONTRACTS 10).
_HEADER_S = 10


def mount_options(lang: Lang) -> dict[str, Any]:
    """What every mounted page shares: theme, style, script, and nothing that leaves the machine."""
    theme = gr.themes.Default(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "monospace"],
        radius_size="md",
    ).set(
        body_text_color_subdued="#52525b",
        body_text_color_subdued_dark="#a1a1aa",
        block_info_text_color="#52525b",
        block_info_text_color_dark="#a1a1aa",
        input_placeholder_color="#64646c",
        input_placeholder_color_dark="#a1a1aa",
        link_text_color="#0f766e",
        link_text_color_hover="#115e59",
        link_text_color_visited="#0f766e",
        link_text_color_dark="#2dd4bf",
        link_text_color_visited_dark="#2dd4bf",
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_hover="#115e59",
        button_primary_background_fill_dark="#0f766e",
        button_primary_text_color="#ffffff",
        block_label_text_color="#3f3f46",
    )
    words: dict[str, Any] = {name: text(lang, f"page.{name}") for name in ("away", "back", "close")}
    words["sure"] = {button: text(lang, f"sure.{button.replace('-', '_')}") for button in _ASKED_FIRST}
    words["rows"] = rows_words(lang)
    script = f"document.documentElement.lang = '{lang}'; window.studioWords = {json.dumps(words)};"
    script += "".join((ASSETS / "js" / name).read_text("utf-8") for name in ("alive.js", "shell.js", "plot.js"))
    return {
        "theme": theme,
        "css_paths": [ASSETS / "css" / name for name in _STYLES],
        "head": f'<link rel="icon" href="/favicon.svg"><script>{script}</script>{SCRIPT}',
        "footer_links": [],
        "run_history": False,
        "show_error": False,
        "ssr_mode": False,
    }


def _when_ready(call: str) -> str:
    """A call of the page's script, which Gradio inserts some time after the page's first events: it waits for it."""
    return f"(value) => {{ const run = () => window.studio ? {call} : setTimeout(run, 30); run(); }}"


def build_studio(services: Services, lang: Lang) -> gr.Blocks:
    """All tabs in one language. Events are registered in the same order in every language."""
    with gr.Blocks(title="Finetune Studio", analytics_enabled=False) as blocks:
        header = gr.HTML(elem_id="studio-header", padding=False)
        start = gr.HTML(elem_id="start-here", padding=False)
        go = gr.Textbox(visible="hidden", elem_id="studio-go", show_label=False)
        note = gr.Textbox(visible="hidden", elem_id="studio-note", show_label=False)
        page = Page(services, lang, go, note)
        for tab in TABS:
            page.opens[tab.id] = gr.Button(visible="hidden", elem_id=f"open-{tab.id}")
        with gr.Tabs(elem_id="main-tabs", overflow_behavior="wrap"):
            for tab in TABS:
                with gr.Tab(text(lang, f"tab.{tab.id}"), id=tab.id) as pane:
                    tab.build(page)
                pane.select(None, None, None, js=_when_ready(f"studio.picked('{tab.id}')"), **PRIVATE)
        _wire(page, blocks, header, start)
    return blocks


def _wire(page: Page, blocks: gr.Blocks, header: gr.HTML, start: gr.HTML) -> None:
    services, lang = page.services, page.lang

    @page.event("job.read")
    def show_header(request: gr.Request) -> tuple[str, str]:
        actor = actor_of(request)
        active = services.jobs.active(actor)
        worker = services.jobs.worker_state(actor)
        me = None if services.users.is_open() else services.users.me(actor)
        return render("header", lang, active=active, worker=worker, me=me, role=actor.role), show_start(request)

    def show_start(request: gr.Request) -> str:
        actor = actor_of(request)
        bases = services.models.list(actor)
        fetching = next((job for job in services.jobs.active(actor) if job.kind == "fetch"), None)
        runs = services.train.list(actor, limit=50)
        return render(
            "start",
            lang,
            base=next((base for base in bases if base.state == "ready"), None),
            failed=next((job for job in services.jobs.latest(actor, "fetch", 1) if job.state == "failed"), None),
            fetching=fetching,
            dataset=next(iter(services.data.list(actor)), None),
            run=next(iter(runs), None),
            done=next((run for run in runs if run.job.state in ("finished", "stopped")), None),
        )

    outputs = [header, start]
    blocks.load(show_header, None, outputs, **READ)
    blocks.load(None, None, None, js=_when_ready("studio.boot()"), **PRIVATE)
    gr.Timer(_HEADER_S).tick(show_header, None, outputs, **READ)
    for tab in TABS:
        page.opens[tab.id].click(show_header, None, outputs, **LATEST)
    page.go.change(None, page.go, None, js=_when_ready("studio.go(value)"), **PRIVATE)
    page.note.change(None, page.note, None, js=_when_ready("studio.write(value)"), **PRIVATE)
