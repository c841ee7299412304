"""Files that cannot be used: said before anything is imported, in words, and nothing stays behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer

BAD = {
    "empty.jsonl": (b"", "holds no data"),
    "headless.csv": (b"Is it safe to swim in lenses?,No. Take them out first.\nMay I drive at night?,Yes.\n", "looks like data"),
    "columns.csv": (b"colour,size\nred,3\nblue,4\n", "colour"),
    "picture.jsonl": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG"),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, (content, _) in BAD.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_what_cannot_be_imported_is_said_plainly(fresh: StudioServer, visit: Visit, files: Path) -> None:
    page = visit().page
    for name, (_, said) in BAD.items():
        page.goto(fresh.address)
        page.locator("#data-upload input[type=file]").set_input_files(files / name)
        problem = page.locator("#inspection .problem")
        expect(problem).to_contain_text(said)
    services = fresh.services()
    assert list(services.data.list(fresh.actor)) == []
    services.close()


def test_a_broken_line_is_named_and_the_good_rows_are_offered(fresh: StudioServer, visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    lines = [f'{{"question": "Question {n}?", "answer": "Answer {n}."}}' for n in range(1, 6)]
    lines[2] = lines[2][:-9]
    path.write_text("\n".join(lines), "utf-8")
    page = visit(lang="zh").page
    page.goto(fresh.address)
    page.locator("#data-upload input[type=file]").set_input_files(path)
    refused = page.locator("#inspection .refused")
    expect(refused).to_contain_text("1 行被拒绝")
    expect(refused.locator("tbody td").first).to_have_text("3")
    page.locator("#data-import").click()
    expect(page.locator("#dataset-head")).to_contain_text("half")
    services = fresh.services()
    assert next(info for info in services.data.list(fresh.actor) if info.name == "half").n_rows == 4
    services.close()


def test_a_gbk_file_with_odd_columns_is_mapped_by_hand(fresh: StudioServer, visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes("病人的话,医生的话\n眼睛干怎么办,多眨眼，少看屏幕。\n能戴美瞳吗,不建议长时间佩戴。\n看东西模糊,先去验光。\n".encode("gb18030"))
    page = visit(lang="zh").page
    page.goto(fresh.address)
    page.locator("#data-upload input[type=file]").set_input_files(path)
    for box, column in (("#data-question", "病人的话"), ("#data-answer", "医生的话")):
        page.locator(f"{box} input").fill(column)
        page.locator(f"{box} input").press("Enter")
    expect(page.locator("#inspection")).to_contain_text("眼睛干怎么办")
    page.locator("#data-import").click()
    expect(page.locator("#dataset-head")).to_be_visible()
