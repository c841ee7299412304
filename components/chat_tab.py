"""Chat: the same question to the base and to a checkpoint, side by side.

Address bar: `run` (and `step`) choose the checkpoint, `chat` an existing conversation.
"""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from components.checkpoints import checkpoint_choices
from components.form import late_choice
from components.page import LATEST, READ, Page, actor_of, as_markdown, ids_of, moved, new_request_id, render
from studio.access import Actor
from studio.engine.chats import Answer, Chat
from studio.engine.protocol import Decoding
from studio.errors import NotFoundError
from studio.text import error_text

__all__ = ["build"]

#: Seconds between looks at a growing answer; nothing ticks while none grows.
_TICK_S = 0.4
_COLUMNS = 2

#: Before the id of a base that answers alone, among the checkpoints.
_BASE = "base:"


def build(page: Page) -> None:
    t = page.t
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=220):
            new = gr.Button(t("chat.new"), elem_id="chat-new")
            listing = gr.HTML(elem_id="chat-list", padding=False)
        with gr.Column(scale=5, min_width=320):
            checkpoint = late_choice(
                label=t("chat.checkpoint.label"), info=t("chat.checkpoint.help"), elem_id="chat-checkpoint"
            )
            note = gr.HTML(elem_id="chat-note", padding=False)
            with gr.Row(elem_id="chat-columns"):
                columns, feet = [], []
                for side in ("base", "tuned"):
                    with gr.Column(min_width=280):
                        columns.append(_column(page, side))
                        feet.append(gr.HTML(elem_id=f"chat-foot-{side}", padding=False))
            question = gr.Textbox(
                label=t("chat.question.label"), placeholder=t("chat.question.placeholder"), lines=2, elem_id="chat-question"
            )
            with gr.Row():
                send = gr.Button(t("chat.send"), variant="primary", elem_id="chat-send")
                stop = gr.Button(t("chat.stop"), variant="stop", elem_id="chat-stop", interactive=False)
                go_on = gr.Button(t("chat.go_on"), elem_id="chat-go-on", visible=False)
            examples = gr.HTML(elem_id="chat-examples", padding=False)
            with gr.Accordion(t("chat.decoding"), open=False, elem_id="chat-decoding"), gr.Row():
                temperature = _slider(page, "temperature", 0, 1.5, 0.3, 0.05)
                top_p = _slider(page, "top_p", 0.05, 1, 0.9, 0.05)
                penalty = _slider(page, "penalty", 1, 2, 1.1, 0.05)
                max_tokens = _slider(page, "max_tokens", 16, 1024, 200, 8)
            request_id = gr.Textbox(visible=False)
    decoding = {"temperature": temperature, "top_p": top_p, "repetition_penalty": penalty, "max_tokens": max_tokens}
    timer = gr.Timer(_TICK_S, active=False)
    parts = (new, listing, checkpoint, note, *columns, *feet, question, send, stop, go_on, examples, request_id, timer)
    _wire(page, parts, decoding)


def _slider(page: Page, name: str, low: float, high: float, value: float, step: float) -> gr.Slider:
    words = {"label": page.t(f"chat.{name}.label"), "info": page.t(f"chat.{name}.help")}
    return gr.Slider(low, high, value, step=step, elem_id=f"chat-{name.replace('_', '-')}", **words)


def _column(page: Page, side: str) -> gr.Chatbot:
    return gr.Chatbot(
        label=page.t(f"chat.column.{side}"),
        elem_id=f"chat-{side}",
        height=400,
        buttons=["copy"],
        group_consecutive_messages=False,
        placeholder=page.t(f"chat.placeholder.{side}"),
    )


def _wire(page: Page, parts: tuple[Any, ...], decoding: dict[str, Any]) -> None:
    services, lang = page.services, page.lang
    new, listing, checkpoint, note, *columns, question, send, stop, go_on, examples, request_id, timer = parts
    conversation = [note, *columns, send, stop, go_on, timer]

    @page.event("chat.read")
    def open_tab(request: gr.Request) -> tuple[Any, ...]:
        actor, ids = actor_of(request), ids_of(request)
        chat = _chosen(page, actor, ids)
        choices = [*checkpoint_choices(page, actor), *_merged(page, actor)]
        known = [value for _, value in choices]
        chosen = _tuned(chat) if chat else _asked(ids, known)
        recent = services.chats.list(actor)
        return (
            render("chats", lang, chats=recent, chosen=ids.get("chat")),
            gr.update(choices=choices, value=chosen if chosen in known else None),
            render("chat_examples", lang, questions=_examples(page, actor, chosen), n_checkpoints=len(choices)),
            new_request_id(),
            *_shown(page, actor, chat, is_gone=chat is None and bool(ids.get("chat"))),
        )

    @page.event("chat.read")
    def tick(request: gr.Request) -> tuple[Any, ...]:
        """Follow the answers of the chat that the address bar names now, until they have ended."""
        actor, ids = actor_of(request), ids_of(request)
        if ids.get("tab") != "chat" or not ids.get("chat"):
            return (*[gr.skip()] * (len(conversation) - 1), gr.Timer(active=False))
        return _shown(page, actor, _chosen(page, actor, ids))

    @page.event("chat.write")
    def ask(
        request: gr.Request, question: str, checkpoint: str | None, request_id: str, **decoding: float
    ) -> tuple[str, str, str]:
        actor, ids = actor_of(request), ids_of(request)
        chosen = Decoding.model_validate(decoding | {"max_tokens": int(decoding["max_tokens"])})
        chat_id = ids.get("chat")
        if chat_id and _chosen(page, actor, ids):
            services.chats.ask(actor, chat_id, question, chosen, request_id=request_id)
        else:
            columns = _columns(page, actor, checkpoint)
            chat_id = services.chats.begin(actor, *columns, question, chosen, request_id=request_id)
        return moved(tab="chat", chat=chat_id), "", new_request_id()

    @page.event("chat.write")
    def stop_answers(request: gr.Request) -> None:
        services.chats.stop(actor_of(request), ids_of(request)["chat"])

    @page.event("chat.write")
    def continue_answers(request: gr.Request) -> str:
        services.chats.go_on(actor_of(request), ids_of(request)["chat"])
        return moved(tab="chat")

    @page.event("chat.read")
    def take_checkpoint(model: str, request: gr.Request) -> str:
        run, _, step = model.partition("@")
        return moved(tab="chat", run=run, step=step, chat="")

    @page.event("chat.read")
    def begin_anew(request: gr.Request) -> str:
        return moved(tab="chat", chat="")

    opened = [listing, checkpoint, examples, request_id, *conversation]
    page.opens["chat"].click(open_tab, None, opened, **LATEST)
    timer.tick(tick, None, conversation, **READ)
    asked = decoding | {"question": question, "checkpoint": checkpoint, "request_id": request_id}
    send.click(ask, None, [page.go, question, request_id], inputs_kwargs=asked, **READ)
    stop.click(stop_answers, None, None, **READ)
    go_on.click(continue_answers, None, page.go, **READ)
    new.click(begin_anew, None, page.go, **READ)
    checkpoint.input(take_checkpoint, checkpoint, page.go, **LATEST)


def _asked(ids: dict[str, str], known: list[str]) -> str | None:
    """The checkpoint that the address bar names: a step of a run, the run's best one, else its first, else the first of all."""
    run, step = ids.get("run", ""), ids.get("step")
    wanted = [f"{run}@{step}" if step else run, run]
    of_run = [value for value in known if run and value.startswith(run)]
    return next((value for value in [*wanted, *of_run, *known] if value in known), None)


def _merged(page: Page, actor: Actor) -> list[tuple[str, str]]:
    """Models that checkpoints were merged into: they answer alone, like a base."""
    return [(base.name, f"{_BASE}{base.id}") for base in page.services.models.ready(actor) if base.source == "merged"]


def _tuned(chat: Chat) -> str | None:
    """The checkpoint in a chat's right column; None where the base answers alone."""
    return chat.models[1] if len(chat.models) > 1 else None


def _columns(page: Page, actor: Actor, model: str | None) -> tuple[str, list[str]]:
    """The base and the columns of a new chat: the base alone while nothing is trained."""
    if model is None:
        ready = page.services.models.ready(actor)
        return (ready[0].id if ready else ""), ["base"]
    if model.startswith(_BASE):
        return model.removeprefix(_BASE), ["base"]
    return page.services.train.get(actor, model.partition("@")[0]).base_id, ["base", model]


def _examples(page: Page, actor: Actor, model: str | None) -> list[str]:
    """Questions that no training has seen: the first test rows of the checkpoint's dataset."""
    if model is None or model.startswith(_BASE):
        return []
    run = page.services.train.get(actor, model.partition("@")[0])
    rows, _ = page.services.data.page(actor, run.dataset_id, split="test", limit=40)
    asked = [row.content["messages"][0]["content"] for row in rows if row.content.get("messages")]
    return asked[:: max(1, len(asked) // 4)][:4]


def _chosen(page: Page, actor: Actor, ids: dict[str, str]) -> Chat | None:
    """The chat that the address bar names; None without one, and where it is gone or somebody else's."""
    try:
        return page.services.chats.get(actor, ids["chat"]) if ids.get("chat") else None
    except NotFoundError:
        return None


def _shown(page: Page, actor: Actor, chat: Chat | None, *, is_gone: bool = False) -> tuple[Any, ...]:
    """Note, both columns and the buttons, for a chat as it is now."""
    if chat is None:
        idle = gr.update(interactive=True), gr.update(interactive=False), gr.update(visible=False), gr.Timer(active=False)
        return (render("told", page.lang, key="chat.gone") if is_gone else "", [], [], "", "", *idle)
    columns = [_messages(page, chat, column) for column in range(_COLUMNS)]
    feet = [_foot(page, chat, column) for column in range(_COLUMNS)]
    ended = chat.turns[-1].answers if chat.turns else []
    can_go_on = not chat.is_moving and any(answer.state in ("interrupted", "stopped") for answer in ended)
    engine = page.services.engines.of_base(actor, chat.base_id) if chat.is_moving else None
    waits = chat.is_moving and not any(answer.tokens for answer in ended)
    busy = [job for job in page.services.jobs.active(actor) if job.is_active and job.kind == "train"] if waits else []
    return (
        render("chat_note", page.lang, engine=engine, waits=waits, busy=busy),
        *columns,
        *feet,
        gr.update(interactive=not chat.is_moving),
        gr.update(interactive=chat.is_moving),
        gr.update(visible=can_go_on),
        gr.Timer(active=chat.is_moving),
    )


def _messages(page: Page, chat: Chat, column: int) -> list[dict[str, Any]]:
    if column >= len(chat.models):
        return []
    messages: list[dict[str, Any]] = []
    for turn in chat.turns:
        messages.append({"role": "user", "content": as_markdown(turn.question)})
        messages += [
            {"role": "assistant", "content": _said(page, answer)} for answer in turn.answers if answer.column == column
        ]
    return messages


def _said(page: Page, answer: Answer) -> str:
    if answer.state == "failed":
        return "⚠ " + html.escape(error_text(page.lang, answer.error or {}))
    return as_markdown(answer.text) or "…"


def _foot(page: Page, chat: Chat, column: int) -> str:
    """Under a column: how its last answer ended, how long it is, how fast it came."""
    given = [answer for turn in chat.turns[-1:] for answer in turn.answers if answer.column == column]
    if not given or given[0].state == "failed":
        return ""
    answer = given[0]
    speed = answer.tokens / answer.seconds if answer.seconds else 0.0
    return render("chat_foot", page.lang, answer=answer, speed=speed)
