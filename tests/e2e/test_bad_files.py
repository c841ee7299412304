"""Files that cannot be used: said before anything is imported, in words, and nothing stays behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer

BAD = {
    "empty.jsonl": (b"", "holds no data"),
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


def test_what_the_studio_is_not_sure_of_is_asked_and_not_imported(fresh: StudioServer, visit: Visit, tmp_path: Path) -> None:
    page = visit().page
    asked = {"headless.csv": (b"May I swim?,No.\nMay I drive?,Yes.\n", "column 1"), "odd.csv": (b"hue,size\nred,3\n", "hue")}
    for name, (content, column) in asked.items():
        (tmp_path / name).write_bytes(content)
        page.goto(fresh.address)
        page.locator("#data-upload input[type=file]").set_input_files(tmp_path / name)
        expect(page.locator("#inspection .asks")).to_be_visible()
        expect(page.locator("#draft-preview thead")).to_contain_text(column)
        expect(page.locator("#data-import")).to_be_disabled()


def test_a_broken_line_is_named_and_the_good_rows_are_offered(fresh: StudioServer, visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    lines = [f'{{"question": "Question {n}?", "answer": "Answer {n}."}}' for n in range(1, 6)]
    lines[2] = lines[2][:-9]
    path.write_text("\n".join(lines), "utf-8")
    page = visit(lang="zh").page
    page.goto(fresh.address)
    page.locator("#data-upload input[type=file]").set_input_files(path)
    refused = page.locator("#draft-preview .refused")
    expect(refused).to_contain_text("1 行被拒绝")
    expect(refused.locator("tbody td").first).to_have_text("3")
    page.locator("#data-import").click()
    expect(page.locator("#dataset-head")).to_contain_text("half")
    services = fresh.services()
    assert next(info for info in services.data.list(fresh.actor) if info.name == "half").n_rows == 4
    services.close()
