"""Ten thousand hostile files, each in a process of its own: how they end, how long the slowest takes, how much memory.

HOSTILE_SEED=N begins at another number than 0, HOSTILE_CASES=N takes as many; `python -m tests.hostile N` is one case again.
"""

from __future__ import annotations

import os
from collections import Counter

from tests.bench.report import Report
from tests.hostile.run import Result, again, results
from tests.hostile.trial import MAX_BYTES, MAX_S

_ENDS = ("imported", "refused", "failed")


def run(*, small: bool) -> Report:
    first = int(os.environ.get("HOSTILE_SEED", "0"))
    n_cases = int(os.environ.get("HOSTILE_CASES", "20" if small else "10000"))
    print(f"cases {first} to {first + n_cases - 1}", flush=True)
    ends: list[Result] = []
    for result in results(range(first, first + n_cases)):
        ends.append(result)
        if result.outcome.end == "failed":
            print(result, flush=True)
    ends = [again(result) for result in ends]  # when nothing runs beside them
    print(_by_form(ends))
    return _report(ends)


def _by_form(ends: list[Result]) -> str:
    counts = Counter((result.form, result.outcome.end) for result in ends)
    lines = ["", "| format | imported | refused | failed |", "|---|---:|---:|---:|"]
    forms = sorted({result.form for result in ends})
    lines += [f"| {form} | {' | '.join(str(counts[form, end]) for end in _ENDS)} |" for form in forms]
    return "\n".join(lines)


def _report(ends: list[Result]) -> Report:
    slowest = max(ends, key=lambda result: result.outcome.seconds)
    largest = max(ends, key=lambda result: result.outcome.n_bytes)
    print(f"\nslowest: {slowest}\nlargest: {largest}")
    report = Report("hostile")
    for end in _ENDS:
        report.add(end, sum(result.outcome.end == end for result in ends), "files", 0 if end == "failed" else None)
    report.add("slowest file", slowest.outcome.seconds, "s", MAX_S)
    report.add("most memory", largest.outcome.n_bytes / 1e6, "MB", MAX_BYTES / 1e6)
    return report
