"""Settings: language, theme, where models come from, the device; and what the machine has."""

from __future__ import annotations

from typing import Any

import gradio as gr

from components.page import OPEN, PRIVATE, READ, Page, actor_of, moved, render, shows_errors

__all__ = ["build"]

_HUBS = ("huggingface", "modelscope")
_THEMES = ("auto", "light", "dark")


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
            )
            device = gr.Radio(
                [(t(f"settings.use.{name}"), name) for name in ("auto", "cpu", "cuda")],
                value=page.services.settings.device,
                label=t("settings.device"),
                info=t("settings.device.help"),
                elem_id="settings-device",
            )
            saved = gr.HTML(elem_id="settings-saved", padding=False)
            unload = gr.Button(t("settings.unload"), visible=False, elem_id="settings-unload")
        with gr.Column(scale=2, min_width=320):
            report = gr.HTML(elem_id="settings-report", padding=False)
    _wire(page, language, theme, hub, device, saved, unload, report)


def _wire(page: Page, language: Any, theme: Any, hub: Any, device: Any, saved: Any, unload: Any, report: Any) -> None:
    services, lang = page.services, page.lang

    @shows_errors(lang)
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
        @shows_errors(lang)
        def save(value: str, request: gr.Request) -> str:
            services.system.save(actor_of(request), name, value)
            return render("saved", lang, name=name)

        return save

    @shows_errors(lang)
    def unload_all(request: gr.Request) -> str:
        actor = actor_of(request)
        for engine in services.engines.alive(actor):
            services.engines.unload(actor, engine.id)
        return moved(tab="settings")

    page.opens["settings"].click(open_tab, None, [report, hub, device, unload, saved], **OPEN).then(
        None, None, theme, js="() => localStorage.getItem('studio-theme') || 'auto'", **PRIVATE
    )
    language.input(None, language, None, js="(lang) => window.studio.setLang(lang)", **PRIVATE)
    theme.input(None, theme, None, js="(name) => window.studio.setTheme(name)", **PRIVATE)
    hub.input(saver("hub"), hub, saved, **READ)
    device.input(saver("device"), device, saved, **READ)
    unload.click(unload_all, None, page.go, **READ)
