"""From four questions to the three broken rows of a spike: guided launch, pilot, queue, overlay, difference, spike, its rows.

On a tiny base that learns in seconds, on rows of which three are no text, so that what goes wrong goes wrong for real.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from studio.text import Lang, text
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer

#: What a tiny random model learns well, and as many rows at once that a batch with a broken one stands out.
FIELDS = {
    "learning-rate": "0.01",
    "lora-rank": "8",
    "lora-dropout": "0",
    "seed": "5",
    "per-device-batch-size": "6",
    "gradient-accumulation-steps": "1",
    "max-steps": "4000",
    "evaluations": "3",
}


@pytest.mark.parametrize(("lang", "width"), [("en", 1280), ("zh", 390)])
def test_from_four_questions_to_the_rows_of_a_spike(tiny_studio: StudioServer, visit: Visit, lang: Lang, width: int) -> None:
    visitor = visit(lang=lang, width=width)
    page = visitor.page
    services = tiny_studio.services()
    data = next(info for info in services.data.list(tiny_studio.actor) if info.name == "garbage")
    page.goto(f"{tiny_studio.address}?tab=train&dataset={data.id}&base=apt")

    _take_recipe(page, lang)
    _fill(page, FIELDS)
    page.locator("#field-probes input[value=none]").check()
    expect(page.locator("#plan")).to_contain_text(re.compile("4,?000"))
    _name(page).click()
    page.keyboard.insert_text("名字")  # as an input method or the clipboard writes: no keys
    _name(page).press("Tab")
    expect(page.locator("#train-yaml-text")).to_contain_text("名字")
    _try_a_few_steps(page, lang)
    page.reload()  # what was filled in is still there, and with it what came of trying it
    expect(page.locator("#pilot")).to_have_attribute("data-state", "finished")
    expect(_name(page)).to_have_value(re.compile("名字"))
    page.locator("#train-advanced button").first.click()

    names = [f"{lang} {letter}" for letter in "abcd"]
    _start(page, names[0], lang)
    for name, fields in zip(names[1:], ({"max-steps": "42"}, {"learning-rate": "0.005"}, {"seed": "6"}), strict=True):
        page.locator("#run-like").click()
        expect(_name(page)).to_have_value(re.compile(" 2$"))  # the settings of that run have come, under a name that is free
        _fill(page, fields)
        _start(page, name, lang)

    _reorder(page, names, lang)
    page.goto(f"{tiny_studio.address}?tab=runs&run={_run(tiny_studio, names[0])}")
    page.locator("#run-stop").click()
    for name in names[1:]:
        page.goto(f"{tiny_studio.address}?tab=runs&run={_run(tiny_studio, name)}")
        expect(page.locator("#run-state")).to_have_attribute("data-state", "finished", timeout=90_000)

    _compare(page, tiny_studio, names, lang)
    _open_spike(page, tiny_studio, names[1])
    assert visitor.problems == []
    services.close()


def _take_recipe(page: Page, lang: Lang) -> None:
    expect(page.locator("#recipe .reasons li")).not_to_have_count(0)
    expect(page.locator("#recipe-rows input[value=few]")).to_be_checked()
    expect(page.locator("#recipe-machine input[value=cpu]")).to_be_checked()
    page.locator("#recipe-goal input[value=facts]").check()
    rank = text(lang, "recipe.reason.facts", rank=32)
    expect(page.locator("#recipe")).to_contain_text(rank)
    page.locator("#recipe-take").click()
    expect(page.locator("#field-lora-rank input")).to_have_value("32")
    page.locator("#train-advanced button").first.click()
    page.locator("#train-yaml button").first.click()
    expect(page.locator("#train-yaml-text")).to_contain_text("lora_rank: 32")


def _fill(page: Page, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        field = page.locator(f"#field-{name} input[type=number]")
        field.fill(value)
        field.press("Tab")


def _try_a_few_steps(page: Page, lang: Lang) -> None:
    expect(page.locator("#memory")).to_have_attribute("data-fits", "true")
    page.locator("#train-pilot").click()
    expect(page.locator("#pilot")).to_have_attribute("data-state", "finished", timeout=90_000)
    expect(page.locator("#pilot")).to_contain_text(text(lang, "pilot.go"))


def _name(page: Page) -> Locator:
    return page.locator("#train-name textarea, #train-name input").first


def _start(page: Page, name: str, lang: Lang) -> None:
    """These rows have no validation split: that is asked about, and started anyway."""
    _name(page).fill(name)
    _name(page).press("Tab")
    page.locator("#train-start").click()
    expect(page.locator("#plan .asks")).to_be_visible()
    expect(page.locator("#train-start")).to_contain_text(text(lang, "train.start_anyway"))
    page.locator("#train-start").click()
    expect(page.locator("#run-state h2")).to_have_text(name)


def _waiting(page: Page) -> Locator:
    return page.locator("#queue .queued-item[data-job] > b")


def _reorder(page: Page, names: list[str], lang: Lang) -> None:
    """The last one first; held back and let go; and it is so after a reload."""
    expect(_waiting(page)).to_have_text([f"{n} · {name}" for n, name in enumerate(names[1:], 1)])
    for times in (1, 2):
        line = page.locator("#queue .queued-item[data-job]", has_text=names[3])
        line.get_by_role("button", name=text(lang, "queue.earlier")).click()
        at = 3 - times
        expect(_waiting(page).nth(at - 1)).to_have_text(f"{at} · {names[3]}")
    line = page.locator("#queue .queued-item[data-job]", has_text=names[2])
    line.get_by_role("button", name=text(lang, "queue.hold")).click()
    expect(line).to_have_attribute("data-state", "paused")
    line.get_by_role("button", name=text(lang, "queue.release")).click()
    expect(line).to_have_attribute("data-state", "queued")
    page.reload()
    order = [names[3], names[1], names[2]]
    expect(_waiting(page)).to_have_text([f"{n} · {name}" for n, name in enumerate(order, 1)])


def _run(studio: StudioServer, name: str) -> str:
    services = studio.services()
    found = next(run.id for run in services.train.list(studio.actor) if run.name == name)
    services.close()
    return found


def _compare(page: Page, studio: StudioServer, names: list[str], lang: Lang) -> None:
    """The second and the third run differ in one setting, and that is what is shown."""
    page.goto(f"{studio.address}?tab=runs&run={_run(studio, names[1])}")
    page.get_by_label(text(lang, "runs.over.label", name=names[2])).click()
    expect(page.locator("#run-compare tr.differs")).to_have_count(1)
    expect(page.locator("#run-compare tr.differs")).to_contain_text(text(lang, "field.TrainSpec.learning_rate.label"))
    expect(page.locator("#run-compare tr.differs td")).to_have_text(["0.01", "0.005"])
    expect(page.locator("#chart-loss .chart-table li")).to_have_count(2)
    page.reload()
    expect(page.locator("#run-compare tr.differs")).to_have_count(1)


def _open_spike(page: Page, studio: StudioServer, name: str) -> None:
    """A press on the mark opens the finding; its rows are the three that are no text; one of them opens in its dataset."""
    page.goto(f"{studio.address}?tab=runs&run={_run(studio, name)}")
    page.locator("#chart-loss .chart-marks button[data-press^='noticed-spike']").first.click()
    rows = page.locator("#run-noticed details[open] .rows li")
    expect(rows).to_have_count(3)
    answer = rows.first.locator(".said").last.inner_text()
    assert re.search("[#%&]", answer), answer
    rows.first.locator("a").click()
    expect(page.locator("#data-detail")).to_contain_text(answer.split("\n")[-1][:40])
