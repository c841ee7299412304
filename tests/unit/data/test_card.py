"""The card as Markdown, and its header as the library `datasets` reads it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml
from pydantic import ValidationError

from studio.data.card import LICENCES, Card, CardInfo, FileFact, RevisionFact, Scripts, card_markdown, yaml_header
from studio.text import LANGS, Lang, has_text, text

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INFO = CardInfo(
    name="eyes",
    revision=3,
    content_hash="ab" * 32,
    counts={"chat": {"train": 8, "test": 2}, "text": {None: 5}},
    origins={"eyes.csv": 15},
    revisions=(RevisionFact(2, AT), RevisionFact(3, AT, "mended")),
)


def header(card: Card, info: CardInfo = INFO, *, with_configs: bool = False) -> dict[str, object]:
    told = yaml_header(card, info, with_configs=with_configs)
    assert told.startswith("---\n")
    assert told.endswith("---\n\n")
    found = yaml.safe_load(told.removeprefix("---\n").removesuffix("---\n\n"))
    assert isinstance(found, dict)
    return found


# --- the form ---------------------------------------------------------------------------------------------------------


def test_every_field_may_be_empty_and_has_words_in_both_languages() -> None:
    assert Card() == Card.model_validate({})
    for name in Card.model_fields:
        assert has_text(f"field.Card.{name}.label")
        assert has_text(f"field.Card.{name}.help")


def test_an_unknown_field_and_a_novel_are_refused() -> None:
    with pytest.raises(ValidationError):
        Card.model_validate({"colour": "red"})
    with pytest.raises(ValidationError):
        Card(uses="x" * 10_001)


# --- Markdown ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
def test_the_studio_fills_in_rows_by_kind_and_split(lang: Lang) -> None:
    told = card_markdown(Card(), INFO, lang)
    assert told.startswith("# eyes\n")
    for kind, split, n in (("chat", "train", 8), ("chat", "test", 2), ("text", "none", 5)):
        assert f"| {kind} | {text(lang, f'split.{split}')} | {n} |" in told
    assert "ab" * 32 in told
    assert "- eyes.csv: 15" in told
    assert "| 3 | 2026-03-01 12:00 UTC | mended |" in told


def test_a_section_without_words_is_left_out() -> None:
    told = card_markdown(Card(uses="Teaching."), INFO, "en")
    assert "## Uses\n\n### Meant for\n\nTeaching." in told
    assert "## Motivation" not in told


def test_what_people_wrote_brings_no_tags_and_no_headings() -> None:
    told = card_markdown(Card(source="<script>x</script>\n# Uses\n  ## Uses"), INFO, "en")
    assert "<script>" not in told
    assert "&lt;script&gt;" in told
    assert "\n\\# Uses\n  \\## Uses" in told


def test_a_note_of_several_lines_stays_in_its_row() -> None:
    info = CardInfo("a", 1, "", {}, revisions=(RevisionFact(1, AT, "one\n| two"),))
    assert "| 1 | 2026-03-01 12:00 UTC | one \\| two |" in card_markdown(Card(), info, "en")


def test_what_the_studio_did_is_told_in_the_language_of_the_card() -> None:
    summary = {"key": "split.train", "params": {}}
    info = CardInfo("a", 1, "", {}, revisions=(RevisionFact(1, AT, "", summary),))
    for lang in LANGS:
        assert f"UTC | {text(lang, 'split.train')} |" in card_markdown(Card(), info, lang)


def test_rows_that_are_left_out_are_told_with_their_reasons() -> None:
    told = card_markdown(Card(), CardInfo("a", 1, "", {}, unfit={"data.unfit.tools": 7}), "en")
    assert f"- 7: {text('en', 'data.unfit.tools')}" in told


# --- scripts ----------------------------------------------------------------------------------------------------------


def test_scripts_are_shares_of_letters() -> None:
    """Six letters of Latin, three of Han, one of Greek; digits and signs are none."""
    scripts = Scripts()
    scripts.add("Abc def 123 高血压 λ!?")
    assert scripts.shares() == {"latin": 0.6, "han": 0.3, "other": 0.1}


def test_a_dataset_without_letters_has_no_scripts() -> None:
    scripts = Scripts()
    scripts.add("1 + 1 = 2")
    assert scripts.shares() == {}


# --- the header -------------------------------------------------------------------------------------------------------


def test_a_licence_of_spdx_has_its_name_on_the_hub() -> None:
    assert header(Card(licence="cc-by-sa-4.0"))["license"] == "cc-by-sa-4.0"
    assert header(Card(licence="ODC-By-1.0"))["license"] == "odc-by"
    assert all(name == name.lower() for name in LICENCES.values())


def test_terms_of_their_own_are_another_licence_by_its_name() -> None:
    found = header(Card(licence="only: in our school"))
    assert (found["license"], found["license_name"]) == ("other", "only: in our school")


@pytest.mark.parametrize(
    ("said", "codes"), [("zh, en", ["zh", "en"]), ("ZH、en；zh", ["zh", "en"]), ("Chinese and English", None), ("", None)]
)
def test_languages_are_told_where_they_are_codes(said: str, codes: list[str] | None) -> None:
    assert header(Card(languages=said)).get("language") == codes


@pytest.mark.parametrize(
    ("n", "size"), [(999, "n<1K"), (1_000, "1K<n<10K"), (999_999, "100K<n<1M"), (10_000_000, "n>10M")]
)
def test_sizes_have_the_names_of_the_hub(n: int, size: str) -> None:
    assert header(Card(), CardInfo("a", 1, "", {"chat": {"train": n}}))["size_categories"] == [size]


def test_one_kind_is_the_default_configuration_and_several_have_their_own() -> None:
    one = (FileFact("data/train-00000-of-00001.parquet", "chat", "train", 8),)
    more = (*one, FileFact("data/text/unassigned-00000-of-00001.parquet", "text", None, 5))
    first = header(Card(), CardInfo("a", 1, "", {}, files=one), with_configs=True)["configs"]
    assert first == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-00000-of-00001.parquet"}]}
    ]
    both = header(Card(), CardInfo("a", 1, "", {}, files=more), with_configs=True)["configs"]
    assert isinstance(both, list)
    assert [config["config_name"] for config in both] == ["chat", "text"]
    assert both[1]["data_files"][0]["split"] == "unassigned"
