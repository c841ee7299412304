"""Settings: language, theme, where models come from, the device; what the machine has, and where its disk went."""

from __future__ import annotations

from typing import Any

import gradio as gr

from components.page import ADMINS, EDITORS, LATEST, PRIVATE, READ, Page, actor_of, moved, render
from studio.access import Actor
from studio.storage import Cleaned

__all__ = ["build"]

_HUBS = ("huggingface", "modelscope")
_THEMES = ("auto", "light", "dark")

#: Reads longer than the page may wait: in the queue, one at a time.
_MEASURE: dict[str, Any] = PRIVATE | {"show_progress": "hidden", "concurrency_id": "disk", "trigger_mode": "always_last"}


def build(page: Page) -> None:
    t, lang = page.t, page.lang
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            names = [("English", "en"), ("中文", "zh")]
            language = gr.Radio(names, value=lang, label=t("settings.lang"), elem_id="settings-lang")
            theme = gr.Radio(
                [(t(f"settings.theme.{name}"), name) for name in _THEMES],
                value=None,
                label=t("settings.theme"),
                elem_id="settings-theme",
            )
            hub = gr.Dropdown(
                list(_HUBS),
                value=page.services.settings.hub,
                allow_custom_value=True,
                label=t("settings.hub"),
                info=t("settings.hub.help"),
                elem_id="settings-hub",
                elem_classes=ADMINS,
            )
            device = gr.Radio(
                [(t(f"settings.use.{name}"), name) for name in ("auto", "cpu", "cuda")],
                value=page.services.settings.device,
                label=t("settings.device"),
                info=t("settings.device.help"),
                elem_id="settings-device",
                elem_classes=ADMINS,
            )
            saved = gr.HTML(elem_id="settings-saved", padding=False)
            unload = gr.Button(t("settings.unload"), visible=False, elem_id="settings-unload", elem_classes=EDITORS)
        with gr.Column(scale=2, min_width=320):
            report = gr.HTML(elem_id="settings-report", padding=False)
            disk = gr.HTML(elem_id="settings-disk", padding=False)
            clean = gr.Button(
                t("disk.clean"),
                interactive=False,
                elem_id="settings-clean",
                elem_classes=ADMINS,
                size="sm",
                scale=0,
                min_width=120,
            )
    _wire(page, language, theme, hub, device, saved, unload, report)
    _wire_disk(page, disk, clean)


def _wire(page: Page, language: Any, theme: Any, hub: Any, device: Any, saved: Any, unload: Any, report: Any) -> None:
    services, lang = page.services, page.lang

    @page.event("settings.read")
    def open_tab(request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        found = services.system.report(actor)
        engines = services.engines.alive(actor)
        worker = services.jobs.worker_alive(actor)
        return (
            render("settings", lang, report=found, engines=engines, worker=worker),
            gr.update(value=found.settings.hub, interactive="hub" not in found.fixed),
            gr.update(value=found.settings.device, interactive="device" not in found.fixed),
            gr.update(visible=bool(engines)),
            "",
        )

    def saver(name: str) -> Any:
        @page.event("settings.write")
        def save(value: str, request: gr.Request) -> str:
            services.system.save(actor_of(request), name, value)
            return render("saved", lang, name=name)

        return save

    @page.event("engine.unload")
    def unload_all(request: gr.Request) -> str:
        actor = actor_of(request)
        for engine in services.engines.alive(actor):
            services.engines.unload(actor, engine.id)
        return moved(tab="settings")

    page.opens["settings"].click(open_tab, None, [report, hub, device, unload, saved], **LATEST).then(
        None, None, theme, js="() => localStorage.getItem('studio-theme') || 'auto'", **PRIVATE
    )
    language.input(None, language, None, js="(lang) => window.studio.setLang(lang)", **PRIVATE)
    theme.input(None, theme, None, js="(name) => window.studio.setTheme(name)", **PRIVATE)
    hub.input(saver("hub"), hub, saved, **LATEST)
    device.input(saver("device"), device, saved, **LATEST)
    unload.click(unload_all, None, page.go, **READ)


def _wire_disk(page: Page, disk: Any, clean: Any) -> None:
    """Beside the rest of the tab, because adding up every file may take longer than a page should wait."""
    services, lang = page.services, page.lang

    @page.event("storage.read")
    def show_disk(request: gr.Request) -> tuple[Any, ...]:
        return shown(actor_of(request), None)

    @page.event("storage.clean")
    def clean_up(request: gr.Request) -> tuple[Any, ...]:
        actor = actor_of(request)
        return shown(actor, services.storage.clean(actor))

    def shown(actor: Actor, removed: Cleaned | None) -> tuple[Any, ...]:
        cleanable = services.storage.cleanable(actor)
        words = render("settings_disk", lang, use=services.storage.use(actor), cleanable=cleanable, removed=removed)
        return words, gr.update(interactive=cleanable.bytes > 0)

    page.opens["settings"].click(show_disk, None, [disk, clean], **_MEASURE)
    clean.click(clean_up, None, [disk, clean], **_MEASURE)
