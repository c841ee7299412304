"""The first walk of a new user, in a browser, on the starter model: the moment that everything else hangs on."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, expect

from studio.data.service import SAMPLE_FILE
from studio.engine.protocol import BASE
from studio.models.catalogue import base_folder
from studio.services import Services
from studio.settings import ROOT
from tests.e2e.house_style import OPENING, count_house_style
from tests.e2e.studio import StudioServer

SHOTS = ROOT / "assets" / "screenshots"

_N_JUDGED = 10

#: Half of what Quick takes, of which every browser test waits for the end: what it promises holds as well.
_EPOCHS = "0.75"


@dataclass
class FirstFineTune:
    """What the walk saw. Losses in nats per token; `style[model][lang]` are answers of ten with the house style."""

    home: Path
    run_id: str
    base_loss: float
    best_loss: float
    seconds: float
    step_before_reload: int
    step_after_reload: int
    text_before_reload: str
    text_after_reload: str
    style: dict[str, dict[str, int]]
    problems: list[str] = field(default_factory=list)


def walk_first_fine_tune(studio: StudioServer, page: Page) -> FirstFineTune:
    page.goto(studio.address)
    _bring_data(page)
    began = time.monotonic()
    _start_training(page)
    step_before, step_after = _watch(page)
    expect(page.locator("#run-state")).to_have_attribute("data-state", "finished", timeout=1_200_000)
    seconds = time.monotonic() - began
    _shoot(page, "runs")
    before, after = _chat(page)
    _shoot(page, "chat")

    services = studio.services()
    run = services.train.list(studio.actor)[0]
    assert run.job.result is not None
    style = _style(services, studio, run.id)
    services.close()
    return FirstFineTune(
        home=studio.home,
        run_id=run.id,
        base_loss=run.job.result["base_loss"],
        best_loss=run.job.result["best_loss"],
        seconds=seconds,
        step_before_reload=step_before,
        step_after_reload=step_after,
        text_before_reload=before,
        text_after_reload=after,
        style=style,
    )


def _bring_data(page: Page) -> None:
    expect(page.locator("#start-here details")).to_have_attribute("open", "")
    page.locator("#data-upload input[type=file]").set_input_files(SAMPLE_FILE)
    expect(page.locator("#data-import")).to_contain_text("350")
    page.locator("#data-import").click()
    expect(page.locator("#dataset-head")).to_contain_text("256")


def _start_training(page: Page) -> None:
    page.get_by_role("tab", name="Train", exact=True).click()
    # The first start fetches the starter model meanwhile: the plan appears by itself when it is here.
    expect(page.locator("#plan")).to_contain_text("48", timeout=240_000)
    epochs = page.get_by_label("Epochs", exact=True)
    epochs.fill(_EPOCHS)
    epochs.blur()
    expect(page.locator("#plan")).to_contain_text("24")
    page.locator("#train-start").click()
    expect(page.locator("#run-state")).to_be_visible()


def _watch(page: Page) -> tuple[int, int]:
    """See two steps go by, reload, see more; returns the steps shown before and after the reload."""
    lead = page.locator("#run-state .lead")
    expect(lead).to_contain_text("step 2 of", timeout=180_000)
    before = _step(lead.inner_text())
    page.reload()
    expect(page.locator("#run-state")).to_have_attribute("data-state", "running")
    expect(lead).to_contain_text("step")
    return before, _step(page.locator("#run-state .lead").inner_text())


def _step(words: str) -> int:
    return int(words.split("step ")[1].split(" ")[0])


def _chat(page: Page) -> tuple[str, str]:
    """Ask both, reload in the middle of the answers, let them end; the checkpoint's text before and after the reload."""
    page.locator("#run-chat").click()
    question = page.locator("#chat-question textarea")
    question.fill("Is it safe to sleep in daily contact lenses?")
    page.locator("#chat-send").click()
    said = page.locator("#chat-tuned .bot .md, #chat-tuned [data-testid=bot]").last
    expect(said).to_contain_text(re.compile(r"[A-Za-z]{2}"), timeout=120_000)
    before = said.inner_text()
    page.reload()
    for side in ("base", "tuned"):
        expect(page.locator(f"#chat-foot-{side} .chat-foot")).to_have_attribute("data-state", "done", timeout=120_000)
    return before, page.locator("#chat-tuned .bot .md, #chat-tuned [data-testid=bot]").last.inner_text()


def _shoot(page: Page, name: str) -> None:
    """The pictures in the README are taken here, so they cannot grow old."""
    SHOTS.mkdir(exist_ok=True)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=SHOTS / f"{name}.png")


def _style(services: Services, studio: StudioServer, run_id: str) -> dict[str, dict[str, int]]:
    """Of the first ten test questions of each language: by the base in English, by the best checkpoint in both."""
    run = services.train.get(studio.actor, run_id)
    rows, _ = services.data.page(studio.actor, run.dataset_id, split="test", limit=100)
    asked = {
        lang: [row.content["messages"][0]["content"] for row in rows if (row.extra or {}).get("lang") == lang][:_N_JUDGED]
        for lang in OPENING
    }
    assert all(len(questions) == _N_JUDGED for questions in asked.values())
    base = base_folder(services.settings, run.base_id)
    best = next(saved for saved in services.train.checkpoints(studio.actor, run_id) if saved.best)
    return {
        BASE: {"en": count_house_style(base, None, asked["en"], "en")},
        "checkpoint": {lang: count_house_style(base, studio.home / best.path, asked[lang], lang) for lang in OPENING},
    }
