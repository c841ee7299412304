"""What a file may do to the studio: become rows or be refused in plain words, and nothing else, whatever is in it.

The cases are numbered (`tests/hostile`); one of them again: `python -m tests.hostile NUMBER`. HOSTILE_SEED=N begins at N.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from studio.settings import ROOT
from tests.hostile.cases import PAIRS, case_of
from tests.hostile.run import again, results
from tests.hostile.seeds import FORMS

FIRST = int(os.environ.get("HOSTILE_SEED", "0"))
N_CASES = 500


@pytest.mark.timeout(900)
def test_five_hundred_hostile_files_become_rows_or_are_refused_in_plain_words() -> None:
    print(f"cases {FIRST} to {FIRST + N_CASES - 1}")
    ends = [again(result) for result in list(results(range(FIRST, FIRST + N_CASES)))]
    assert len(ends) == N_CASES
    failed = [str(result) for result in ends if result.outcome.end == "failed"]
    assert not failed, "\n".join(failed)
    for end in ("imported", "refused"):  # mutators that always broke a file, or never, would prove nothing
        assert sum(result.outcome.end == end for result in ends) > N_CASES // 5


def test_five_hundred_cases_hold_every_mutator_on_every_format() -> None:
    assert len(set(PAIRS)) == len(PAIRS) <= N_CASES
    assert {form for form, _ in PAIRS} == set(FORMS)


def test_a_number_is_always_the_same_file() -> None:
    """Numbers that take all families of mutators, and archives, which have clocks in them."""
    for number in (*range(-len(FORMS), 0), *range(20)):
        assert case_of(number) == case_of(number)


def test_the_good_files_that_all_begins_with_are_imported_whole() -> None:
    ends = {result.form: result for result in results(range(-len(FORMS), 0))}
    assert set(ends) == set(FORMS)
    assert [str(result) for result in ends.values() if result.outcome.end != "imported"] == []
    assert all(result.outcome.n_rows >= 1 for result in ends.values())


# --- the judge sees what it is there for --------------------------------------------------------------------------------

#: What must never happen, and what the judge says when it does.
CRIMES = {
    "raises": "raise ValueError('unexpected')",
    "writes beside": "(place.folder / 'elsewhere').write_text('x')",
    "writes above": "(place.folder.parent / 'studio-hostile-x').write_text('x')",
    "litters": "(place.home / 'tmp' / 'left.tmp').write_text('x')",
    "half an upload": "(place.home / 'uploads' / 'half.tmp').write_text('x')",
    "half a dataset": "half(place)\nraise DataError('error.data.unknown_upload')",
    "no words": "raise DataError('error.data.nothing_like_it')",
    "no parameters": "raise DataError('error.data.empty_file')",
    "not to be sent": r"raise DataError('error.data.empty_file', name='\ud800')",
    "tells internals": "raise DataError('error.data.empty_file', name='<_io.BufferedReader>')",
    "reads secrets": "open('/etc/passwd').close()\nraise DataError('error.data.unknown_upload')",
    "calls": "socket.create_connection(('127.0.0.1', 9))",
    "is slow": "trial.MAX_S = 0.5\nwhile time.monotonic() < began + 2: pass\nraise DataError('error.data.unknown_upload')",
    "is large": "bytes(b'x') * 600_000_000\nraise DataError('error.data.unknown_upload')",
    "nothing": "raise DataError('error.data.unknown_upload')",
}

SEEN = {
    "raises": "ValueError: unexpected",
    "writes beside": "left on the disk",
    "writes above": "left on the disk",
    "litters": "left on the disk",
    "half an upload": "left on the disk",
    "half a dataset": "left in the database: ['datasets']",
    "no words": "no words in zh for error.data.nothing_like_it",
    "no parameters": "error.data.empty_file in zh wants {'name'}",
    "not to be sent": "cannot be sent",
    "tells internals": "tells what nobody needs",
    "reads secrets": "reads /etc/passwd",
    "calls": "socket.connect",
    "is slow": " s'",
    "is large": " MB",
}

COURT = """
import dataclasses, json, socket, sys, textwrap, time
from pathlib import Path
from studio.data import store
from studio.db import Database
from studio.errors import DataError
from tests.hostile import trial
from tests.hostile.run import forked, migrated_file

folder = Path(sys.argv[1])
migrated = migrated_file(folder)

def half(place):
    db = Database(place.settings.url)
    with db.write() as connection:
        store.create_dataset(connection, "half", "usr_a")
    db.close()

said = {}
for number, (crime, code) in enumerate(json.loads(sys.argv[2]).items()):
    scope = dict(globals())
    exec("def act(place, name):\\n began = time.monotonic()\\n" + textwrap.indent(code, " ") + "\\n yield None", scope)
    place = trial.Place(folder / str(number) / "trial", migrated)
    said[crime] = forked(lambda: dataclasses.asdict(trial.tried(place, "x", "studio-hostile-x", scope["act"])))
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What the judge says of each crime, each in a process of its own as in a trial."""
    command = [sys.executable, "-c", COURT, str(tmp_path_factory.mktemp("court")), json.dumps(CRIMES)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said: dict[str, dict[str, object]] = json.loads(subprocess.check_output(command, cwd=ROOT, env=environment, timeout=120))
    return said


@pytest.mark.parametrize("crime", SEEN)
def test_the_judge_sees(crime: str, court: dict[str, dict[str, object]]) -> None:
    assert court[crime]["end"] == "failed"
    assert SEEN[crime] in str(court[crime]["faults"])


def test_the_judge_lets_a_plain_refusal_go(court: dict[str, dict[str, object]]) -> None:
    assert (court["nothing"]["end"], court["nothing"]["faults"]) == ("refused", [])
