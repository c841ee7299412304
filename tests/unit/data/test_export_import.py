"""The law: what is exported comes back by an import as it was, for every kind, every shape and every format."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.data import formats
from studio.data.export import ExportSpec, survey, write_files
from studio.data.export_shapes import SHAPES
from studio.data.formats import FORMATS
from studio.data.importer import ReadOptions, inspect_file, read_rows
from studio.data.readers import arrow
from studio.data.readers.base import Found
from studio.data.rows import SPLITS, NewRow, check_content
from studio.errors import DataError
from tests.unit.data.exported import assistant, chat, spec_of, user

FILES = ("jsonl", "json", "csv", "parquet")
law_settings = hypothesis_settings(
    database=None, deadline=None, max_examples=15, derandomize=True, suppress_health_check=list(HealthCheck)
)
CASES = [(kind, shape.name) for kind, shapes in SHAPES.items() for shape in shapes]

#: Texts on which writers and readers trip.
ODD = (
    "=1+1", "'=1+1", "''=1", "-5", "+x", "@x", "\tx", "＝1", "'", "it's", '"', 'a"b', "a,b", "a;b", "a\r\nb", "a\nb", "a\rb",
    " x ", "null", "true", "1", "1.0", "[]", "{}", '["a"]', '[{"role": "user", "content": "x"}]', '[["a", "b"]]', '{"a": 1}',
    "A", "B", "<think>\nhm\n</think>\n\nyes", "高血压是什么？", "\u2028", "\u0085", "\x1c", "\ufeffx", "é", "\U0001f642", "# x",
)  # fmt: skip

anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
texts = (st.sampled_from(ODD) | anything).filter(str.strip)
labels = texts.map(str.strip).filter(lambda text: 0 < len(text) <= 200)
tag_lists = st.lists(labels, max_size=3, unique=True)
functions = st.fixed_dictionaries({"name": labels, "arguments": texts})
call = st.fixed_dictionaries({"id": labels, "type": st.just("function"), "function": functions})
calls = st.lists(call, min_size=1, max_size=2)
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | floats | anything | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(labels, inner, max_size=2),
    max_leaves=4,
)
systems = st.lists(st.builds(lambda text: {"role": "system", "content": text}, anything | texts), max_size=1)
questions = st.lists(texts.map(user), min_size=1, max_size=1)
answers = st.lists(
    st.builds(assistant, texts)
    | st.builds(lambda text, reasoning: assistant(text, reasoning_content=reasoning), texts, texts)
    | st.builds(lambda text, called: assistant(text, tool_calls=called), anything, calls),
    min_size=1,
    max_size=1,
)
result = st.builds(lambda text, name: {"role": "tool", "content": text, "tool_call_id": name}, anything, labels)
results = st.lists(result, max_size=1)
exchange = st.builds(lambda *parts: [turn for part in parts for turn in part], questions, answers, results)
exchanges = st.lists(exchange, max_size=2)
earlier = st.builds(lambda system, parts: system + [turn for part in parts for turn in part], systems, exchanges)
plain = st.builds(lambda system, question, answer: [*system, user(question), assistant(answer)], systems, texts, texts)
prompts = st.builds(lambda before, question: before + question, earlier, questions)
dialogues = plain | st.builds(lambda before, answer: before + answer, prompts, answers)
described = st.dictionaries(labels, values, max_size=2)
tools = st.lists(st.fixed_dictionaries({"type": st.just("function"), "function": described}), min_size=1, max_size=2)


def some(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


CONTENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "chat": some({"messages": dialogues}) | some({"messages": dialogues, "tools": tools}),
    "preference": some(
        {"messages": prompts | st.lists(texts.map(user), min_size=1, max_size=1), "chosen": answers, "rejected": answers},
        margin=st.integers(-(2**53), 2**53) | floats,
    ),
    "feedback": some({"messages": dialogues, "label": st.booleans()}),
    "text": some({"text": texts}),
    "prompt": some({"messages": prompts | st.lists(texts.map(user), min_size=1, max_size=1)}, answer=texts),
    "choice": st.lists(texts, min_size=2, max_size=5, unique=True).flatmap(
        lambda options: some({"question": texts, "options": st.just(options), "answer": st.integers(0, len(options) - 1)})
    ),
    "label": some({"text": texts, "label": texts}),
}


def is_content(kind: str, content: dict[str, Any]) -> bool:
    try:
        check_content(kind, content)
    except DataError:
        return False
    return True


def rows_of(kind: str) -> st.SearchStrategy[list[NewRow]]:
    names = labels | st.sampled_from(("question", "answer", "Split", "extra", "note", "message_fields"))
    extras = st.none() | st.dictionaries(names, values, min_size=1, max_size=3)
    row = st.builds(
        NewRow,
        kind=st.just(kind),
        content=CONTENTS[kind].filter(lambda content: is_content(kind, content)),
        split=st.none() | st.sampled_from(SPLITS),
        topic=st.none() | labels,
        group_key=st.none() | labels,
        tags=tag_lists,
        references=st.lists(texts, max_size=2),
        flag=st.none() | labels,
        extra=extras,
    )
    return st.lists(row, min_size=1, max_size=4)


def carried(row: NewRow) -> dict[str, Any]:
    names = ("kind", "content", "split", "topic", "group_key", "flag", "extra")
    return {name: getattr(row, name) for name in names} | {"tags": list(row.tags), "references": list(row.references)}


#: The reader's shape for each of ours, by its name and the columns that it needs.
READ_AS = {
    "messages": ("messages", ("messages",)),
    "sharegpt": ("sharegpt", ("conversations",)),
    "alpaca": ("alpaca", ("instruction", "output")),
    "prompt_completion": ("prompt_completion", ("prompt", "completion")),
    "question_answer": ("question_answer", ("question", "answer")),
    "dpo": ("dpo", ("prompt", "chosen", "rejected")),
    "dpo_texts": ("dpo", ("prompt", "chosen", "rejected")),
    "kto": ("kto", ("prompt", "completion", "label")),
    "text": ("text", ("text",)),
    "prompt": ("prompt_messages", ("prompt",)),
    "prompt_text": ("prompt", ("prompt",)),
    "choice": ("choice", ("question", "options", "answer")),
    "classification": ("classification", ("text", "label")),
}


def imported(path: Path, shape: str) -> list[Any]:
    """What an import makes of a file. Few and odd texts can look like more than one shape: then a person is asked, who knows."""
    records: list[Any]
    if path.suffix == ".parquet":  # in this process: starting a reader for each example would take minutes
        opened = arrow.open_file(path, path.name, "parquet", ReadOptions(), frozenset())
        records = [record.value for record in opened.records if isinstance(record, Found)]
    else:
        look = inspect_file(path, path.name)
        if look.shape:
            return list(read_rows(path, path.name))
        records = list(look.records)
    named = next(found for found in FORMATS if (found.name, tuple(found.required)) == READ_AS[shape])
    sure = formats.detect(records)
    return [formats.to_row(record, (sure.shape if sure.is_sure else None) or named) for record in records]


def there_and_back(rows: list[NewRow], spec: ExportSpec) -> tuple[list[NewRow], list[Any]]:
    """The rows that fit, and what an import makes of the file that was written of them."""
    seen = survey(rows, spec)
    fitting = [row for row in rows if survey([row], spec).n_fit]
    if not fitting:
        return [], []
    with tempfile.TemporaryDirectory() as folder:
        (file,) = write_files(rows, spec, seen, Path(folder))
        return fitting, imported(Path(folder) / file.name, seen.kinds[file.kind].shape.name)


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_rows_come_back_as_they_were(kind: str, shape: str, form: Any) -> None:
    spec = spec_of(format=form, shape={kind: shape})

    @given(rows_of(kind))
    @law_settings
    def law(rows: list[NewRow]) -> None:
        fitting, read = there_and_back(rows, spec)
        assert [carried(row) if isinstance(row, NewRow) else row for row in read] == [carried(row) for row in fitting]

    law()


@pytest.mark.parametrize("kind", SHAPES)
def test_the_own_spelling_of_a_kind_holds_every_row(kind: str) -> None:
    @given(rows_of(kind))
    @law_settings
    def law(rows: list[NewRow]) -> None:
        assert survey(rows, spec_of()).unfit == {}

    law()


@pytest.mark.parametrize("form", FILES)
def test_columns_that_rows_carried_besides_keep_their_names(tmp_path: Path, form: Any) -> None:
    """A doctor's name stays in a column "doctor", so that a person finds it in her table again."""
    rows = [chat(extra={"doctor": "Li", "age": 3}), chat("R?", extra={"doctor": "Wu", "question": "which?"})]
    spec = spec_of(format=form)
    (file,) = write_files(rows, spec, survey(rows, spec), tmp_path)
    read = list(read_rows(tmp_path / file.name, file.name))
    assert [row.extra for row in read if isinstance(row, NewRow)] == [row.extra for row in rows]
    if form == "csv":
        assert (tmp_path / file.name).read_text("utf-8-sig").splitlines()[0] == "messages,doctor,extra"


def test_an_empty_sharegpt_system_prompt_comes_back(tmp_path: Path) -> None:
    rows = [chat(system="")]
    spec = spec_of(shape={"chat": "sharegpt"})
    fitting, read = there_and_back(rows, spec)
    assert [row.content for row in read] == [row.content for row in fitting]
