"""Accounts from a shell: `python -m studio user add | list | password | role | disable | enable | logout`.

Who may use the machine's shell is an admin here. A password is asked for, or read from the first line of standard input; it
is never an argument, which every process of the machine can read.
"""

from __future__ import annotations

import getpass
import sys
from typing import Annotated, Any

import typer

# Before the import below, which mounts it: either module may be imported first.
user_app: typer.Typer = typer.Typer(no_args_is_help=True, help="Accounts: who may sign in, and what they may do.")

from studio.access.users import User, name_key, staff_role  # noqa: E402
from studio.cli import AsJson, InLang, _command, _Shell  # noqa: E402
from studio.errors import ConfigError, NotFoundError  # noqa: E402
from studio.ids import time_text  # noqa: E402

__all__ = ["user_app"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="An account's name or id.")]
Invite = Annotated[bool, typer.Option("--invite", help="Ask for no password; print a path at which its owner chooses one.")]


@user_app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    role: Annotated[str, typer.Option("--role", help="viewer, editor or admin.")] = "viewer",
    invite: Invite = False,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Add an account. The first one must be an admin with a password."""

    def work(shell: _Shell) -> None:
        users, wanted = shell.services.users, staff_role(role)
        made = users.add(shell.actor, name, wanted, password=None if invite else _password(shell))
        facts = {"user": made.id, "name": made.name, "role": str(made.role)}
        words = shell.t("cli.user.added", name=made.name, role=str(made.role))
        if invite:
            path, told = _invitation(shell, made)
            facts["invite"], words = path, f"{words}\n{told}"
        shell.answer(facts, words)

    _command(json_, lang, work)


@user_app.command("list")
def list_users(json_: AsJson = False, lang: InLang = "") -> None:
    """List the accounts by name."""

    def work(shell: _Shell) -> None:
        found = shell.services.users.list(shell.actor)
        words = "\n".join(_line(shell, item) for item in found) or shell.t("cli.user.none")
        shell.answer({"users": [_facts(item) for item in found]}, words)

    _command(json_, lang, work)


@user_app.command()
def password(name: Name, invite: Invite = False, json_: AsJson = False, lang: InLang = "") -> None:
    """Give an account a new password; it is signed out everywhere."""

    def work(shell: _Shell) -> None:
        found = _find(shell, name)
        if invite:
            path, told = _invitation(shell, found)
            shell.answer({"user": found.id, "invite": path}, told)
            return
        shell.services.users.set_password(shell.actor, found.id, _password(shell))
        shell.answer({"user": found.id, "name": found.name}, shell.t("cli.user.password_set", name=found.name))

    _command(json_, lang, work)


@user_app.command("role")
def set_role(
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, editor or admin.")],
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Change what an account may do, from its next click."""

    def work(shell: _Shell) -> None:
        wanted, found = staff_role(role), _find(shell, name)
        shell.services.users.set_role(shell.actor, found.id, wanted)
        words = shell.t("cli.user.role_set", name=found.name, role=str(wanted))
        shell.answer({"user": found.id, "name": found.name, "role": str(wanted)}, words)

    _command(json_, lang, work)


@user_app.command()
def disable(name: Name, json_: AsJson = False, lang: InLang = "") -> None:
    """Sign an account out everywhere and let it in no more."""

    def work(shell: _Shell) -> None:
        found = _find(shell, name)
        shell.services.users.set_active(shell.actor, found.id, False)
        shell.answer({"user": found.id, "active": False}, shell.t("cli.user.disabled", name=found.name))

    _command(json_, lang, work)


@user_app.command()
def enable(name: Name, json_: AsJson = False, lang: InLang = "") -> None:
    """Let a disabled account in again."""

    def work(shell: _Shell) -> None:
        found = _find(shell, name)
        shell.services.users.set_active(shell.actor, found.id, True)
        shell.answer({"user": found.id, "active": True}, shell.t("cli.user.enabled", name=found.name))

    _command(json_, lang, work)


@user_app.command()
def logout(name: Name, json_: AsJson = False, lang: InLang = "") -> None:
    """Sign an account out everywhere."""

    def work(shell: _Shell) -> None:
        found = _find(shell, name)
        shell.services.users.logout_user(shell.actor, found.id)
        shell.answer({"user": found.id, "name": found.name}, shell.t("cli.user.signed_out", name=found.name))

    _command(json_, lang, work)


def _find(shell: _Shell, wanted: str) -> User:
    for item in shell.services.users.list(shell.actor):
        if item.id == wanted or name_key(item.name) == name_key(wanted):
            return item
    raise NotFoundError("error.user.unknown", user=wanted)


def _password(shell: _Shell) -> str:
    """Typed twice and unseen at a terminal, otherwise the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed = getpass.getpass(f"{shell.t('cli.user.password')}: ")
    if getpass.getpass(f"{shell.t('cli.user.password_again')}: ") != typed:
        raise ConfigError("error.access.passwords_differ", field="password")
    return typed


def _invitation(shell: _Shell, user: User) -> tuple[str, str]:
    """The path of a new invitation, and it in words."""
    path = f"/invite?k={shell.services.users.invite(shell.actor, user.id)}"
    return path, shell.t("cli.user.invited", name=user.name, path=path)


def _line(shell: _Shell, item: User) -> str:
    state = "active" if item.has_password else "invited" if item.invited_until else "no_password"
    state = state if item.active else "disabled"
    words = shell.t(f"cli.user.state.{state}")
    return f"{item.id}  {item.role:<6}  {item.name}  ({words})"


def _facts(item: User) -> dict[str, Any]:
    times = {name: getattr(item, name) for name in ("invited_until", "created_at", "last_login_at")}
    told = {name: None if moment is None else time_text(moment) for name, moment in times.items()}
    plain = {"user": item.id, "name": item.name, "role": str(item.role), "active": item.active}
    return plain | {"has_password": item.has_password} | told
