"""Login, the first account, an invitation, one's own account: plain pages with forms, before and beside the studio."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from components.door import SESSION, Door
from components.plain import form_of, plain_page
from studio.access import Actor, Role
from studio.errors import AccessError, ConfigError, NotFoundError, StudioError
from studio.services import Services
from studio.text import error_text

__all__ = ["add_login_pages"]


class LoginPages:
    """Handlers of the routes; what they decide is decided by `services.users`."""

    def __init__(self, services: Services, door: Door) -> None:
        self._services = services
        self._users = services.users
        self._door = door

    # 1 In and out

    async def login(self, request: Request) -> Response:
        actor: Actor = request.state.actor
        wanted = _local(request.query_params.get("next"))
        if actor.role is not Role.STRANGER:
            return RedirectResponse(wanted, 303)
        if request.method == "GET":
            return plain_page("plain_login", request, actor.lang, wanted=wanted, name="", wrong="")
        form = await form_of(request)
        wanted = _local(form.get("next"))
        name, password = form.get("name", ""), form.get("password", "")
        try:
            token = await run_in_threadpool(self._users.login, actor, name, password, agent=_agent(request))
        except StudioError as error:
            words = error_text(actor.lang, error)
            return plain_page("plain_login", request, actor.lang, status=401, wanted=wanted, name=name, wrong=words)
        return await self._enter(request, token, wanted)

    async def logout(self, request: Request) -> Response:
        token = request.cookies.get(SESSION, "")
        await run_in_threadpool(self._users.logout, request.state.actor, token)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(SESSION, path="/")
        return response

    async def _enter(self, request: Request, token: str, wanted: str) -> Response:
        """Hand the session over, and with it the chats of whoever used this browser before there were accounts."""
        response = RedirectResponse(wanted, 303)
        self._door.let_in(request, response, token)
        local = self._door.local_user(request)
        if local is not None:
            actor: Actor = request.state.actor
            known = await run_in_threadpool(self._users.actor_of, token, actor.lang, actor.address)
            if known is not None:
                await run_in_threadpool(self._services.chats.adopt, known, local)
            self._door.forget_local_user(response)
        return response

    # 2 A first password

    async def setup(self, request: Request) -> Response:
        """The first account, made by whoever sits at this computer; it becomes the admin's."""
        actor: Actor = request.state.actor
        if not await run_in_threadpool(self._users.is_open):
            return RedirectResponse("/", 303)
        if request.method == "GET":
            return plain_page("plain_password", request, actor.lang, purpose="setup", name="", token="", wrong="")
        form = await form_of(request)
        name, password = form.get("name", ""), form.get("password", "")

        def make() -> str:
            _same(form)
            self._users.add(actor, name, Role.ADMIN, password=password)
            return self._users.login(actor, name, password, agent=_agent(request))

        try:
            token = await run_in_threadpool(make)
        except StudioError as error:
            words = error_text(actor.lang, error)
            shown = {"purpose": "setup", "name": name, "token": "", "wrong": words}
            return plain_page("plain_password", request, actor.lang, status=422, **shown)
        return await self._enter(request, token, "/?tab=people")

    async def invite(self, request: Request) -> Response:
        actor: Actor = request.state.actor
        form = await form_of(request) if request.method == "POST" else dict(request.query_params)
        token = form.get("k", "")
        shown: dict[str, Any] = {"purpose": "invite", "token": token, "wrong": ""}
        try:
            invited = await run_in_threadpool(self._users.invited, actor, token)
            shown["name"] = invited.name
            if request.method == "GET":
                return plain_page("plain_password", request, actor.lang, **shown)
            _same(form)
            session = await run_in_threadpool(
                self._users.accept, actor, token, form.get("password", ""), agent=_agent(request)
            )
        except NotFoundError as error:
            words = error_text(actor.lang, error)
            return plain_page("plain_message", request, actor.lang, status=404, title=words, words="", login=True)
        except StudioError as error:
            shown["wrong"] = error_text(actor.lang, error)
            return plain_page("plain_password", request, actor.lang, status=422, **shown)
        return await self._enter(request, session, "/")

    # 3 One's own account

    async def account(self, request: Request) -> Response:
        return await self._account(request)

    async def _account(self, request: Request, *, error: str = "", done: str = "", status: int = 200) -> Response:
        actor: Actor = request.state.actor
        if await run_in_threadpool(self._users.is_open):
            return RedirectResponse("/setup", 303)
        token = request.cookies.get(SESSION, "")
        me = await run_in_threadpool(self._users.me, actor)
        sessions = await run_in_threadpool(self._users.sessions, actor, token)
        shown = {"me": me, "sessions": sessions, "wrong": error, "done": done}
        return plain_page("plain_account", request, actor.lang, status=status, **shown)

    async def change_password(self, request: Request) -> Response:
        actor: Actor = request.state.actor
        form = await form_of(request)

        def change() -> None:
            _same(form)
            old, keep = form.get("old", ""), request.cookies.get(SESSION, "")
            self._users.change_password(actor, old, form.get("password", ""), keep=keep)

        try:
            await run_in_threadpool(change)
        except (ConfigError, AccessError) as error:
            return await self._account(request, error=error_text(actor.lang, error), status=422)
        return await self._account(request, done="account.password.changed")

    async def leave_everywhere(self, request: Request) -> Response:
        await run_in_threadpool(self._users.logout_everywhere, request.state.actor)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(SESSION, path="/")
        return response


def add_login_pages(web: FastAPI, services: Services, door: Door) -> None:
    pages = LoginPages(services, door)
    for path, methods, handler in (
        ("/login", ["GET", "POST"], pages.login),
        ("/logout", ["POST"], pages.logout),
        ("/setup", ["GET", "POST"], pages.setup),
        ("/invite", ["GET", "POST"], pages.invite),
        ("/account", ["GET"], pages.account),
        ("/account/password", ["POST"], pages.change_password),
        ("/account/everywhere", ["POST"], pages.leave_everywhere),
    ):
        web.add_route(path, handler, methods=methods)


def _same(form: dict[str, str]) -> None:
    if form.get("password", "") != form.get("again", ""):
        raise ConfigError("error.access.passwords_differ", field="again")


def _local(wanted: str | None) -> str:
    """Where to go after the login: an address of the studio's page, never another host's."""
    return wanted if wanted is not None and re.fullmatch(r"/(\?[^\r\n\\]*)?", wanted) else "/"


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")[:200]
