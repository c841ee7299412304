"""The page as Gradio has it: every event private, both languages alike, nothing that holds a connection open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from components.shell import TABS, build_studio
from studio.services import Services, build_services
from studio.settings import ROOT, Settings
from studio.text import text


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = Settings(home=tmp_path_factory.mktemp("ui") / "home").ready()
    built = build_services(settings)
    built.db.migrate(settings)
    yield built
    built.close()


@pytest.fixture(scope="module")
def pages(services: Services) -> dict[str, gr.Blocks]:
    return {"en": build_studio(services, "en"), "zh": build_studio(services, "zh")}


def test_every_event_is_private(pages: dict[str, gr.Blocks]) -> None:
    open_events = [fn.name for fn in pages["en"].fns.values() if fn.api_visibility != "private"]
    assert open_events == []


def test_both_languages_register_the_same_events_in_the_same_order(pages: dict[str, gr.Blocks]) -> None:
    """An open page in one language goes on working when the other one is built: events are called by their index."""
    names = {lang: [fn.name for fn in blocks.fns.values()] for lang, blocks in pages.items()}
    assert names["en"] == names["zh"]


def test_the_page_stays_small(pages: dict[str, gr.Blocks]) -> None:
    """DESIGN allows about 1,000 components and 350 events for nine tabs."""
    assert len(pages["en"].blocks) <= 1000
    assert len(pages["en"].fns) <= 350


def test_nothing_holds_a_connection_open(pages: dict[str, gr.Blocks]) -> None:
    """gr.State and `unload` keep a heartbeat per page: the sixth open tab of a browser would hang (CONTRACTS 10)."""
    assert not [block for block in pages["en"].blocks.values() if isinstance(block, gr.State)]
    assert not [fn for fn in pages["en"].fns.values() if any(event == "unload" for _, event in fn.targets)]


def test_every_tab_has_its_name_in_both_languages() -> None:
    for tab in TABS:
        assert text("en", f"tab.{tab.id}") != text("zh", f"tab.{tab.id}")


@pytest.mark.parametrize(
    "modules", ["components.serve, components.web", "studio.processes.worker", "studio.cli"], ids=["web", "worker", "cli"]
)
def test_no_torch_in_a_process_that_only_reads_and_watches(modules: str, tmp_path: Path) -> None:
    """Torch alone costs seconds and hundreds of megabytes; only jobs of the class device and engines pay for it."""
    program = (
        f"import sys, {modules}\n"
        "from studio.settings import Settings\n"
        "from studio.services import build_services\n"
        f"settings = Settings(home={str(tmp_path / 'home')!r}).ready()\n"
        "services = build_services(settings); services.db.migrate(settings)\n"
        + (
            "from components.shell import build_studio; build_studio(services, 'en')\n" if "components" in modules else ""
        )
        + "print([name for name in ('torch', 'transformers', 'datasets', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
