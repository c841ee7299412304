"""Accounts from a shell: words for people, one JSON object for programs, and a password that is never shown."""

from __future__ import annotations

import getpass
import io
import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studio.access import Actor, Role, stranger
from studio.cli import app
from studio.errors import AccessError
from studio.services import Services
from studio.settings import ROOT, Settings

GOOD, BETTER = "seven tired herons", "eight quiet otters"
GUEST = stranger("en", "192.0.2.1")

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("list", typed=…)`: a command of `user` on the test's own home, with these lines on its standard input."""
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))
    monkeypatch.delenv("LANG", raising=False)
    return lambda *words, typed="": CliRunner().invoke(app, ["user", *words], input=typed)


@pytest.fixture
def anna(services: Services, run: Run) -> str:
    """The first account, made from the shell; its id."""
    done = run("add", "Anna", "--role", "admin", "--json", typed=f"{GOOD}\n")
    assert done.exit_code == 0, done.stderr
    return str(json.loads(done.stdout)["user"])


@pytest.fixture
def ben(run: Run, anna: str) -> str:
    return str(json.loads(run("add", "Ben", "--role", "editor", "--json", typed=f"{GOOD}\r\n").stdout)["user"])


def sign_in(services: Services, name: str, password: str = GOOD) -> Actor | None:
    return services.users.actor_of(services.users.login(GUEST, name, password, agent=""), "en", "")


def listed(run: Run) -> dict[str, dict[str, object]]:
    return {item["name"]: item for item in json.loads(run("list", "--json").stdout)["users"]}


def test_the_first_line_of_standard_input_is_the_password(services: Services, ben: str) -> None:
    assert sign_in(services, "Ben") == Actor(ben, Role.EDITOR)


def test_the_first_account_has_to_be_an_admins(services: Services, run: Run) -> None:
    done = run("add", "Ben", "--role", "editor", typed=f"{GOOD}\n")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "admin" in done.stderr
    assert run("list").stdout.strip() == "No accounts yet."
    assert services.users.is_open()


def test_the_list_tells_who_there_is_and_what_state_they_are_in(run: Run, anna: str, ben: str) -> None:
    run("add", "李雷", "--invite")
    run("disable", "Ben")
    found = listed(run)
    assert [(name, item["role"], item["active"], item["has_password"]) for name, item in found.items()] == [
        ("Anna", "admin", True, True),
        ("Ben", "editor", False, True),
        ("李雷", "viewer", True, False),
    ]
    assert found["Ben"]["invited_until"] is None
    assert str(found["李雷"]["invited_until"]).endswith("Z")
    lines = run("list", "--lang", "zh").stdout.splitlines()
    assert [line.split("(")[1] for line in lines] == ["启用)", "已停用)", "已邀请)"]


def test_an_invitation_is_a_path_at_which_its_owner_gets_in(services: Services, run: Run, anna: str) -> None:
    told = json.loads(run("add", "Carla", "--invite", "--json").stdout)
    path, _, token = told["invite"].partition("?k=")
    assert path == "/invite"
    assert services.users.invited(GUEST, token).id == told["user"]
    again = run("password", "Carla", "--invite").stdout.split("/invite?k=")[1].strip()
    assert services.users.accept(GUEST, again, GOOD, agent="")


def test_a_new_password_lets_in_and_the_old_one_no_more(services: Services, run: Run, ben: str) -> None:
    assert run("password", "ben", typed=f"{BETTER}\n").exit_code == 0
    assert sign_in(services, "Ben", BETTER) is not None
    with pytest.raises(AccessError):
        sign_in(services, "Ben", GOOD)


@pytest.mark.parametrize("name", ["Ben", "ＢＥＮ", "id"])
def test_an_account_is_found_by_its_name_or_id(services: Services, run: Run, ben: str, name: str) -> None:
    assert run("role", ben if name == "id" else name, "viewer").exit_code == 0
    assert listed(run)["Ben"]["role"] == "viewer"


def test_a_disabled_account_stays_out_until_it_is_enabled(services: Services, run: Run, ben: str) -> None:
    assert json.loads(run("disable", "Ben", "--json").stdout) == {"user": ben, "active": False}
    with pytest.raises(AccessError):
        sign_in(services, "Ben")
    assert json.loads(run("enable", "Ben", "--json").stdout) == {"user": ben, "active": True}
    assert sign_in(services, "Ben") is not None


def test_logout_ends_the_sessions_of_an_account(services: Services, run: Run, ben: str) -> None:
    token = services.users.login(GUEST, "Ben", GOOD, agent="")
    assert run("logout", "Ben").exit_code == 0
    assert services.users.actor_of(token, "en", "") is None


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (("add", "ANNA"), f"{GOOD}\n", "ANNA"),
        (("add", "Ben"), "short\n", "10 to 256"),
        (("add", "Ben"), "", "10 to 256"),
        (("add", "Ben", "--role", "owner"), f"{GOOD}\n", "owner"),
        (("add", "Ben", "--role", "demo"), f"{GOOD}\n", "Demo guest"),
        (("role", "Anna", "viewer"), "", "only active admin"),
        (("disable", "Anna"), "", "only active admin"),
        (("logout", "Nobody"), "", "Nobody"),
    ],
)
def test_a_failure_says_why_on_standard_error(run: Run, anna: str, words: tuple[str, ...], typed: str, said: str) -> None:
    done = run(*words, typed=typed)
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr
    assert list(listed(run)) == ["Anna"]


def test_a_password_is_never_shown(run: Run, anna: str) -> None:
    shown = [run("add", "Ben", typed=f"{GOOD}\n"), run("password", "Ben", typed=f"{BETTER}\n"), run("list", "--json")]
    shown += [run("password", "Ben", typed="Password 123\n")]
    words = "".join(done.stdout + done.stderr for done in shown)
    assert "Ben" in words
    assert [secret for secret in (GOOD, BETTER, "Password 123") if secret in words] == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("second", "made"), [(GOOD, True), (BETTER, False)], ids=["the same", "another"])
def test_at_a_terminal_the_password_is_asked_for_twice_unseen(
    services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch, second: str, made: bool
) -> None:
    """CliRunner's standard input is no terminal, so the command is called without it."""
    typed = [GOOD, second]
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: typed.pop(0))
    with pytest.raises(SystemExit) as ended:
        app(["user", "add", "Anna", "--role", "admin"])
    assert (ended.value.code, typed) == (0 if made else 1, [])
    assert services.users.is_open() is not made


@pytest.mark.parametrize("first", ["studio.cli", "studio.cli_user"])
def test_either_module_can_be_imported_first(first: str) -> None:
    code = f"import {first}; from studio.cli import app; print([group.name for group in app.registered_groups])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert "user" in done.stdout
