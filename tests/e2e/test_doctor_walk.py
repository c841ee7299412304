"""A clinic's dataset is examined, two findings are read, mended, looked at, taken back; drafts are accepted; a row is looked at
under two bases.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from studio.data.jobs import ImportFile, ImportSpec
from studio.jobs.queue import ENDED
from studio.models.catalogue import base_folder
from studio.text import text
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer
from tests.planted.plants import planted
from tests.tiny import enter_base, make_tiny_base

_SEED = 77

#: An examination of some hundred rows and the worker's turn take seconds; on a slow machine with two cores, more.
_EXAMINED_MS = 120_000


def bring(studio: StudioServer, path: Path, name: str, rows: list[dict[str, Any]], **how: Any) -> str:
    """A dataset that somebody has imported."""
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    services = studio.services()
    file = ImportFile(upload=services.data.stage(studio.actor, path), name=path.name)
    made = services.data.import_upload(studio.actor, ImportSpec(files=[file], dataset_name=name, **how))
    services.close()
    assert made.dataset_id is not None
    return made.dataset_id


def last_examination(studio: StudioServer) -> str:
    services = studio.services()
    state = services.jobs.latest(studio.actor, "doctor", limit=1)[0].state
    services.close()
    return state


def second_base(studio: StudioServer) -> None:
    services = studio.services()
    folder = base_folder(services.settings, "tiny")
    folder.mkdir(parents=True)
    make_tiny_base(folder)
    enter_base(services.db, folder)
    services.close()


def choose(page: Page, box: str, option: str) -> None:
    page.locator(f"#{box} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def test_from_an_examination_to_a_mended_dataset_and_back(own_trained: StudioServer, visit: Visit, tmp_path: Path) -> None:
    made = planted("zh", _SEED, n_clean=200).rows
    rows = [{"messages": row["content"]["messages"], "split": row["split"]} for row in made]
    dataset = bring(own_trained, tmp_path / "clinic.jsonl", "门诊问答", rows)
    three = [{"messages": row["messages"]} for row in rows[:3]]
    drafts = bring(own_trained, tmp_path / "drafts.jsonl", "草稿", three, drafts=True)
    visitor = visit(lang="zh")
    page = visitor.page

    # 1 Examine: the report comes by itself, also after a reload
    page.goto(f"{own_trained.address}?tab=data&dataset={dataset}&view=doctor")
    expect(page.locator("#doctor-found")).to_contain_text(text("zh", "doctor.empty", n=len(rows)))
    page.locator("#doctor-examine").click()
    expect(page.locator("#data-stop")).to_be_visible()
    page.reload()
    findings = page.locator(".finding-list")
    expect(findings).to_be_visible(timeout=_EXAMINED_MS)
    expect(page.locator(".health .score b")).to_have_text(re.compile(r"^[1-9]?\d$"))

    # 2 Two findings read: the rule, an example with what the mend would do; a cluster with the row that stays
    finding = page.locator("#doctor-finding")
    findings.get_by_text(text("zh", "check.radicals.name")).click()
    expect(finding.locator("h3")).to_have_text(text("zh", "check.radicals.name"))
    finding.get_by_text(text("zh", "doctor.rule"), exact=True).click()
    expect(finding).to_contain_text("U+2F00")
    expect(finding.locator(".example ins").first).to_be_visible()
    findings.get_by_text(text("zh", "check.exact_duplicates.name")).click()
    expect(finding.locator(".cluster tr.kept").first).to_contain_text(text("zh", "doctor.kept"))

    # 3 Mended with one click, the difference seen
    n = finding.locator(".acts .main").inner_text().split("(")[1].strip(")")
    finding.locator(".acts .main").click()
    expect(finding.locator(".well")).to_have_text(text("zh", "doctor.none_left"))
    last = page.locator(".told-line.last")
    expect(last).to_contain_text(text("zh", "check.exact_duplicates.done", n=int(n)))
    last.get_by_role("link").click()
    expect(page.locator("studio-rows .change del").first).to_be_visible()
    page.go_back()

    # 4 Taken back with another
    expect(last).to_be_visible()
    last.get_by_role("button").click()
    expect(finding.locator(".acts .main")).to_contain_text(f"({n})")

    # 5 The rows that a finding names, in the editor
    finding.get_by_role("link", name=text("zh", "doctor.rows")).click()
    expect(page.locator("studio-rows .chips")).to_contain_text(text("zh", "check.exact_duplicates.name"))

    # 6 Three drafts accepted: then they are training rows
    page.goto(f"{own_trained.address}?tab=data&dataset={drafts}&view=review")
    queue = page.locator("studio-rows")
    expect(queue.locator(".found")).to_contain_text(text("zh", "rows.waiting", n=3))
    queue.locator("tbody tr").first.click()
    for left in (2, 1, 0):
        queue.locator("button.accept").click()
        if left:
            expect(queue.locator("tbody tr")).to_have_count(left)
            expect(queue.locator(".editor h3")).to_be_visible()
    expect(queue.locator(".none")).to_contain_text(text("zh", "rows.queue_empty"))
    page.locator("#dataset-head .pills a").first.click()
    expect(page.locator("#dataset-head .tiles div").first).to_contain_text("3")
    expect(queue.locator("tbody tr")).to_have_count(3)  # the list follows the pill
    page.locator("#dataset-head .pills a").nth(1).click()
    expect(queue.locator(".none")).to_contain_text(text("zh", "rows.queue_empty"))

    # 7 A row under two bases
    second_base(own_trained)
    page.goto(f"{own_trained.address}?tab=data&dataset={dataset}&view=tokens")
    expect(page.locator("#tokens-seen .seen-base")).to_have_count(2)
    expect(page.locator("#tokens-seen .token-flow .t.y").first).to_be_visible()
    expect(page.locator("#tokens-seen .seen-base h4").nth(1)).to_contain_text("Tiny")
    assert visitor.problems == []


def test_an_examination_is_stopped_and_another_outlives_the_web_server(
    own_trained: StudioServer, visit: Visit, tmp_path: Path
) -> None:
    made = planted("en", _SEED, n_clean=4_000).rows  # some seconds' work, to be caught in the middle
    rows = [{"messages": row["content"]["messages"]} for row in made]
    dataset = bring(own_trained, tmp_path / "many.jsonl", "many", rows)
    page = visit(lang="en", width=390).page
    page.goto(f"{own_trained.address}?tab=data&dataset={dataset}&view=doctor")
    page.locator("#doctor-examine").click()
    page.locator("#data-stop").click()
    expect(page.locator("#data-stop")).not_to_be_visible()
    expect(page.locator(".doctor-empty")).to_be_visible()
    assert last_examination(own_trained) == "stopped"

    page.locator("#doctor-examine").click()
    expect(page.locator("#data-stop")).to_be_visible()
    own_trained.kill_web()
    assert last_examination(own_trained) not in ENDED
    own_trained.start()
    page.goto(f"{own_trained.address}?tab=data&dataset={dataset}&view=doctor")
    expect(page.locator(".health")).to_be_visible(timeout=_EXAMINED_MS)
