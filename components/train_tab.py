"""Train: a base, a dataset, four questions or a preset, a few numbers; what will happen is said before it does.

Address bar: `dataset` and `base` when another tab sends somebody here; `like`, a run whose settings are taken over;
`start`, a checkpoint that the next run begins with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from components import bases_panel, pilot_panel, recipe_panel, sweep_panel, yaml_panel
from components.form import Form, draw_form, late_choice
from components.page import EDITORS, LATEST, PRIVATE, READ, Page, actor_of, ids_of, moved, new_request_id
from components.train_desk import Desk
from studio.access import Actor
from studio.data.store import DatasetInfo
from studio.train.methods import METHODS
from studio.train.spec import PRESETS, Preset, TrainSpec, preset_values

__all__ = ["build"]

#: Seconds between looks while a base is on its way or a pilot runs.
_TICK_S = 3
#: Parts of the folded settings, in their order.
GROUPS = ("adapter", "preference", "steps", "data", "evaluation")

#: Where a window keeps what its form holds.
_KEPT = "studio-train"


def build(page: Page) -> None:
    t, lang = page.t, page.lang
    form, silent = Form(), TrainSpec.silent("lora", "sft")
    presets = [(t(f"enum.Preset.{preset.value}"), preset.value) for preset in Preset]
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                base = late_choice(label=t("field.TrainSpec.base.label"), elem_id="train-base")
                dataset = late_choice(label=t("field.TrainSpec.dataset.label"), elem_id="train-dataset")
            with gr.Row():
                form.add(draw_form(TrainSpec, "basic", lang, PRESETS[Preset.QUICK], hidden=silent, group="what"))
            with gr.Accordion(t("train.more_sources"), open=False, elem_id="train-sources") as sources, gr.Row():
                start_from = late_choice(
                    label=t("field.TrainSpec.start_from.label"), info=t("field.TrainSpec.start_from.help"),
                    elem_id="train-start-from", min_width=220,
                )
                also = late_choice(
                    label=t("field.TrainSpec.also.label"), info=t("field.TrainSpec.also.help"), multiselect=True,
                    elem_id="train-also", min_width=220,
                )
                weights = gr.Textbox(
                    "", label=t("train.also_weights"), info=t("train.also_weights.help"), max_lines=1,
                    elem_id="train-also-weights", min_width=160,
                )
            recipe = recipe_panel.build(page)
            preset = gr.Radio(
                presets,
                value=Preset.QUICK.value,
                label=t("field.TrainSpec.preset.label"),
                info=t("field.TrainSpec.preset.help"),
                elem_id="train-preset",
            )
            name = gr.Textbox(
                label=t("field.TrainSpec.name.label"), info=t("field.TrainSpec.name.help"), elem_id="train-name", max_lines=1
            )
            with gr.Row():
                form.add(draw_form(TrainSpec, "basic", lang, PRESETS[Preset.QUICK], hidden=silent, besides="what"))
            with gr.Accordion(t("train.advanced"), open=False, elem_id="train-advanced"):
                for group in GROUPS:
                    gr.HTML(f'<h4 class="group">{t(f"form.group.{group}")}</h4>', padding=False)
                    with gr.Row():
                        form.add(draw_form(TrainSpec, "advanced", lang, PRESETS[Preset.QUICK], hidden=silent, group=group))
            yaml = yaml_panel.build(page)
            sweep = sweep_panel.build(page)
            bases = bases_panel.build(page)
        with gr.Column(scale=2, min_width=300):
            plan = gr.HTML(elem_id="train-plan", padding=False)
            with gr.Row(elem_classes=EDITORS):
                pilot = gr.Button(t("train.pilot"), elem_id="train-pilot", min_width=140)
                fit = gr.Button(t("train.fit"), elem_id="train-fit", min_width=140)
            start = gr.Button(
                t("train.start"), variant="primary", size="lg", elem_id="train-start", elem_classes=EDITORS
            )
            request_id = gr.Textbox(visible=False)
            asked = gr.Textbox(visible=False)
            kept = gr.Textbox(visible=False)
    timer = gr.Timer(_TICK_S, active=False)
    more = {"start_from": start_from, "also": also, "also_weights": weights}
    fields = {"base": base, "dataset": dataset, "preset": preset, "name": name} | more | form.widgets
    desk = Desk(page, fields, form.columns, plan, start, asked, request_id, yaml.code, kept, timer)
    _wire(page, desk, bases, recipe, sources)
    recipe_panel.wire(desk, recipe)
    pilot_panel.wire(desk, pilot, fit)
    yaml_panel.wire(desk, yaml)
    sweep_panel.wire(desk, sweep)
    bases_panel.wire(desk, bases)


def _wire(page: Page, desk: Desk, bases: bases_panel.Bases, recipe: recipe_panel.Questions, sources: gr.Accordion) -> None:
    services, fields, timer = page.services, desk.fields, desk.timer
    preset_fields = [name for name in PRESETS[Preset.QUICK] if name in fields]
    first = ("base", "dataset", "name", "start_from", "also")
    goes_along = ("learning_rate", "bits")
    with_rows = ("stage", "learning_rate")

    def starts(actor: Actor, values: dict[str, Any]) -> Any:
        """The base as it is, and the checkpoints on it."""
        saved = [one for one in services.train.checkpoints(actor) if one.base_id == values["base"]]
        choices = [(page.t("train.from_base"), ""), *((f"{one.run_name} · {one.step}", one.name) for one in saved)]
        known = [name for _, name in choices]
        return gr.update(choices=choices, value=values["start_from"] if values["start_from"] in known else "")

    def others(datasets: Sequence[DatasetInfo], values: dict[str, Any]) -> Any:
        choices = [(item.name, item.id) for item in datasets if item.id != values["dataset"]]
        known = {ref for _, ref in choices}
        return gr.update(choices=choices, value=[ref for ref in values["also"] or [] if ref in known])

    @page.event("run.read")
    def open_tab(request: gr.Request, goal: str, kept: str, **values: Any) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        ready, datasets = services.models.ready(actor), services.data.list(actor)
        like = desk.values_like(actor, ids["like"]) if "like" in ids else {}
        is_new = values["base"] is None  # a page that has just been loaded
        begun = desk.values_begun(actor, ids["start"]) if "start" in ids else {}
        taken = like or (desk.values_kept(kept) if is_new else {})
        made_for: dict[str, Any] = {}
        if begun:
            taken = {name: values[name] for name in fields} | taken | begun
        values |= taken
        wanted = None if begun else ids.get("base")
        values["base"] = _chosen(wanted, values["base"], [item.id for item in ready])
        before = values["dataset"]
        values["dataset"] = _chosen(ids.get("dataset") if not like else None, before, [item.id for item in datasets])
        chosen = next((item for item in datasets if item.id == values["dataset"]), None)
        if (begun or not taken) and values["dataset"] != before:
            made_for = suited(actor, values)
            values |= made_for
        # A name that somebody typed stays, unless it is another dataset's or was taken meanwhile.
        typed = (values["name"] or "").strip() if values["dataset"] == before else ""
        if not typed or services.train.free_name(actor, typed) != typed:
            values["name"] = services.train.free_name(actor, typed or chosen.name) if chosen else ""
        choices = {
            "base": gr.update(choices=[(item.name, item.id) for item in ready], value=values["base"]),
            "dataset": gr.update(choices=[(item.name, item.id) for item in datasets], value=values["dataset"]),
            "name": values["name"],
            "start_from": starts(actor, values),
            "also": others(datasets, values),
        }
        # Only what was taken over is written: a field that somebody is typing in stays as it is.
        rest = [values[name] if taken or name in made_for else gr.skip() for name in fields if name not in first]
        return (
            *(choices[name] for name in first),
            *rest,
            *desk.look(actor, values),
            new_request_id(),
            *recipe_panel.known(desk, actor, values, goal),
            gr.update(open=True) if values["start_from"] or values["also"] else gr.skip(),
            bases_panel.listed(page, actor),
            gr.Timer(active=_is_moving(desk, actor, values)),
            moved(like="", start="") if like or "start" in ids else gr.skip(),
        )

    @page.event("run.read")
    def tick(request: gr.Request, goal: str, **values: Any) -> tuple[Any, ...]:
        """While a base is on its way or a pilot runs: show how far it is, and take up what has come of it."""
        actor = actor_of(request)
        fetching = bases_panel.is_fetching(page, actor)
        if values["base"] is None and not fetching:
            return open_tab(request, goal, "", **values)
        moving = _is_moving(desk, actor, values) and ids_of(request).get("tab") == "train"
        n_before = len(fields) + len(desk.seen)
        seen = desk.look(actor, values, asked=gr.skip())
        after = [gr.skip()] * (len(opened) - n_before - 3)
        return (*[gr.skip()] * len(fields), *seen, *after, bases_panel.listed(page, actor), gr.Timer(active=moving), gr.skip())

    @page.event("run.read")
    def look_again(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        return desk.look(actor_of(request), values)

    @page.event("run.read")
    def write_down(request: gr.Request, **values: Any) -> tuple[str, str]:
        return desk.written(actor_of(request), values)

    @page.event("run.read")
    def look_at_others(request: gr.Request, goal: str, **values: Any) -> tuple[Any, ...]:
        """Another base or dataset: the questions that the studio answers itself are answered again."""
        actor = actor_of(request)
        more = starts(actor, values), others(services.data.list(actor), values)
        values |= {"start_from": more[0]["value"], "also": more[1]["value"]}
        seen = desk.look(actor, values)
        address = moved(base=values["base"], dataset=values["dataset"])
        return (*more, *seen, *recipe_panel.known(desk, actor, values, goal), address)

    def suited(actor: Actor, values: dict[str, Any]) -> dict[str, Any]:
        """What a dataset's rows are made for, and the learning rate that goes with it."""
        if not values["dataset"]:
            return {}
        stage = services.train.goal_of(actor, values["dataset"])
        if stage == values["stage"]:
            return {}
        rate = preset_values(Preset(values["preset"]), values["method"], stage)["learning_rate"]
        return {"stage": stage, "learning_rate": rate}

    @page.event("run.read")
    def look_at_rows(request: gr.Request, goal: str, **values: Any) -> tuple[Any, ...]:
        """Another dataset: votes ask for another goal than conversations."""
        found = suited(actor_of(request), values)
        return (*(found.get(name, gr.skip()) for name in with_rows), *look_at_others(request, goal, **values | found))

    @page.event("run.read")
    def take_start(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        """What its adapter's shape depends on comes along."""
        actor = actor_of(request)
        taken = services.train.begin_from(actor, values["start_from"] or "")
        return (*desk.filled(taken), *desk.look(actor, values | taken))

    @page.event("run.read")
    def take_preset(request: gr.Request, chosen: str, method: str, stage: str) -> list[Any]:
        values = preset_values(Preset(chosen), method, stage)
        return [values[name] for name in preset_fields]

    @page.event("run.read")
    def take_method(request: gr.Request, chosen: str, method: str, stage: str) -> list[Any]:
        """What goes with it: its learning rate, the bits of the base."""
        values = preset_values(Preset(chosen), method, stage) | METHODS[method].suggests
        return [values[name] for name in goes_along]

    @page.event("run.start")
    def begin(request: gr.Request, request_id: str, asked: str, **values: Any) -> tuple[Any, ...]:
        actor = actor_of(request)
        spec = services.train.complete(actor, values)
        question = desk.question(actor, spec)
        if question and asked != question:
            return gr.skip(), gr.skip(), *desk.look(actor, values, asked=question)
        run_id = services.train.start(actor, spec, request_id=request_id)
        return moved(tab="runs", run=run_id, sweep="", **{"with": ""}), new_request_id(), *desk.look(actor, values)

    opened = [
        *(fields[name] for name in first),
        *(fields[name] for name in fields if name not in first),
        *desk.seen,
        desk.request_id,
        *recipe.known,
        sources,
        bases.listing,
        timer,
        page.note,
    ]
    with_goal = fields | {"goal": recipe.answers["goal"]}
    desk.kept.change(None, desk.kept, None, js=f"(values) => sessionStorage.setItem('{_KEPT}', values)", **PRIVATE)
    page.opens["train"].click(None, None, desk.kept, js=f"() => sessionStorage.getItem('{_KEPT}') || ''", **PRIVATE).then(
        open_tab, None, opened, inputs_kwargs=with_goal | {"kept": desk.kept}, **LATEST
    )
    timer.tick(tick, None, opened, inputs_kwargs=with_goal, **READ)
    what = [fields["preset"], fields["method"], fields["stage"]]
    fields["preset"].input(take_preset, what, [fields[name] for name in preset_fields], **LATEST).then(
        look_again, None, desk.seen, inputs_kwargs=fields, **READ
    )
    for name in ("method", "stage"):
        fields[name].input(take_method, what, [fields[name] for name in goes_along], **LATEST).then(
            look_again, None, desk.seen, inputs_kwargs=fields, **READ
        )
    for name, widget in fields.items():
        if name in ("base", "dataset"):
            more = [fields["start_from"], fields["also"]]
            filled = [*more, *desk.seen, *recipe.known, page.note]
            if name == "base":
                widget.input(look_at_others, None, filled, inputs_kwargs=with_goal, **LATEST)
            else:
                filled = [*(fields[one] for one in with_rows), *filled]
                widget.input(look_at_rows, None, filled, inputs_kwargs=with_goal, **LATEST)
        elif name == "start_from":
            widget.input(take_start, None, [*fields.values(), *desk.seen], inputs_kwargs=fields, **LATEST)
        elif name not in ("preset", "method", "stage"):
            widget.input(look_again, None, desk.seen, inputs_kwargs=fields, **LATEST)
        if isinstance(widget, gr.Textbox):
            # Gradio tells `input` of keys alone: not of what is pasted, nor of Chinese, which an input method writes.
            widget.blur(write_down, None, [desk.yaml, desk.kept], inputs_kwargs=fields, **LATEST)
    given = fields | {"request_id": desk.request_id, "asked": desk.asked}
    desk.start.click(begin, None, [page.go, desk.request_id, *desk.seen], inputs_kwargs=given, **PRIVATE)


def _is_moving(desk: Desk, actor: Actor, values: dict[str, Any]) -> bool:
    return bases_panel.is_fetching(desk.page, actor) or desk.is_piloting(actor, values)


def _chosen(asked: str | None, current: str | None, known: list[str]) -> str | None:
    """What the address bar asks for, else what is chosen already, else the first there is."""
    return next((item for item in (asked, current) if item in known), known[0] if known else None)
