"""One home is trained once per run, by a walk through the browser; every other browser test gets a copy of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from studio.services import build_services
from studio.settings import Settings
from tests.e2e.studio import StudioServer
from tests.e2e.walk import FirstFineTune, walk_first_fine_tune
from tests.faulty import fill_home
from tests.tiny import make_tiny_base

#: A page whose language is opened for the first time is built then; on two busy cores that takes longer than Playwright waits.
expect.set_options(timeout=15_000)

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        own = shutil.which("chromium")
        running = playwright.chromium.launch(executable_path=own, args=_FLAGS) if own else playwright.chromium.launch()
        yield running
        running.close()


#: What Gradio's script says of a request that a page had in flight when it was left or reloaded: no fault of the page.
_SAID_ON_LEAVING = ("AbortError: signal is aborted", "Unexpected error Connection errored out")


class Visitor:
    """A browser window of one person: `problems` are what its console complained of, and answers with status 5xx."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self._heard(message.type, message.text))
        self.page.on("response", lambda got: self.problems.append(f"{got.status} {got.url}") if got.status >= 500 else None)


    def _heard(self, kind: str, words: str) -> None:
        if kind == "error" and not words.startswith(_SAID_ON_LEAVING):
            self.problems.append(words)


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """`visit(lang="zh", width=390)` opens a window; a second call is a second person."""
    opened: list[BrowserContext] = []

    def open_window(*, lang: str = "en", width: int = 1280, height: int = 900) -> Visitor:
        locale = {"en": "en-US", "zh": "zh-CN"}[lang]
        context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
        context.set_default_timeout(20_000)
        opened.append(context)
        return Visitor(context)

    yield open_window
    for context in opened:
        context.close()


@pytest.fixture(scope="session")
def first_fine_tune(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> FirstFineTune:
    """The whole promise, walked once: file, training, reload in the middle, chat."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(20_000)
    visitor = Visitor(context)
    with StudioServer(tmp_path_factory.mktemp("trained") / "home") as studio:
        walked = walk_first_fine_tune(studio, visitor.page)
    walked.problems += visitor.problems
    context.close()
    return walked


@pytest.fixture(scope="session")
def trained(first_fine_tune: FirstFineTune, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    """A running studio on a copy of the trained home, shared by the tests that start no training and kill nothing."""
    home = tmp_path_factory.mktemp("shared") / "home"
    _copy_home(first_fine_tune.home, home)
    with StudioServer(home) as studio:
        yield studio


@pytest.fixture
def own_trained(first_fine_tune: FirstFineTune, tmp_path: Path) -> Iterator[StudioServer]:
    """The same for one test alone, which may do with it what it likes."""
    home = tmp_path / "home"
    _copy_home(first_fine_tune.home, home)
    with StudioServer(home) as studio:
        yield studio


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    """A running studio on an empty home, without the starter model, shared by the tests of one file."""
    with StudioServer(tmp_path_factory.mktemp("fresh") / "home", STUDIO_STARTER="false") as studio:
        yield studio


@pytest.fixture(scope="module")
def tiny_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    """A running studio with tiny bases that learn in seconds, and the datasets of `tests.faulty`."""
    home = tmp_path_factory.mktemp("tiny") / "home"
    services = build_services(Settings(home=home, device="cpu").ready())
    services.db.migrate(services.settings)
    base = tmp_path_factory.mktemp("base") / "tiny"
    make_tiny_base(base)
    fill_home(services, base)
    services.close()
    with StudioServer(home, STUDIO_STARTER="false", STUDIO_DEVICE="cpu") as running:
        yield running


def _copy_home(source: Path, target: Path) -> None:
    """Large files that nobody changes (weights) are linked, everything else is copied."""

    def copy(origin: str, goal: str) -> str:
        if origin.endswith(".safetensors"):
            os.link(origin, goal)
            return goal
        return str(shutil.copy2(origin, goal))

    shutil.copytree(source, target, copy_function=copy)
