"""A form drawn from a typed spec: one widget a field, its bounds from the field, its words from the catalogue."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, get_args

import annotated_types
import gradio as gr
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from studio.text import Lang, has_text, text

__all__ = ["Form", "draw_form", "fields_of", "late_choice"]


#: Narrowest column of a field in px: two of them stand beside each other on a phone.
_WIDTH = 150

#: Parts of a form in their order; fields of the first one are what all the others hang on.
_GROUPS = ("what", "steps", "adapter", "preference", "data", "evaluation")

#: Choices that stand side by side; more of them fold into a drop-down.
_MOST_SIDE_BY_SIDE = 4


@dataclass
class Form:
    """`columns` hold one widget each, and are what is hidden where a field has nothing to say."""

    widgets: dict[str, gr.components.Component] = field(default_factory=dict)
    columns: dict[str, gr.Column] = field(default_factory=dict)

    def add(self, other: Form) -> None:
        self.widgets |= other.widgets
        self.columns |= other.columns


def fields_of(spec: type[BaseModel], level: str) -> dict[str, FieldInfo]:
    """The fields that a form shows at this level ("basic" or "advanced"), by their groups, in these as the spec has them."""
    found = {
        name: field
        for name, field in spec.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("level") == level
    }
    return dict(sorted(found.items(), key=lambda item: _GROUPS.index(_group(item[1]))))


def _group(field: FieldInfo) -> str:
    return str(field.json_schema_extra["group"])  # type: ignore[index,call-overload]


def draw_form(
    spec: type[BaseModel],
    level: str,
    lang: Lang,
    values: dict[str, Any],
    *,
    hidden: Container[str] = (),
    group: str = "",
    besides: str = "",
) -> Form:
    """Widgets for the fields of one level (of one group, or of all `besides` one), filled with `values` where given, else with
    the spec's defaults.
    """
    form = Form()
    for name, info in fields_of(spec, level).items():
        if (group and _group(info) != group) or _group(info) == besides:
            continue
        with gr.Column(min_width=_WIDTH, visible=name not in hidden) as form.columns[name]:
            value = values.get(name, info.get_default(call_default_factory=True))
            form.widgets[name] = _widget(spec.__name__, name, info, lang, value)
            _myth(spec.__name__, name, lang)
    return form


def late_choice(**options: Any) -> gr.Dropdown:
    """A drop-down whose choices come when its tab opens.

    Gradio refuses a value that this server has not offered to this page, and a server that was started again has offered
    nothing yet to the pages that are open. The service that takes the value checks it.
    """
    widget = gr.Dropdown([], **options)
    widget.preprocess = lambda value: value
    return widget


def _widget(spec: str, name: str, field: FieldInfo, lang: Lang, value: Any) -> gr.components.Component:
    words = {
        "label": text(lang, f"field.{spec}.{name}.label"),
        "info": text(lang, f"field.{spec}.{name}.help"),
        "elem_id": f"field-{name.replace('_', '-')}",
    }
    kind: Any = field.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        choices = [(text(lang, f"enum.{kind.__name__}.{item.value}"), item.value) for item in kind]
        widget = gr.Radio if len(choices) <= _MOST_SIDE_BY_SIDE else gr.Dropdown
        return widget(choices, value=value, **words)
    if kind is bool:
        return gr.Checkbox(value=value, **words)
    if kind is int:
        low, high = _bounds(field)
        return gr.Number(value=value, precision=0, minimum=low, maximum=high, **words)
    if kind is float:
        low, high = _bounds(field)
        return gr.Number(value=value, minimum=low, maximum=high, step=_step(value), **words)
    if named := field.json_schema_extra.get("enum"):  # type: ignore[union-attr]
        choices = [(text(lang, f"enum.{named}.{item}"), item) for item in field.json_schema_extra["choices"]]  # type: ignore
        return gr.Dropdown(choices, value=value, **words)
    if kind == list[str]:
        return gr.Textbox(value="\n".join(value or ()), lines=3, max_lines=12, **words)
    if options := get_args(kind):
        return gr.Dropdown(list(options), value=value, **words)
    return gr.Textbox(value=value, **words)


def _myth(spec: str, name: str, lang: Lang) -> None:
    """Under its widget: what is often said of a field and wrong, where there is such a thing."""
    if has_text(key := f"field.{spec}.{name}.myth"):
        words = f"<summary>{text(lang, 'form.myth')}</summary><p>{text(lang, key)}</p>"
        gr.HTML(f'<details class="myth">{words}</details>', padding=False)


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for rule in field.metadata:
        if isinstance(rule, annotated_types.Ge):
            low = rule.ge
        elif isinstance(rule, annotated_types.Gt):
            low = rule.gt
        elif isinstance(rule, annotated_types.Le):
            high = rule.le
        elif isinstance(rule, annotated_types.Lt):
            high = rule.lt
    return low, high  # type: ignore[return-value]


def _step(value: float) -> float:
    """An arrow key changes the first digit."""
    return 10.0 ** (len(f"{value:.0f}") - 1) if value >= 1 else float(f"1e{f'{value:e}'.split('e')[1]}") if value else 0.01
