"""What a bench tells: figures with their goals, as a table and as JSON."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Figure:
    """`goal` is the largest value that is still good; None where a figure only informs."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def ok(self) -> bool:
        return self.goal is None or self.value <= self.goal


@dataclass
class Report:
    bench: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, goal: float | None = None) -> None:
        self.figures.append(Figure(name, value, unit, goal))
        print(f"{name}: {value:.4g} {unit}", file=sys.stderr, flush=True)  # a long bench shows that it goes on

    @property
    def ok(self) -> bool:
        return all(figure.ok for figure in self.figures)

    def table(self) -> str:
        lines = [f"\n{self.bench} · {datetime.now(UTC):%Y-%m-%d} · {platform.machine()}, {os.cpu_count()} cores", ""]
        lines += ["| figure | value | goal | |", "|---|---:|---:|---|"]
        for figure in self.figures:
            goal = "" if figure.goal is None else f"≤ {figure.goal:g}"
            mark = "" if figure.goal is None else "ok" if figure.ok else "MISSED"
            lines.append(f"| {figure.name} | {figure.value:.4g} {figure.unit} | {goal} | {mark} |")
        return "\n".join(lines)

    def as_dict(self, *, judged: bool) -> dict[str, Any]:
        figures = {figure.name: {"value": figure.value, "unit": figure.unit, "goal": figure.goal} for figure in self.figures}
        return {"bench": self.bench, "figures": figures, "judged": judged, "ok": self.ok}
