"""Values of the charts of one run, or of several over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.page import Page
from components.widgets.chart import chart_words
from studio.train.service import Curves, Run

__all__ = ["CHARTS", "HEALTH", "MOST_RUNS", "values"]

#: Runs over each other; a sweep may have as many.
MOST_RUNS = 24

#: Charts in the order of the page, and whether their axis begins at zero.
CHARTS = {"loss": False, "lr": False, "grad_norm": False, "speed": True, "memory": True}
CHARTS |= {"rewards": True, "accuracy": True, "logps": False, "length": True}

#: Those of trainings on preferences, shown where there is something to show.
HEALTH = ("rewards", "accuracy", "logps", "length")

_COLOURS = {
    "train/loss": "#14b8a6",
    "validation/loss": "#f97316",
    "train/lr": "#8b5cf6",
    "train/grad_norm": "#ca8a04",
    "validation/reward_chosen": "#14b8a6",
    "validation/reward_rejected": "#e11d48",
    "validation/margin": "#f97316",
    "train/margin": "#8b5cf6",
    "train/reward": "#14b8a6",
    "validation/reward": "#f97316",
    "train/accuracy": "#14b8a6",
    "validation/accuracy": "#f97316",
    "validation/logp_chosen": "#14b8a6",
    "validation/logp_rejected": "#e11d48",
    "probes/chars": "#0ea5e9",
    "speed": "#0ea5e9",
    "memory": "#e11d48",
}

_HEALTH_SERIES = {
    "rewards": (
        "train/margin", "validation/margin", "validation/reward_chosen", "validation/reward_rejected", "train/reward",
        "validation/reward",
    ),
    "accuracy": ("train/accuracy", "validation/accuracy"),
    "logps": ("validation/logp_chosen", "validation/logp_rejected"),
    "length": ("probes/chars",),
}

#: Of runs over each other: far apart, readable on white and on black.
_RUN_COLOURS = ("#14b8a6", "#f97316", "#8b5cf6", "#0ea5e9", "#e11d48", "#84cc16", "#ca8a04", "#64748b")

Points = list[list[float | None]]


def values(page: Page, found: Sequence[tuple[Run, Curves]], marks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`marks` are those of the first run; among several they would only confuse."""
    t = page.t
    alone = len(found) == 1
    lines: dict[str, list[dict[str, Any]]] = {name: [] for name in CHARTS}
    for number, (run, curves) in enumerate(found):
        series = curves.series
        colour = None if alone else _RUN_COLOURS[number % len(_RUN_COLOURS)]

        def add(chart: str, key: str, label: str, points: Points, *, run: Run = run, colour: str | None = colour) -> None:
            if not points:
                return
            is_validation = key.startswith(("validation/", "probes/"))
            name = label if alone or chart == "loss" else run.name
            line = {"name": name, "color": colour or _COLOURS[key], "points": points, "dots": is_validation}
            lines[chart].append(line | ({} if alone else {"group": run.name, "dash": key == "train/loss"}))

        add("loss", "train/loss", t("runs.series.train_loss"), series.get("train/loss", []))
        add("loss", "validation/loss", t("runs.series.validation_loss"), series.get("validation/loss", []))
        add("lr", "train/lr", t("runs.chart.lr"), series.get("train/lr", []))
        add("grad_norm", "train/grad_norm", t("runs.chart.grad_norm"), series.get("train/grad_norm", []))
        add("speed", "speed", t("runs.chart.speed"), _ratio(series, "train/tokens", "train/seconds"))
        for chart, names in _HEALTH_SERIES.items():
            for name in names:
                add(chart, name, t(f"runs.series.{name.replace('/', '_')}"), series.get(name, []))
        add("memory", "memory", t("runs.chart.memory"), _scaled(series.get("train/mem_bytes", []), 2**30))
    key = ",".join(run.id for run, _ in found)
    common = {"x": t("runs.chart.step"), "empty": t("runs.chart.empty"), "words": chart_words(t), "key": key}
    return [
        common | {"series": lines[name], "zero": zero, "marks": marks if alone else []} for name, zero in CHARTS.items()
    ]


def _ratio(series: dict[str, Points], above: str, below: str) -> Points:
    return [
        [step, None if value is None or not other else value / other]
        for (step, value), (_, other) in zip(series.get(above, []), series.get(below, []), strict=False)
    ]


def _scaled(points: Points, divisor: float) -> Points:
    return [[step, None if value is None else value / divisor] for step, value in points]
