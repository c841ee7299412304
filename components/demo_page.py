"""What a guest sees who came by a link of scope demo: the page, and what its script asks for.

    /demo/{link}/?k=TOKEN ── trade ──► /demo/{link}/ ── unlock, where there is a password ──► the conversation

Whatever does not open looks the same, to the byte. Nothing that leaves here names a model: which one is A is not to be known.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from components.door import LINK_PAGES, closed_page
from components.plain import form_of, plain_page, set_lang
from studio.access import Actor, Role
from studio.access.links import Visit
from studio.engine.demo import Conversation, DemoAnswer
from studio.errors import AccessError, EngineError, NotFoundError, StudioError
from studio.ids import is_id
from studio.services import Services
from studio.text import LANGS, Lang, error_text, text

__all__ = ["COOKIE", "add_demo_pages"]

log = logging.getLogger("studio.web")

#: What `secrets.token_urlsafe(32)` gives.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

#: One for each link, told apart by its path: the secret of a visit.
COOKIE = "studio_link"
_MONTH_S = 30 * 86_400

#: Areas whose errors a guest may read. Others name models, addresses and folders.
_FOR_GUESTS = ("error.chat.", "error.demo.", "error.link.", "error.access.")

_F = TypeVar("_F", bound="_Body")


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Ask(_Body):
    question: str
    request_id: str = Field(pattern=r"^[\w-]{8,64}$")


class _Thumb(_Body):
    answer_id: str = Field(max_length=40)
    value: Literal[-1, 0, 1]


class DemoPages:
    """Handlers of the routes; who may come in is decided by `services.links`."""

    def __init__(self, services: Services) -> None:
        self._links = services.links
        self._demo = services.demo

    # 1 Coming in

    async def page(self, request: Request) -> Response:
        actor: Actor = request.state.actor
        link_id = request.path_params["link_id"]
        if not is_id(link_id, "lnk"):
            return closed_page(request, actor.lang)
        home = f"{LINK_PAGES}/{link_id}/"
        if request.scope["path"] != home:  # the cookie comes with what is below this path only
            return _moved(f"{home}?{request.url.query}" if request.url.query else home)
        if "k" in request.query_params:
            return await self._trade(request, home)
        try:
            visit = await run_in_threadpool(self._visit, request)
        except NotFoundError:
            return closed_page(request, actor.lang)
        if not visit.unlocked:
            return _password_page(request, visit.link.name)
        conversation = await run_in_threadpool(self._demo.conversation, visit.actor)
        return plain_page("demo", request, actor.lang, keep=(), name=visit.link.name, is_blind=len(conversation.labels) > 1)

    async def _trade(self, request: Request, home: str) -> Response:
        """The token for a cookie, so that it leaves the address bar and the history."""
        actor: Actor = request.state.actor
        given = _TOKEN.match(request.query_params["k"])  # messengers glue the words behind an address to it
        token, old = given[0] if given else "", request.cookies.get(COOKIE)
        try:
            cookie = await run_in_threadpool(self._links.enter, actor, request.path_params["link_id"], token, old)
        except NotFoundError:
            return closed_page(request, actor.lang)
        response = _moved(home)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, cookie, max_age=_MONTH_S, httponly=True, samesite="lax", secure=secure, path=home)
        if request.query_params.get("lang") in LANGS:
            set_lang(response, actor.lang)
        return response

    async def unlock(self, request: Request) -> Response:
        actor: Actor = request.state.actor
        link_id = request.path_params["link_id"]
        password = (await form_of(request)).get("password", "")
        try:
            visit = await run_in_threadpool(self._visit, request)
            await run_in_threadpool(self._links.unlock, actor, link_id, request.cookies.get(COOKIE), password)
        except NotFoundError:
            return closed_page(request, actor.lang)
        except AccessError as error:
            status = 401 if error.key == "error.link.wrong_password" else 429
            return _password_page(request, visit.link.name, wrong=error_text(actor.lang, error), status=status)
        return _moved(f"{LINK_PAGES}/{link_id}/")

    def _visit(self, request: Request) -> Visit:
        """Who comes. Raises NotFoundError where nothing opens, and for a link that opens something else."""
        visit = self._links.visit(request.state.actor, request.path_params["link_id"], request.cookies.get(COOKIE))
        if visit.link.scope is not Role.DEMO:
            raise NotFoundError("error.link.closed")
        return visit

    # 2 What the page's script asks for

    async def chat(self, request: Request) -> Response:
        return await self._answer(request, lambda guest: None)

    async def ask(self, request: Request) -> Response:
        body = await _body(request, _Ask)
        if body is None:
            return _unreadable(request)
        return await self._answer(request, lambda guest: self._demo.ask(guest, body.question, request_id=body.request_id))

    async def stop(self, request: Request) -> Response:
        return await self._answer(request, self._demo.stop)

    async def go_on(self, request: Request) -> Response:
        return await self._answer(request, self._demo.go_on)

    async def start_over(self, request: Request) -> Response:
        return await self._answer(request, self._demo.start_over)

    async def thumb(self, request: Request) -> Response:
        body = await _body(request, _Thumb)
        if body is None:
            return _unreadable(request)
        return await self._answer(request, lambda guest: self._demo.thumb(guest, body.answer_id, body.value))

    async def _answer(self, request: Request, act: Callable[[Actor], object]) -> Response:
        """Do it, and say how the conversation stands then."""
        lang = request.state.actor.lang

        def work() -> dict[str, Any]:
            visit = self._visit(request)
            if not visit.unlocked:
                raise NotFoundError("error.link.closed")
            act(visit.actor)
            return _shown(self._demo.conversation(visit.actor), lang)

        try:
            return JSONResponse(await run_in_threadpool(work))
        except StudioError as error:
            return _refusal(error, lang)


def add_demo_pages(web: FastAPI, services: Services) -> None:
    pages = DemoPages(services)
    for path, method, handler in (
        ("", "GET", pages.page),
        ("/", "GET", pages.page),
        ("/unlock", "POST", pages.unlock),
        ("/chat", "GET", pages.chat),
        ("/ask", "POST", pages.ask),
        ("/stop", "POST", pages.stop),
        ("/go-on", "POST", pages.go_on),
        ("/new", "POST", pages.start_over),
        ("/thumb", "POST", pages.thumb),
    ):
        web.add_route(f"{LINK_PAGES}/{{link_id}}{path}", handler, methods=[method])


def _moved(address: str) -> Response:
    return RedirectResponse(address, 303)


def _password_page(request: Request, name: str, *, wrong: str = "", status: int = 200) -> Response:
    lang: Lang = request.state.actor.lang
    response = plain_page("demo_password", request, lang, status=status, keep=(), name=name, wrong=wrong)
    # Under "no-referrer" a browser sends a form with "Origin: null", which the door takes for a foreign page.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


async def _body(request: Request, kind: type[_F]) -> _F | None:
    """None for what this page's script would not have sent."""
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError:
        return None


def _unreadable(request: Request) -> Response:
    return JSONResponse({"error": text(request.state.actor.lang, "error.demo.unreadable")}, 422)


def _refusal(error: StudioError, lang: Lang) -> Response:
    """In the guest's language. 404 is for what does not open, and for nothing else: the page gives up on it."""
    if error.key in ("error.link.closed", "error.access.refused"):
        return JSONResponse({"error": text(lang, "error.link.closed")}, 404)
    if not error.key.startswith(_FOR_GUESTS):
        log.error("a guest's request failed", exc_info=error)
        return JSONResponse({"error": text(lang, "error.demo.unwell")}, 503)
    kinds = ((AccessError, 429), (NotFoundError, 409), (EngineError, 503), (StudioError, 422))
    status = next(status for kind, status in kinds if isinstance(error, kind))
    return JSONResponse({"error": error_text(lang, error)}, status)


# 3 What a guest may know. Name by name: what a conversation learns to hold one day does not leave by itself.


def _shown(conversation: Conversation, lang: Lang) -> dict[str, Any]:
    return {
        "moving": conversation.is_moving,
        "can_go_on": conversation.can_go_on,
        "turns": [
            {"question": turn.question, "answers": [_shown_answer(answer, lang) for answer in turn.answers]}
            for turn in conversation.turns
        ],
    }


def _shown_answer(answer: DemoAnswer, lang: Lang) -> dict[str, Any]:
    note = ""
    if answer.error is not None:
        note = error_text(lang, answer.error)
    elif answer.state in ("stopped", "interrupted"):
        note = text(lang, f"demo.state.{answer.state}")
    elif answer.is_too_long:
        note = text(lang, "demo.too_long")
    same = {"id": answer.id, "label": answer.label, "text": answer.text, "state": answer.state, "thumb": answer.thumb}
    return same | {"note": note}
