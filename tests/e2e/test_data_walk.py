"""A teacher brings her files and works on them: from a GBK export with odd names to a locked test set and a file to take away."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from studio.data import store
from studio.data.importer import read_rows
from studio.data.rows import NewRow
from studio.settings import ROOT
from studio.text import text
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer

#: A spreadsheet program's export: odd names, GBK, a conversation's turns as JSON in a cell, commas and line breaks in cells.
N_ROWS = 40


def gbk_export() -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["对话记录", "单元"])
    for number in range(N_ROWS):
        turns = [
            {"role": "user", "content": f"第{number}题：光合作用需要什么？\n请写全。"},
            {"role": "assistant", "content": "需要光、水和二氧化碳。"},
            {"role": "user", "content": "还有别的吗？"},
            {"role": "assistant", "content": "还要叶绿素。"},
        ]
        writer.writerow([json.dumps(turns, ensure_ascii=False), f"单元{number % 4}"])
    return stream.getvalue().encode("gb18030")


def choose(page: Page, box: str, option: str) -> None:
    page.locator(f"#{box} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def test_from_a_gbk_export_to_a_locked_test_set_and_a_file_to_take_away(
    fresh: StudioServer, visit: Visit, tmp_path: Path
) -> None:
    path = tmp_path / "导出.csv"
    path.write_bytes(gbk_export())
    visitor = visit(lang="zh")
    page = visitor.page
    page.goto(fresh.address)

    # 1 What it is, and what the studio has to ask
    page.locator("#data-upload input[type=file]").set_input_files(path)
    said = page.locator("#inspection")
    expect(said).to_contain_text("GB18030")
    expect(said.locator(".asks")).to_have_text(text("zh", "draft.asks.proposal"))

    # 2 The answer, and the rows that follow at once
    choose(page, "draft-target", text("zh", "data.target.turns"))
    choose(page, "draft-part-0", "对话记录")
    preview = page.locator("#draft-preview")
    expect(preview.locator(".said.assistant").first).to_contain_text("需要光、水和二氧化碳")
    page.reload()
    expect(preview.locator(".said.assistant").first).to_contain_text("需要光、水和二氧化碳")
    page.locator("#data-import").click()
    expect(page.locator("#dataset-head")).to_contain_text("导出")

    # 3 A conversation mended in its bubbles
    rows = page.locator("studio-rows")
    rows.locator("input.search").fill("光合")
    rows.locator("tbody tr").first.click()
    rows.locator("[data-path='messages[3].content']").fill("还要叶绿素和适宜的温度。")
    page.keyboard.press("Control+s")
    expect(rows.locator(".notice")).to_have_text(text("zh", "rows.saved"))
    rows.screenshot(path=ROOT / "assets" / "screenshots" / "data.png")  # for the README
    page.keyboard.press("Escape")

    # 4 A phrase replaced everywhere, looked at, taken back
    rows.locator("button.main.writes").click()
    rows.locator(".do-replace").click()
    rows.locator("dialog textarea").nth(0).fill("二氧化碳")
    rows.locator("dialog textarea").nth(1).fill("CO₂")
    expect(rows.locator("dialog .example ins").first).to_contain_text("CO₂")
    rows.locator("dialog footer .main").click()
    expect(rows.locator(".toast")).to_contain_text(str(N_ROWS))
    rows.locator(".tools button").nth(2).click()
    rows.locator(".revisions li").first.get_by_role("link").first.click()
    expect(rows.locator(".change ins").first).to_contain_text("CO₂")
    page.go_back()
    page.go_back()
    rows.locator(".tools button").nth(0).click()
    expect(rows.locator(".toast")).to_have_text(text("zh", "rows.undone"))

    # 5 Splits by the unit, the test set locked
    page.locator("#dataset-head .pills a[href*='view=split']").click()
    page.locator("#split-by label").nth(1).click()
    page.locator("#split-column textarea, #split-column input").fill("单元")
    page.locator("#split-look").click()
    expect(page.locator("#split-preview")).to_contain_text(text("zh", "split.test"))
    page.locator("#split-assign").click()
    expect(page.locator("#dataset-head .tiles")).to_be_visible()
    page.locator("#dataset-head .pills a[href*='view=split']").click()
    page.locator("#split-lock-it").click()
    expect(page.locator("#split-lock")).to_contain_text(text("zh", "split_panel.locked"))

    # 6 Out, and the same rows come back
    page.locator("#dataset-head .pills a[href*='view=card']").click()
    page.locator("#export-look").click()
    expect(page.locator("#export-preview")).to_contain_text("光合作用")
    choose(page, "export-format", text("zh", "export_panel.format.llama_factory"))
    page.locator("#export-make").click()
    with page.expect_download() as download:
        page.locator("#export-made a").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert any(name.endswith("dataset_info.json") for name in archive.namelist())
    choose(page, "export-format", "JSONL")
    page.locator("#export-make").click()
    expect(page.locator("#export-made a")).to_contain_text(".jsonl")
    with page.expect_download() as download:
        page.locator("#export-made a").click()
    back = [row for row in read_rows(Path(download.value.path()), "back.jsonl") if isinstance(row, NewRow)]

    services = fresh.services()
    info = next(info for info in services.data.list(fresh.actor) if info.name == "导出")
    kept = list(store.iter_rows(services.db, info.id, info.revision))
    assert [(row.content, row.split, row.extra) for row in back] == [(row.content, row.split, row.extra) for row in kept]
    assert kept[0].content["messages"][3]["content"] == "还要叶绿素和适宜的温度。"
    assert not any("CO₂" in str(row.content) for row in kept)
    assert info.locked_at is not None
    units = {split: {row.extra["单元"] for row in kept if row.split == split and row.extra} for split in ("train", "test")}
    assert units["train"] and units["test"] and not units["train"] & units["test"]
    services.close()
    assert visitor.problems == []


def test_several_files_at_once_one_of_them_broken(fresh: StudioServer, visit: Visit, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for split in ("train", "test"):
            lines = [json.dumps({"question": f"{split} {n}?", "answer": "Yes."}) for n in range(6)]
            archive.writestr(f"{split}.jsonl", "\n".join(lines))
    (tmp_path / "rows.zip").write_bytes(stream.getvalue())
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    (tmp_path / "notes.md").write_text("# Eyes\n\nThe lens bends light.\n\n# Ears\n\nThe drum swings.\n", "utf-8")
    page = visit().page
    page.goto(fresh.address)
    files = [tmp_path / name for name in ("rows.zip", "broken.xlsx", "notes.md")]
    page.locator("#data-upload input[type=file]").set_input_files(files)
    listed = page.locator(".draft-files li")
    expect(listed).to_have_count(4)
    expect(listed.filter(has_text="broken.xlsx")).to_contain_text(text("en", "draft.state.problem"))
    expect(listed.filter(has_text="notes.md")).to_contain_text(text("en", "draft.state.sure", n=2))
    page.locator("#draft-chosen label", has_text="notes.md").click()
    expect(page.locator("#draft-chosen label", has_text="broken.xlsx").locator("input")).not_to_be_checked()
    expect(page.locator("#data-import")).to_contain_text("12")
    page.locator("#data-name textarea, #data-name input").fill("Zipped")
    page.locator("#data-import").click()
    expect(page.locator("#dataset-head")).to_contain_text("Zipped")
    services = fresh.services()
    info = next(info for info in services.data.list(fresh.actor) if info.name == "Zipped")
    assert info.counts == {"train": 6, "test": 6}
    services.close()
