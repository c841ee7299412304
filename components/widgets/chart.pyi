"""A line chart on a canvas: zoom by dragging, values under the pointer, light and dark. Its script is assets/js/chart.js."""

from __future__ import annotations

import html

import gradio as gr

from components.page import ASSETS

__all__ = ["Chart"]

_SCRIPT = (ASSETS / "js" / "chart.js").read_text("utf-8")

from gradio.events import Dependency

class Chart(gr.HTML):
    """`value` = {"series": [{"name", "color", "points": [[x, y | null], …], "dots"}], "x", "empty", "zero"}."""

    def __init__(self, title: str, *, elem_id: str, height: int) -> None:
        super().__init__(
            value={"series": []},
            html_template=(
                f'<figure class="chart"><figcaption>{html.escape(title)}</figcaption>'
                f'<div class="chart-box" style="height:{height}px"><canvas></canvas><div class="chart-tip" hidden></div></div>'
                '<ul class="chart-table"></ul></figure>'
            ),
            js_on_load=_SCRIPT,
            elem_id=elem_id,
            padding=False,
        )

    def get_block_name(self) -> str:
        return "html"
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component