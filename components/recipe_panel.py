"""Four questions that lead to a recipe with its reasons; those that the studio can answer itself are answered already."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import gradio as gr

from components.page import LATEST, READ, Page, actor_of, render
from components.train_desk import Desk
from studio.access import Actor
from studio.train.recipe import Answers, BaseKind, Goal, Machine, Rows

__all__ = ["Questions", "build", "known", "wire"]

_QUESTIONS: dict[str, type[StrEnum]] = {"goal": Goal, "rows": Rows, "machine": Machine, "base_kind": BaseKind}

#: The one that only a person can answer.
_OPEN = "goal"


@dataclass
class Questions:
    """`answers` by question; `recipe` shows what they lead to, `take` fills the form with it."""

    answers: dict[str, gr.Radio]
    recipe: gr.HTML
    take: gr.Button

    @property
    def known(self) -> list[Any]:
        """What the studio fills by itself (`known`)."""
        return [*(self.answers[name] for name in _QUESTIONS if name != _OPEN), self.recipe]


def build(page: Page) -> Questions:
    t = page.t
    first = Answers()
    with gr.Accordion(t("recipe.title"), open=True, elem_id="train-recipe"):
        with gr.Row():
            answers = {
                name: gr.Radio(
                    [(t(f"recipe.{name}.{value}"), value.value) for value in kind],
                    value=str(getattr(first, name)),
                    label=t(f"recipe.{name}"),
                    elem_id=f"recipe-{name.replace('_', '-')}",
                    min_width=260,
                )
                for name, kind in _QUESTIONS.items()
            }
        recipe = gr.HTML(elem_id="recipe", padding=False)
        take = gr.Button(t("recipe.take"), variant="secondary", elem_id="recipe-take")
    return Questions(answers, recipe, take)


def known(desk: Desk, actor: Actor, values: dict[str, Any], goal: str) -> list[Any]:
    """Answers that need no person, and the recipe that follows with the one that does."""
    base, dataset = values.get("base"), values.get("dataset")
    if not base or not dataset:
        return [gr.skip()] * (len(_QUESTIONS) - 1) + [_drawn(desk, actor, base, dataset, {}, "")]
    found = desk.page.services.plan.known(actor, base, dataset).answers
    answered = [found[name] for name in _QUESTIONS if name != _OPEN]
    return [*answered, _drawn(desk, actor, base, dataset, found | {_OPEN: goal}, values["stage"])]


def _drawn(desk: Desk, actor: Actor, base: str | None, dataset: str | None, answers: dict[str, str], stage: str) -> str:
    if not base or not dataset:
        return render("recipe", desk.page.lang, recipe=None, known=None)
    plan = desk.page.services.plan
    recipe = plan.recipe(actor, base, answers, stage)
    return render("recipe", desk.page.lang, recipe=recipe, known=plan.known(actor, base, dataset))


def wire(desk: Desk, parts: Questions) -> None:
    page, plan = desk.page, desk.page.services.plan
    inputs = {name: desk.fields[name] for name in ("base", "dataset", "stage")} | parts.answers

    @page.event("run.read")
    def think(request: gr.Request, base: str | None, dataset: str | None, stage: str, **answers: str) -> str:
        return _drawn(desk, actor_of(request), base, dataset, answers, stage)

    @page.event("run.read")
    def take(request: gr.Request, base: str | None, dataset: str | None, stage: str, **answers: str) -> list[Any]:
        if not base:
            return desk.filled({})
        return desk.filled(plan.recipe(actor_of(request), base, answers, stage).as_values())

    @page.event("run.read")
    def look_again(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        return desk.look(actor_of(request), values)

    for widget in (*parts.answers.values(), desk.fields["stage"]):
        widget.input(think, None, parts.recipe, inputs_kwargs=inputs, **LATEST)
    parts.take.click(take, None, list(desk.fields.values()), inputs_kwargs=inputs, **READ).then(
        look_again, None, desk.seen, inputs_kwargs=desk.fields, **READ
    )
