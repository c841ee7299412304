"""`python -m tests.bench NAME [--small]`: a table, one JSON object on the last line, exit status 1 when a goal is missed."""

from __future__ import annotations

import argparse
import importlib
import json
import sys

from tests.bench.report import Report

_NAMES = ("curves", "data", "doctor", "hostile", "memory", "startup", "survive")
BENCHES = {name: f"tests.bench.{name}:run" for name in _NAMES}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument("--small", action="store_true", help="one short round, goals shown but not judged")
    wanted = parser.parse_args()
    module, _, function = BENCHES[wanted.name].partition(":")
    report: Report = getattr(importlib.import_module(module), function)(small=wanted.small)
    print(report.table())
    print(json.dumps(report.as_dict(judged=not wanted.small), ensure_ascii=False))
    return 0 if wanted.small or report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
