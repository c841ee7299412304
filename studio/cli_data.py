"""Datasets from a shell: `python -m studio export | split | lock | unlock | mix`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

# Before the import below, which mounts it: either module may be imported first.
data_app: typer.Typer = typer.Typer()

from studio.cli import AsJson, Dataset, InLang, _command, _dataset_id, _follow, _Shell  # noqa: E402
from studio.data.mix import MixSpec  # noqa: E402
from studio.data.splits import SplitSpec  # noqa: E402
from studio.errors import ConfigError  # noqa: E402
from studio.jobs.spec import checked  # noqa: E402

__all__ = ["data_app"]

@data_app.command()
def export(
    name: Dataset,
    form: Annotated[
        str, typer.Option("--format", help="jsonl, json, csv, parquet, llama_factory or datasets_folder.")
    ] = "jsonl",
    shape: Annotated[
        list[str], typer.Option("--shape", metavar="KIND=SHAPE", help="For one kind of rows, such as chat=alpaca.")
    ] = [],  # noqa: B006 (typer reads it and never changes it)
    split: Annotated[str, typer.Option("--split", help="train, validation, test or none; without it, all rows.")] = "",
    no_extra: Annotated[bool, typer.Option("--no-extra", help="Leave out the columns that the rows carried besides.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Copy the file to this place.")] = None,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Write a dataset's rows to a file; rows that the shape cannot hold are counted by reason."""

    def work(shell: _Shell) -> None:
        exports, actor = shell.services.exports, shell.actor
        options: dict[str, Any] = {"format": form, "shape": _by_kind(shape), "split": split or None, "with_extra": not no_extra}
        spec = exports.spec(actor, _dataset_id(shell, name), **options)
        unfit = exports.preview(actor, spec).unfit
        for kind, reasons in unfit.items():
            for reason, n in reasons.items():
                shell.say(shell.t("cli.export.unfit", kind=kind, n=n, why=shell.t(reason)))
        made = exports.export(actor, spec)
        file_name = made.name
        if made.job_id is not None:
            shell.need_worker()
            file_name = (_follow(shell, made.job_id).result or {})["file"]
        assert file_name is not None
        path = exports.path(actor, file_name)
        if out is not None:
            path = Path(shutil.copyfile(path, out))
        shell.answer({"file": str(path), "unfit": unfit}, shell.t("cli.export.done", path=str(path)))

    _command(json_, lang, work)


@data_app.command()
def split(
    name: Dataset,
    validation: Annotated[float, typer.Option("--validation", help="Share of the groups, from 0 to below 0.5.")] = 0.1,
    test: Annotated[float, typer.Option("--test", help="Share of the groups, from 0 to below 0.5.")] = 0.1,
    by: Annotated[str, typer.Option("--by", help="What stays together: prompt, group, near_duplicate or row.")] = "prompt",
    column: Annotated[str, typer.Option("--column", help="For --by group: a column that the file brought.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Rows that have a split keep it.")] = False,
    seed: int = 42,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Assign a dataset's rows to train, validation and test, as one revision that can be undone."""

    def work(shell: _Shell) -> None:
        splits, actor = shell.services.splits, shell.actor
        shares = {"validation_share": validation, "test_share": test}
        values = {"dataset": _dataset_id(shell, name), "by": by, "column": column or None, "keep": keep, "seed": seed}
        spec = checked(SplitSpec, values | shares)
        _say_warnings(shell, splits.preview(actor, spec).warnings)
        done = splits.assign(actor, spec)
        if done.job_id is not None:
            shell.need_worker()
            _follow(shell, done.job_id)
        info = shell.services.data.get(actor, spec.dataset)
        counts = {part: info.counts.get(part, 0) for part in ("train", "validation", "test")}
        facts = {"dataset": info.id, "revision": info.revision, "splits": info.counts}
        shell.answer(facts, shell.t("cli.split.done", name=info.name, **counts))

    _command(json_, lang, work)


@data_app.command()
def lock(name: Dataset, json_: AsJson = False, lang: InLang = "") -> None:
    """Lock a dataset's test rows: they do not change, and what they ask is trained on in no dataset."""

    def work(shell: _Shell) -> None:
        info = shell.services.splits.lock(shell.actor, _dataset_id(shell, name))
        facts = {"dataset": info.id, "locked": True, "rows": info.counts["test"]}
        shell.answer(facts, shell.t("cli.lock.done", name=info.name, n=info.counts["test"]))

    _command(json_, lang, work)


@data_app.command()
def unlock(name: Dataset, json_: AsJson = False, lang: InLang = "") -> None:
    """Let a dataset's test rows change, and be trained on again."""

    def work(shell: _Shell) -> None:
        info = shell.services.splits.unlock(shell.actor, _dataset_id(shell, name))
        shell.answer({"dataset": info.id, "locked": False}, shell.t("cli.lock.undone", name=info.name))

    _command(json_, lang, work)


@data_app.command()
def mix(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the new dataset.")],
    part: Annotated[
        list[str], typer.Option("--part", metavar="DATASET=WEIGHT", help="How often each of its rows is taken, above 0 up to 20.")
    ],
    replay: Annotated[float, typer.Option("--replay", help="Share of tokens of general rows, from 0 to 0.5.")] = 0.0,
    base: Annotated[str, typer.Option("--base", help="A base's id, whose tokens count; without it, characters.")] = "",
    seed: int = 42,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Make a new dataset of several, each with a weight, and of general rows against forgetting."""

    def work(shell: _Shell) -> None:
        mixes, actor = shell.services.mixes, shell.actor
        parts = [_weighted_part(shell, text) for text in part]
        spec = checked(
            MixSpec, {"dataset_name": name, "parts": parts, "replay_share": replay, "base": base or None, "seed": seed}
        )
        preview = mixes.preview(actor, spec)
        for share in preview.parts:
            percents = {"rows": f"{100 * share.share_rows:.1f} %", "tokens": f"{100 * share.share_tokens:.1f} %"}
            shell.say(shell.t(f"cli.mix.{preview.unit}", name=share.name, n=share.rows_taken, **percents))
        _say_warnings(shell, preview.warnings)
        made = mixes.make(actor, spec)
        dataset_id = made.dataset_id
        if made.job_id is not None:
            shell.need_worker()
            dataset_id = (_follow(shell, made.job_id).result or {})["dataset_id"]
        assert dataset_id is not None
        info = shell.services.data.get(actor, dataset_id)
        facts = {"dataset": info.id, "name": info.name, "rows": info.n_rows, "splits": info.counts, "mix": info.report["mix"]}
        shell.answer(facts, shell.t("cli.mix.done", name=info.name, n=info.n_rows, id=info.id))

    _command(json_, lang, work)


def _weighted_part(shell: _Shell, text: str) -> dict[str, Any]:
    """`NAME=2`, or a name alone with the weight 1. Names may hold a `=` themselves."""
    name, sign, weight = text.rpartition("=")
    if not sign or any(info.name == text for info in shell.services.data.list(shell.actor)):
        return {"dataset": _dataset_id(shell, text)}
    return {"dataset": _dataset_id(shell, name), "weight": weight}


def _say_warnings(shell: _Shell, warnings: list[dict[str, Any]]) -> None:
    for told in warnings:
        shell.say(shell.t(told["key"], **told["params"]))


def _by_kind(shapes: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in shapes]
    if wrong := next((text for text, (_, sign, _) in zip(shapes, pairs, strict=True) if not sign), None):
        raise ConfigError("error.cli.bad_shape", field="shape", found=wrong)
    return {kind: name for kind, _, name in pairs}
