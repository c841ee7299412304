"""The formatters, and the contract between the catalogues and everything that names a key: code, templates, specs."""

from __future__ import annotations

import ast
import json
import math
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jinja2
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jinja2 import nodes

from components.data_tab import _VIEWS
from components.train_tab import GROUPS
from studio.access import RULES
from studio.data.card import Card
from studio.data.checks import CHECKS, check_of
from studio.data.doctor import AREAS
from studio.data.export import ExportFormat
from studio.data.formats import FORMATS, TARGETS
from studio.data.rows import KINDS as ROW_KINDS
from studio.data.rows import ROLES, SPLITS
from studio.data.splits import By
from studio.engine.chats import AnswerState
from studio.errors import DataError
from studio.jobs.kinds import KINDS
from studio.jobs.queue import JobState
from studio.settings import ROOT
from studio.text import LANGS, bytes_text, device_text, duration_text, error_text, has_text, lang_of, number_text, text
from studio.train.methods import METHODS
from studio.train.spec import Preset, TrainSpec
from studio.train.stages import STAGES

# --- formatters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (350, "350"),
        (9_999, "9999"),
        (10_000, "10,000"),
        (-1_234_567, "-1,234,567"),
        (True, "true"),
        (0.0, "0"),
        (0.03125, "0.03125"),
        (1.23456, "1.235"),
        (9_999.96, "10,000"),
        (12_345.6, "12,346"),
        (0.00002, "2e-05"),
        (math.nan, "nan"),
        (math.inf, "inf"),
    ],
)
def test_a_number_is_written_as_a_person_writes_it(value: float, shown: str) -> None:
    assert number_text(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1_023_900, "1000 KiB"),
        (2**20, "1 MiB"),
        (3_446_711_255, "3.21 GiB"),
        (5 * 2**40, "5 TiB"),
    ],
)
def test_bytes_are_written_in_binary_units(value: int, shown: str) -> None:
    assert bytes_text(value) == shown


@given(st.integers(0, 2**60))
@hypothesis_settings(database=None, deadline=None)
def test_a_size_is_never_written_with_an_exponent_and_is_right_to_one_percent(size: int) -> None:
    number, unit = bytes_text(size).split(" ")
    exact = size / 1024 ** ("B", "KiB", "MiB", "GiB", "TiB").index(unit)
    assert "e" not in number
    assert float(number) == pytest.approx(exact, rel=0.01)


@given(st.floats(1e-3, 1e12))
@hypothesis_settings(database=None, deadline=None)
def test_a_number_that_is_not_tiny_is_never_written_with_an_exponent(value: float) -> None:
    assert "e" not in number_text(value)
    assert float(number_text(value).replace(",", "")) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (None, "–", "–"),
        (math.inf, "–", "–"),
        (-3, "0 s", "0 秒"),
        (45.4, "45 s", "45 秒"),
        (59.6, "1 min 0 s", "1 分 0 秒"),
        (200, "3 min 20 s", "3 分 20 秒"),
        (7_500, "2 h 5 min", "2 小时 5 分"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float | None, en: str, zh: str) -> None:
    assert (duration_text("en", seconds), duration_text("zh", seconds)) == (en, zh)


def test_cores_are_told_in_words_and_cards_by_their_name() -> None:
    assert [device_text(lang, "2 CPU cores") for lang in LANGS] == ["2 CPU cores", "2 个 CPU 核心"]
    assert device_text("zh", "NVIDIA H100 80GB HBM3") == "NVIDIA H100 80GB HBM3"


@pytest.mark.parametrize(
    ("wanted", "lang"),
    [("zh", "zh"), ("zh_CN.UTF-8", "zh"), ("zh-TW,zh;q=0.9,en;q=0.8", "zh"), ("EN-gb", "en"), ("fr", "en"), ("", "en")],
)
def test_a_language_is_found_in_cookies_locales_and_headers(wanted: str | None, lang: str) -> None:
    assert lang_of(wanted) == lang


def test_a_message_without_its_key_is_a_defect() -> None:
    with pytest.raises(KeyError):
        text("en", "no.such.key")


def test_an_error_is_told_with_sizes_and_durations_in_their_units() -> None:
    error = DataError("error.data.upload_too_large", size_bytes=600 * 2**20, limit_bytes=512 * 2**20)
    for lang in LANGS:
        told = error_text(lang, error)
        assert "600 MiB" in told
        assert "512 MiB" in told
        assert error_text(lang, error.as_dict()) == told


def test_an_error_whose_words_are_missing_still_says_its_key() -> None:
    assert not has_text("error.nowhere.known")
    assert "error.nowhere.known" in error_text("en", DataError("error.nowhere.known"))


# --- the catalogues ---------------------------------------------------------------------------------------------------


@cache
def catalogue(lang: str) -> dict[str, str]:
    def no_key_twice(pairs: list[tuple[str, str]]) -> dict[str, str]:
        assert len({key for key, _ in pairs}) == len(pairs), "a key stands twice"
        return dict(pairs)

    path = ROOT / "assets" / "messages" / f"{lang}.json"
    return json.loads(path.read_text("utf-8"), object_pairs_hook=no_key_twice)


def placeholders(message: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(message) if name is not None}


def test_both_languages_have_the_same_keys() -> None:
    assert set(catalogue("en")) ^ set(catalogue("zh")) == set()


def test_both_languages_have_the_same_placeholders() -> None:
    differing = {
        key: (placeholders(message), placeholders(catalogue("zh").get(key, "")))
        for key, message in catalogue("en").items()
        if placeholders(message) != placeholders(catalogue("zh").get(key, ""))
    }
    assert differing == {}


@pytest.mark.parametrize("lang", LANGS)
def test_keys_are_sorted_flat_and_have_words(lang: str) -> None:
    keys = list(catalogue(lang))
    assert keys == sorted(keys)
    assert [key for key in keys if not re.fullmatch(r"\w+(\.\w+)+", key)] == []
    assert [key for key, message in catalogue(lang).items() if not message.strip()] == []


@pytest.mark.parametrize("lang", LANGS)
def test_placeholders_are_plain_names(lang: str) -> None:
    names = {(key, name) for key, message in catalogue(lang).items() for name in placeholders(message)}
    assert [found for found in names if not found[1].isidentifier()] == []


# --- who names a key --------------------------------------------------------------------------------------------------


class Use(NamedTuple):
    """One place that names a key. `pattern` is the key as a regular expression; `params` are None where they are not plain."""

    place: str
    pattern: str
    params: frozenset[str] | None


#: Calls whose string arguments look like keys and are none: actions, columns, loggers, modules.
NOT_WORDS = {"allows", "check", "ForeignKey", "getLogger", "version", "import_module", "JobKind"}

#: Strings that look like keys and are none: the names of OpenAI's objects.
NOT_KEYS = {"chat.completion", "chat.completion.chunk"}

#: What follows the last dot of a file's name.
SUFFIXES = re.compile("json|jinja|safetensors|css|js|log|env|db|yaml|txt|jsonl|lock|svg|gguf|pkl|py")


def areas() -> set[str]:
    return {key.split(".")[0] for key in catalogue("en")} | {"error"}


def looks_like_a_key(value: str) -> bool:
    return bool(
        re.fullmatch(r"[a-z_]+(\.[A-Za-z0-9_]+)+", value)
        and value.split(".")[0] in areas()
        and not SUFFIXES.fullmatch(value.rsplit(".", 1)[1])
        and value not in NOT_KEYS
    )


def called(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def uses_in_python(path: Path) -> Iterator[Use]:
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    params_of: dict[int, frozenset[str] | None] = {}
    skipped: set[int] = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = called(call.func)
        if name in NOT_WORDS:
            skipped |= {id(argument) for argument in ast.walk(call)}
        names = None if any(keyword.arg is None for keyword in call.keywords) else frozenset(str(k.arg) for k in call.keywords)
        tells = name in ("text", "t") or name.endswith("Error")
        for argument in call.args[:2]:
            params_of[id(argument)] = names if tells else None
        if name == "_bad" and isinstance(call.args[0], ast.Constant):  # studio/data/rows.py writes only the last word of its keys
            yield Use(f"{path.name}:{call.lineno}", re.escape(f"error.data.{call.args[0].value}"), None)
    for node in ast.walk(tree):
        place = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if id(node) in docstrings or id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in node.values]
            if parts[0] and re.fullmatch(r"[a-z_]+\.[A-Za-z0-9_.]*", parts[0]) and parts[0].split(".")[0] in areas():
                pattern = "".join(r"\w+" if part is None else re.escape(part) for part in parts)
                yield Use(place, pattern, params_of.get(id(node)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and looks_like_a_key(node.value):
            yield Use(place, re.escape(node.value), params_of.get(id(node)))


def uses_in_template(path: Path) -> Iterator[Use]:
    tree = jinja2.Environment().parse(path.read_text("utf-8"))
    for call in tree.find_all(nodes.Call):
        if not (isinstance(call.node, nodes.Name) and call.node.name == "t" and call.args):
            continue
        params = frozenset(keyword.key for keyword in call.kwargs)
        for pattern in patterns_of(call.args[0]):
            yield Use(f"{path.name}:{call.lineno}", pattern, params)


def patterns_of(key: nodes.Expr) -> list[str]:
    """The keys that an expression can be; none where it is only a variable."""
    if isinstance(key, nodes.Const):
        return [re.escape(str(key.value))]
    if isinstance(key, nodes.CondExpr):
        return [*patterns_of(key.expr1), *(patterns_of(key.expr2) if key.expr2 else [])]
    if isinstance(key, nodes.Concat):
        parts = [re.escape(str(part.value)) if isinstance(part, nodes.Const) else r"\w+" for part in key.nodes]
        return ["".join(parts)]
    return []


@cache
def uses() -> tuple[Use, ...]:
    sources = [ROOT / "app.py", *sorted((ROOT / "studio").rglob("*.py")), *sorted((ROOT / "components").rglob("*.py"))]
    found = [use for path in sources if "migrations" not in path.parts for use in uses_in_python(path)]
    found += [use for path in sorted((ROOT / "assets" / "html").glob("*.html")) for use in uses_in_template(path)]
    # Actions are spelled like keys; where one stands outside of `allows`, it is not the table's business here.
    return tuple(use for use in found if use.pattern.replace("\\", "") not in RULES)


def keys_like(pattern: str) -> list[str]:
    return [key for key in catalogue("en") if re.fullmatch(pattern, key)]


def test_the_scan_finds_keys_in_code_and_in_templates() -> None:
    """Guards the tests below, which would pass on an empty list."""
    patterns = {use.pattern.replace("\\", "") for use in uses()}
    assert {"error.db.foreign_schema", "error.data.unknown_role", "train.start", "runs.list.title", "error.job.died"} <= patterns
    assert len(patterns) > 200


def test_every_key_that_is_named_has_words() -> None:
    missing = sorted(f"{use.pattern} ({use.place})".replace("\\.", ".") for use in uses() if not keys_like(use.pattern))
    assert missing == []


def test_every_message_gets_what_its_placeholders_ask_for() -> None:
    """`text` gives a message as it is when it has no parameters: a person would read `{name}`."""
    short = {
        f"{key} ({use.place})": placeholders(catalogue("en")[key]) - use.params
        for use in uses()
        if use.params is not None and r"\w" not in use.pattern
        for key in keys_like(use.pattern)
        if placeholders(catalogue("en")[key]) - use.params
    }
    assert short == {}


def phases() -> set[str]:
    """Every phase that a job says it is in."""
    found = set()
    for path in (ROOT / "studio").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and called(node.func) == "phase" and node.args:
                found |= {str(node.args[0].value)} if isinstance(node.args[0], ast.Constant) else set()
    return found


def made_keys() -> dict[str, list[str]]:
    """Keys that are put together from values, by what they are made of."""
    fields = [name for name, field in TrainSpec.model_fields.items() if field.json_schema_extra]
    return {
        "job states": [f"job.state.{state}" for state in get_args(JobState)],
        "job kinds": [f"job.kind.{kind}" for kind in KINDS if kind != "engine"],  # the header leaves engines out
        "phases": [f"phase.{phase}" for phase in [*phases(), "queued", "starting"]],
        "answers": [f"chat.state.{state}" for state in get_args(AnswerState) if state in ("stopped", "interrupted", "failed")],
        "roles": [f"role.{role}" for role in ROLES],
        "row kinds": [f"rows.kind_{kind}" for kind in ROW_KINDS],
        "splits": [f"split.{split}" for split in (*SPLITS, "none", "all")],
        "shapes": [f"data.shape.{shape.name}" for shape in FORMATS],
        "methods": [f"enum.Method.{method}{part}" for method in METHODS for part in ("", ".help")],
        "stages": [f"enum.Stage.{stage}{part}" for stage in STAGES for part in ("", ".help")],
        "how a stage is measured": [f"runs.how.{name}" for name, stage in STAGES.items() if stage.watched],
        "groups": [f"form.group.{group}" for group in GROUPS],
        "presets": [f"enum.Preset.{preset}" for preset in Preset],
        "fields": [f"field.TrainSpec.{name}.{part}" for name in fields for part in ("label", "help")],
        "card": [f"field.Card.{name}.{part}" for name in Card.model_fields for part in ("label", "help")],
        "export formats": [f"export_panel.format.{name}" for name in get_args(ExportFormat)],
        "split groups": [f"split_panel.by.{name}" for name in get_args(By)],
        "targets": [f"data.target.{target}" for target in TARGETS],
        "parts": [f"data.part.{part.name}" for parts in TARGETS.values() for part in parts],
        "checks": [f"check.{key}.{name}" for key in CHECKS for name in ("name", "found", "rule", "why")],
        "mends": [f"check.{key}.{name}" for key in CHECKS if check_of(key).has_mend for name in ("mend", "done")],
        "areas of health": [f"doctor.area.{area}{part}" for area in AREAS for part in ("", ".how")],
        "views": [f"data.view.{view}" for view in _VIEWS],
        "devices": [f"settings.use.{name}" for name in ("auto", "cpu", "cuda")],
    }


@pytest.mark.parametrize("what", list(made_keys()))
def test_every_value_that_becomes_part_of_a_key_has_words(what: str) -> None:
    keys: list[Any] = made_keys()[what]
    assert keys
    assert [key for key in keys if key not in catalogue("en")] == []
