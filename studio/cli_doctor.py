"""The data doctor from a shell: `python -m studio doctor | mend`."""

from __future__ import annotations

import difflib
import time
from typing import Annotated, Any

import typer

# Before the import below, which mounts it: either module may be imported first.
doctor_app: typer.Typer = typer.Typer()

from studio.cli import AsJson, Dataset, InLang, _command, _dataset_id, _Shell  # noqa: E402
from studio.cli_edits import change_rows  # noqa: E402
from studio.data.checks import CHECKS  # noqa: E402
from studio.data.compare import row_number  # noqa: E402
from studio.data.doctor_job import DoctorSpec  # noqa: E402
from studio.data.doctor_service import Told  # noqa: E402
from studio.errors import ConfigError  # noqa: E402
from studio.jobs.spec import checked  # noqa: E402

__all__ = ["doctor_app"]

_TELL_S = 3.0

#: Rows that people are told by their numbers; a program gets all of them.
_SHOWN_ROWS = 10

_LIMIT = 512


@doctor_app.command()
def doctor(
    name: Dataset,
    base: Annotated[str | None, typer.Option("--base", help='A base\'s id; "" for none. By default the first here.')] = None,
    limit: Annotated[int, typer.Option("--limit", min=16, help="The longest row in tokens.")] = _LIMIT,
    fail_on: Annotated[str, typer.Option("--fail-on", help="Rules, with commas: exit with 1 when one finds something.")] = "",
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Examine a dataset: what ruins fine-tunes, by which rule, in which rows."""

    def work(shell: _Shell) -> None:
        wanted = [_rule(rule) for rule in fail_on.split(",") if rule.strip()]
        told = _examined(shell, _dataset_id(shell, name), base, limit)
        shell.answer(_facts(shell, told), _words(shell, told))
        if {line.key for line in told.lines} & set(wanted):
            raise typer.Exit(1)

    _command(json_, lang, work)


@doctor_app.command()
def mend(
    name: Dataset,
    rule: Annotated[str, typer.Option("--rule", help="The rule whose mend is to be done, as `doctor` names it.")],
    message: Annotated[str, typer.Option("--message", "-m", help="Why; shown in the history.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Mend what a rule finds, as one revision that can be undone; rows that a person has to decide about are left."""

    def work(shell: _Shell) -> None:
        key, dataset = _rule(rule), _dataset_id(shell, name)
        told = shell.services.doctor.report(shell.actor, dataset)
        if told is None or not told.is_current:
            _examined(shell, dataset, None, _LIMIT)
        spec = shell.services.doctor.mend_spec(shell.actor, dataset, key)
        change_rows(shell, spec.model_copy(update={"message": message}), dry_run)

    _command(json_, lang, work)


def _rule(wanted: str) -> str:
    """Raises ConfigError for a rule that is none, with the closest and all."""
    key = wanted.strip()
    if key in CHECKS:
        return key
    close = next(iter(difflib.get_close_matches(key, CHECKS, 1)), "")
    raise ConfigError("error.doctor.unknown_rule", field="rule", found=key, close=close, known=", ".join(CHECKS))


def _examined(shell: _Shell, dataset: str, base: str | None, limit: int) -> Told:
    ready = next(iter(shell.services.models.ready(shell.actor)), None)
    chosen = base if base is not None else "" if ready is None else ready.id
    spec = checked(DoctorSpec, {"dataset": dataset, "base": chosen, "max_seq_len": limit})
    last = time.monotonic()

    def on_row(n: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_S:
            last = time.monotonic()
            shell.say(shell.t("cli.doctor.progress", n=n, total=total))

    return shell.services.doctor.examine_here(shell.actor, spec, on_row=on_row)


def _facts(shell: _Shell, told: Told) -> dict[str, Any]:
    found = told.summary
    checks = []
    for line in told.lines:
        rows = shell.services.doctor.found(shell.actor, told.examined.dataset_id, line.key)
        counts = {"count": line.n_rows, "mends": line.n_settled, "groups": line.n_groups, "rows": [one.row_id for one in rows]}
        checks.append({"rule": line.key, "says": shell.t(f"check.{line.key}.rule", **line.check.params)} | counts)
    about = {"examination": told.examined.id, "revision": told.examined.revision, "base": told.examined.base_id}
    rest = {name: found[name] for name in ("n_rows", "seconds", "health", "picture")}
    return about | rest | {"checks": checks, "not_run": {key: shell.t(why) for key, why in told.not_run.items()}}


def _words(shell: _Shell, told: Told) -> str:
    health = told.summary["health"]
    areas = "  ".join(f"{shell.t(f'doctor.area.{area}')} {score}" for area, score in health["areas"].items())
    lines = [f"{shell.t('doctor.score', n=health['score'])}: {areas}"]
    for line in told.lines:
        found = shell.services.doctor.found(shell.actor, told.examined.dataset_id, line.key, limit=_SHOWN_ROWS)
        numbers = ", ".join(row_number(one.position) for one in found) + (" …" if line.n_rows > len(found) else "")
        lines += ["", f"{line.key}: {shell.t(f'check.{line.key}.found', n=line.n_rows)}"]
        lines += [f"  {shell.t('cli.doctor.rows', rows=numbers)}"]
        if line.check.has_mend and line.n_settled:
            lines += [f"  {shell.t('cli.doctor.mends', n=line.n_settled, rule=line.key)}"]
    lines += ["", shell.t("cli.doctor.clean", rules=", ".join(check.key for check in told.clean))] if told.clean else []
    lines += [shell.t("doctor.not_run", check=key, why=shell.t(why)) for key, why in told.not_run.items()]
    return "\n".join(lines)
