"""`python -m tests.hostile NUMBER[,NUMBER] [FOLDER]`: cases again: what they are, what becomes of them."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.hostile.cases import case_of
from tests.hostile.run import results

for result in results(map(int, sys.argv[1].split(",")), n_workers=1):
    outcome = result.outcome
    print(
        result,
        f"\n  {outcome.end} in {outcome.seconds:.2f} s, {outcome.n_bytes / 1e6:.0f} MB, {outcome.n_rows} rows\n  {outcome.words}",
    )
    for fault in outcome.faults:
        print(fault)
    if len(sys.argv) > 2:
        case = case_of(result.number)
        kept = Path(sys.argv[2]) / f"{case.number}{Path(case.name).suffix[:10]}"
        kept.write_bytes(case.data)
        print(f"  kept as {kept}")
