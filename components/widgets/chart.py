"""A line chart on a canvas: zoom by dragging, values under the pointer or the arrow keys, smoothing, a logarithmic axis, light
and dark. assets/js/plot.js draws it, assets/js/chart.js listens to the person.
"""

from __future__ import annotations

import html
from collections.abc import Callable

import gradio as gr

from components.page import ASSETS

__all__ = ["chart_words", "line_chart"]

_SCRIPT = (ASSETS / "js" / "chart.js").read_text("utf-8")


def line_chart(title: str, *, elem_id: str, height: int, tools: bool = True) -> gr.HTML:
    """`height` is in px; `tools` are smoothing and the logarithmic axis. The chart shows its `value`, a dict of

    - `series`: {"name", "color", "points": [[x, y | None], …]}, and where wanted "dots": true (few points, drawn large and
      never smoothed), "dash": true, "group": one entry of the legend for several series
    - `marks`: {"x", "text"} are upright lines, "color" where wanted; with "press" and "wish" there is a flag on top, which is
      pressed like an element with `data-press` and `data-wish` (assets/js/shell.js)
    - `x`, what the horizontal axis counts; `empty`, said where there is nothing to draw; `zero`, whether the axis begins there
    - `words`: `chart_words`
    - `key`, where wanted: a zoom holds for as long as the key is the same; without it, the names of the series
    """
    more = "" if tools else "hidden"
    template = (
        f'<figure class="chart" data-chart="{html.escape(elem_id)}"><figcaption><span>{html.escape(title)}</span>'
        '<div class="chart-tools" hidden><button type="button" hidden></button>'
        f'<label {more}><span></span> <input type="range" min="0" max="0.99" step="0.01" value="0"><output></output></label>'
        f'<button type="button" aria-pressed="false" {more}></button></div></figcaption>'
        f'<div class="chart-box" style="height:{height}px"><canvas tabindex="0" role="img" aria-label="{html.escape(title)}">'
        '</canvas><div class="chart-marks"></div><div class="chart-tip" hidden></div></div>'
        '<ul class="chart-table"></ul></figure>'
    )
    return gr.HTML({"series": []}, html_template=template, js_on_load=_SCRIPT, elem_id=elem_id, padding=False)


def chart_words(t: Callable[[str], str]) -> dict[str, str]:
    """What stands on a chart's tools."""
    return {"smooth": t("runs.chart.smooth"), "log": t("runs.chart.log"), "reset": t("runs.chart.reset")}
