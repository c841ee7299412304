"""Runs and answers go on, or end, as people expect: stop, restart, two people, a double click."""

from __future__ import annotations

import re

import sqlalchemy as sa
from playwright.sync_api import expect

from studio.engine.tables import answers
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer, start_short_run


def test_a_double_click_is_one_run_and_stop_keeps_a_checkpoint(own_trained: StudioServer, visit: Visit) -> None:
    page = visit().page
    start_short_run(page, own_trained)
    services = own_trained.services()
    assert len(services.train.list(own_trained.actor)) == 2
    expect(page.locator("#run-state .lead")).to_contain_text(re.compile(r"step [1-6] of 10"), timeout=120_000)
    page.locator("#run-stop").click()
    expect(page.locator("#run-state")).to_have_attribute("data-state", "stopped", timeout=120_000)
    expect(page.locator("#run-foot table tbody tr")).not_to_have_count(0)
    run = services.train.list(own_trained.actor)[0]
    saved = services.train.checkpoints(own_trained.actor, run.id)
    assert (own_trained.home / saved[-1].path / "adapter_model.safetensors").is_file()
    services.close()


def test_an_answer_cut_off_by_a_restart_is_offered_to_go_on(own_trained: StudioServer, visit: Visit) -> None:
    page = visit().page
    page.goto(f"{own_trained.address}?tab=chat")
    expect(page.locator("#chat-examples button").first).to_be_visible()
    page.locator("#chat-question textarea").fill("Tell me everything about cataracts, at length.")
    page.locator("#chat-send").click()
    expect(page.locator("#chat-foot-base .chat-foot")).to_contain_text("tokens", timeout=120_000)
    own_trained.kill_web()
    own_trained.start()
    page.reload()
    feet = [page.locator(f"#chat-foot-{side} .chat-foot") for side in ("base", "tuned")]
    states = [foot.get_attribute("data-state") for foot in feet]
    assert "interrupted" in states
    page.locator("#chat-go-on").click()
    for foot in feet:
        expect(foot).to_have_attribute("data-state", "done", timeout=120_000)
    services = own_trained.services()
    with services.db.read() as connection:
        assert set(connection.execute(sa.select(answers.c.state)).scalars()) == {"done"}
    services.close()


def test_stop_ends_both_answers_and_keeps_what_was_said(trained: StudioServer, visit: Visit) -> None:
    page = visit().page
    page.goto(f"{trained.address}?tab=chat")
    expect(page.locator("#chat-examples button").first).to_be_visible()
    page.locator("#chat-question textarea").fill("Write a long story about a lighthouse keeper.")
    page.locator("#chat-send").click()
    expect(page.locator("#chat-foot-base .chat-foot")).to_contain_text("tokens", timeout=120_000)
    page.locator("#chat-stop").click()
    expect(page.locator("#chat-foot-base .chat-foot")).to_have_attribute("data-state", "stopped")
    assert len(page.locator("#chat-base").inner_text()) > len("Write a long story about a lighthouse keeper.")


def test_two_people_see_the_same_runs_and_only_their_own_chats(trained: StudioServer, visit: Visit) -> None:
    first, second = visit().page, visit(lang="zh").page
    for page in (first, second):
        page.goto(f"{trained.address}?tab=chat")
        expect(page.locator("#chat-examples button").first).to_be_visible()
    first.locator("#chat-question textarea").fill("Is blue light harmful?")
    first.locator("#chat-send").click()
    expect(first.locator("#chat-foot-tuned .chat-foot")).to_have_attribute("data-state", "done", timeout=120_000)
    expect(first.locator("#chat-list")).to_contain_text("Is blue light harmful?")
    second.reload()
    expect(second.locator("#chat-list")).not_to_contain_text("Is blue light harmful?")
    second.goto(f"{trained.address}?tab=runs")
    expect(second.locator("#run-state")).to_have_attribute("data-state", "finished")


def test_a_new_chat_is_empty_while_the_last_one_is_still_answered(trained: StudioServer, visit: Visit) -> None:
    page = visit().page
    page.goto(f"{trained.address}?tab=chat")
    expect(page.locator("#chat-examples button").first).to_be_visible()
    page.locator("#chat-question textarea").fill("Describe the eye in all its parts.")
    page.locator("#chat-send").click()
    expect(page.locator("#chat-foot-base .chat-foot")).to_contain_text("tokens", timeout=120_000)
    page.locator("#chat-new").click()
    expect(page.locator("#chat-base")).not_to_contain_text("Describe the eye")
    page.locator("#chat-list a").first.click()
    expect(page.locator("#chat-base")).to_contain_text("Describe the eye")
    expect(page.locator("#chat-foot-base .chat-foot")).to_have_attribute("data-state", "done", timeout=120_000)
    expect(page.locator("#chat-send")).to_be_enabled()
