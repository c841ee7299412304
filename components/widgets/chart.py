"""A line chart on a canvas: zoom by dragging, values under the pointer, light and dark. Its script is assets/js/chart.js."""

from __future__ import annotations

import html

import gradio as gr

from components.page import ASSETS

__all__ = ["line_chart"]

_SCRIPT = (ASSETS / "js" / "chart.js").read_text("utf-8")


def line_chart(title: str, *, elem_id: str, height: int) -> gr.HTML:
    """`value` = {"series": [{"name", "color", "points": [[x, y | null], …], "dots"}], "x", "empty", "zero", "marks": […]}.

    `marks` are {"x", "text"}: upright lines with a word about them. `height` in px.
    """
    template = (
        f'<figure class="chart"><figcaption>{html.escape(title)}</figcaption>'
        f'<div class="chart-box" style="height:{height}px"><canvas></canvas><div class="chart-tip" hidden></div></div>'
        '<ul class="chart-table"></ul></figure>'
    )
    return gr.HTML({"series": []}, html_template=template, js_on_load=_SCRIPT, elem_id=elem_id, padding=False)
