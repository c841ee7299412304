"""Votes become a DPO run, its best checkpoint a model of its own: proved equal, noted, downloaded, let go with care.

On a tiny base that learns in seconds; what votes do to the starter model is `test_votes_on_the_starter_model`.
"""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from studio.data.service import SAMPLE_FILE, ImportSpec
from studio.services import Services
from studio.text import Lang, text
from tests.e2e.conftest import Visit
from tests.e2e.studio import StudioServer

#: Pairs that are trained on, and held out.
N_TRAIN, N_HELD_OUT = 60, 16


def choose(page: Page, field: str, words: str) -> None:
    page.locator(f"#{field} input").click()
    page.get_by_role("option", name=words, exact=True).click()


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        field = page.locator(f"#field-{name.replace('_', '-')} input[type=number]")
        field.fill(value)
        field.press("Tab")


@pytest.mark.parametrize(("lang", "width"), [("en", 1280), ("zh", 390)])
def test_from_votes_to_a_model_of_ones_own(
    tiny_studio: StudioServer, visit: Visit, tmp_path: Path, lang: Lang, width: int
) -> None:
    visitor = visit(lang=lang, width=width)
    page = visitor.page
    name = f"votes {lang}"
    _train_on_votes(page, tiny_studio, name, lang)
    _look_at_its_health(page, lang)
    _merge_the_best(page, tiny_studio, name, lang)
    folder = _download(page, tmp_path)
    assert _loads_in_plain_transformers(folder)
    _note_and_delete(page, tiny_studio, name, lang)
    assert visitor.problems == []


def _train_on_votes(page: Page, studio: StudioServer, name: str, lang: Lang) -> None:
    services = studio.services()
    votes = next(info for info in services.data.list(studio.actor) if info.name == "pairs")
    services.close()
    page.goto(f"{studio.address}?tab=train&dataset={votes.id}&base=apt")
    expect(page.locator("#plan .tiles")).to_be_visible()
    expect(page.locator("#field-stage input")).to_have_value(text(lang, "enum.Stage.dpo"))  # what these rows are made for
    expect(page.locator("#field-beta")).to_be_visible()
    choose(page, "field-stage", text(lang, "enum.Stage.sft"))
    expect(page.locator("#field-beta")).to_be_hidden()
    choose(page, "field-stage", text(lang, "enum.Stage.dpo"))
    expect(page.locator("#field-beta")).to_be_visible()
    expect(page.locator("#plan")).to_contain_text(text(lang, "enum.Stage.dpo.help"))
    choose(page, "field-method", text(lang, "enum.Method.prompt_tuning"))
    expect(page.locator("#field-virtual-tokens")).to_be_visible()
    expect(page.locator("#field-lora-rank")).to_be_hidden()
    choose(page, "field-method", text(lang, "enum.Method.dora"))
    expect(page.locator("#field-lora-rank")).to_be_visible()
    expect(page.locator("#plan")).to_contain_text(text(lang, "enum.Method.dora.help"))
    page.locator("#train-advanced button").first.click()
    fill(page, learning_rate="0.02", max_steps="10", evaluations="2", per_device_batch_size="4")
    page.locator("#field-probes input[value=none]").check()
    page.reload()  # what was chosen is still there
    expect(page.locator("#field-beta")).to_be_visible()
    expect(page.locator("#field-learning-rate input")).to_have_value("0.02")
    field = page.locator("#train-name textarea, #train-name input").first
    field.fill(name)
    field.press("Tab")
    page.locator("#train-start").click()
    expect(page.locator("#run-state h2")).to_have_text(name)
    expect(page.locator("#run-state")).to_have_attribute("data-state", "finished", timeout=90_000)


def _look_at_its_health(page: Page, lang: Lang) -> None:
    expect(page.locator("#chart-rewards")).to_be_visible()
    expect(page.locator("#chart-rewards .chart-table li")).not_to_have_count(0)
    expect(page.locator("#run-state")).to_contain_text(text(lang, "enum.Stage.dpo"))


def _merge_the_best(page: Page, studio: StudioServer, name: str, lang: Lang) -> None:
    services = studio.services()
    run = next(run for run in services.train.list(studio.actor) if run.name == name)
    told = [event for event in services.jobs.events(studio.actor, run.job.id, ["evaluated"]) if event["split"] == "validation"]
    services.close()
    assert told[0]["loss"] == pytest.approx(math.log(2), abs=5e-3)  # bfloat16, where the machine computes it
    assert told[-1]["scores"]["margin"] > told[0]["scores"]["margin"] + 0.01
    page.goto(f"{studio.address}?tab=models")
    page.locator("#models-list .item", has=page.locator(".tag.best")).first.click()
    expect(page.locator("#checkpoint h2")).to_contain_text(name)
    page.locator("#model-merge").click()
    page.locator("#open-merged").click(timeout=60_000)
    expect(page.locator("#equality")).to_contain_text(text(lang, "shelf.equal"))


def _download(page: Page, tmp_path: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator("#download-model").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    return tmp_path


def _loads_in_plain_transformers(folder: Path) -> bool:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    return bool(model.num_parameters() > 0 and (folder / "README.md").is_file())


def _note_and_delete(page: Page, studio: StudioServer, name: str, lang: Lang) -> None:
    """The note stays after a reload; a checkpoint that a run went on from says so, and is asked about before it goes."""
    services = studio.services()
    run = next(run for run in services.train.list(studio.actor) if run.name == name)
    services.close()
    here = f"{studio.address}?tab=models&model={run.id}@10"
    page.goto(here)
    expect(page.locator("#checkpoint h2")).to_contain_text(name)
    page.locator("#model-note textarea").fill("knows how to count")
    page.locator("#model-tags textarea, #model-tags input").first.fill("counting, 数数")
    page.locator("#model-save").click()
    expect(page.locator("#models-list .tag", has_text="数数").first).to_be_visible()
    page.reload()
    expect(page.locator("#model-note textarea")).to_have_value("knows how to count")
    page.locator("#model-further").click()
    expect(page.locator("#plan .note").first).to_contain_text(f"→ {name} · {text(lang, 'shelf.step', step=10)}")
    expect(page.locator("#field-method input")).to_have_value(text(lang, "enum.Method.dora"))
    expect(page.locator("#train-start-from input")).to_have_value(f"{name} · 10")
    page.locator("#train-start").click()
    expect(page.locator("#run-state h2")).to_have_text(f"{name} 2")
    expect(page.locator("#run-state .note").first).to_contain_text(f"→ {name} · {text(lang, 'shelf.step', step=10)}")
    expect(page.locator("#run-state")).to_have_attribute("data-state", "finished", timeout=90_000)
    page.goto(here)
    expect(page.locator("#checkpoint .warning")).to_contain_text(f"{name} 2")
    expect(page.locator("#model-delete")).to_be_hidden()
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.locator("#model-delete-anyway").click()
    expect(page.locator("#checkpoint h2")).to_contain_text(f"{name} 2")  # what is left is shown
    assert asked == [text(lang, "sure.model_delete_anyway")]
    expect(page.locator("#models-list .item", has_text=f"{name} · 10")).to_be_visible()  # the merged model stays


# --- the starter model ------------------------------------------------------------------------------------------------


def votes_of_the_sample(path: Path) -> Path:
    """Pairs from the sample answers: people chose the one that says when to see a doctor, over the same without that line.

    In English, of which the starter model's tokenizer makes a third of the tokens.
    """
    lines: list[dict[str, Any]] = []
    for line in SAMPLE_FILE.read_text("utf-8").splitlines():
        row = json.loads(line)
        question, answer = row["messages"][:2]
        first = answer["content"].split("\n")[0]
        if row["lang"] == "en" and first != answer["content"] and len(lines) < N_TRAIN + N_HELD_OUT:
            split = "train" if len(lines) < N_TRAIN else "validation"
            rejected = [{"role": "assistant", "content": first}]
            lines.append({"prompt": [question], "chosen": [answer], "rejected": rejected, "split": split})
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return path


def test_votes_on_the_starter_model(own_trained: StudioServer, tmp_path: Path, visit: Visit) -> None:
    """60 pairs on top of what it has learnt: loss from ln 2, and held-out pairs that it never saw are told apart by more."""
    services: Services = own_trained.services()
    actor = own_trained.actor
    upload = services.data.stage(actor, votes_of_the_sample(tmp_path / "votes.jsonl"))
    services.data.import_upload(actor, ImportSpec(upload=upload, file_name="votes.jsonl", dataset_name="votes"))
    votes = next(info for info in services.data.list(actor) if info.name == "votes")
    assert votes.counts == {"train": N_TRAIN, "validation": N_HELD_OUT}
    run = services.train.list(actor)[0]
    best = next(saved for saved in services.train.checkpoints(actor, run.id) if saved.best)
    begun = services.train.begin_from(actor, best.name)
    short = {"epochs": 1, "per_device_batch_size": 4, "evaluations": 1, "probes": "none", "patience": 0, "max_seq_len": 128}
    spec = services.train.complete(actor, {"name": "votes", "dataset": votes.id, "stage": "dpo"} | begun | short)
    run_id = services.train.start(actor, spec)
    page = visit().page
    page.goto(f"{own_trained.address}?tab=runs&run={run_id}")
    expect(page.locator("#run-state")).to_have_attribute("data-state", "finished", timeout=300_000)
    job = services.train.get(actor, run_id).job
    told = [event for event in services.jobs.events(actor, job.id, ["evaluated"]) if event["split"] == "validation"]
    services.close()
    assert told[0]["loss"] == pytest.approx(math.log(2), abs=1e-2)  # bfloat16, where the machine computes it
    assert told[-1]["scores"]["margin"] > told[0]["scores"]["margin"] + 0.05
    assert told[-1]["scores"]["accuracy"] > 0.6
