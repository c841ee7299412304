"""Changing datasets from a shell: `python -m studio history | undo | redo | restore-revision | replace | diff`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

# Before the import below, which mounts it: either module may be imported first.
edits_app: typer.Typer = typer.Typer()

from studio.cli import AsJson, Dataset, InLang, _command, _dataset_id, _follow, _Shell  # noqa: E402
from studio.data.bulk import BulkPreview, BulkSpec  # noqa: E402
from studio.data.compare import Piece, RowChange, row_number, text_diff  # noqa: E402
from studio.data.revisions import Revision  # noqa: E402
from studio.data.rows import NewRow, search_text  # noqa: E402
from studio.ids import new_id, time_text  # noqa: E402
from studio.jobs.spec import checked  # noqa: E402

__all__ = ["change_rows", "edits_app"]

#: Fields beside the content whose changes are told.
_FIELDS = ("kind", "split", "group_key", "topic", "tags", "references", "rule", "flag", "origin", "extra")

_SHOWN_EXAMPLES = 5


@edits_app.command()
def history(
    name: Dataset,
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many revisions at most, the newest first.")] = 20,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """List what was done to a dataset, newest first."""

    def work(shell: _Shell) -> None:
        found = shell.services.edits.history(shell.actor, _dataset_id(shell, name), limit=limit)
        shell.answer({"revisions": [_facts(shell, made) for made in found]}, "\n".join(_line(shell, made) for made in found))

    _command(json_, lang, work)


@edits_app.command()
def undo(name: Dataset, json_: AsJson = False, lang: InLang = "") -> None:
    """Take the newest change of a dataset back."""
    _command(json_, lang, lambda shell: _tell(shell, shell.services.edits.undo(shell.actor, _dataset_id(shell, name))))


@edits_app.command()
def redo(name: Dataset, json_: AsJson = False, lang: InLang = "") -> None:
    """Make the change again that was taken back last."""
    _command(json_, lang, lambda shell: _tell(shell, shell.services.edits.redo(shell.actor, _dataset_id(shell, name))))


@edits_app.command("restore-revision")
def restore_revision(name: Dataset, number: int, json_: AsJson = False, lang: InLang = "") -> None:
    """Bring the rows of an earlier revision back; that can be undone."""

    def work(shell: _Shell) -> None:
        _tell(shell, shell.services.edits.restore(shell.actor, _dataset_id(shell, name), number))

    _command(json_, lang, work)


@edits_app.command()
def replace(
    name: Dataset,
    find: Annotated[str, typer.Option("--find", help="The text that is to be replaced.")],
    put: Annotated[str, typer.Option("--put", help="What is to stand in its place; may be empty.")],
    regex: Annotated[bool, typer.Option("--regex", help="FIND is a pattern; PUT may name its groups, such as \\1.")] = False,
    match_case: Annotated[bool, typer.Option("--match-case", help="Only with the same upper and lower case.")] = False,
    where: Annotated[str, typer.Option("--where", help="all, answers, questions or system.")] = "all",
    split: Annotated[str, typer.Option("--split", help="Only rows of train, validation, test or none.")] = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why; shown in the history.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Replace a text everywhere in a dataset; with --dry-run, only show how many rows would change, and examples."""

    def work(shell: _Shell) -> None:
        options = {"find": find, "put": put, "regex": regex, "match_case": match_case, "where": where}
        dataset = _dataset_id(shell, name)
        values = {"dataset": dataset, "filter": {"split": split or None}, "message": message}
        spec = checked(BulkSpec, values | {"operation": {"do": "replace"} | options})
        change_rows(shell, spec, dry_run)

    _command(json_, lang, work)


def change_rows(shell: _Shell, spec: BulkSpec, dry_run: bool) -> None:
    """Do a bulk change, or say what it would do."""
    edits, actor = shell.services.edits, shell.actor
    if dry_run:
        _tell_preview(shell, edits.preview(actor, spec))
        return
    made = edits.apply(actor, spec, request_id=new_id("job"))
    facts: dict[str, Any] = {"revision": made.revision, "changes": made.changes, "refused": made.refused}
    if made.job_id is not None:
        shell.need_worker()
        facts |= _follow(shell, made.job_id).result or {}
    _say_refused(shell, facts["refused"])
    if facts["revision"] is None:
        shell.answer(facts, shell.t("cli.edits.nothing"))
        return
    newest = edits.history(actor, spec.dataset, before=facts["revision"] + 1, limit=1)[0]
    shell.answer(facts, _line(shell, newest))


@edits_app.command()
def diff(
    name: Dataset,
    older: Annotated[int | None, typer.Argument(help="A revision's number; by default the one before NEWER.")] = None,
    newer: Annotated[int | None, typer.Argument(help="A revision's number; by default the newest.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many rows at most.")] = 20,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Show the rows that differ between two revisions: [-what is gone-] and {+what is new+}."""

    def work(shell: _Shell) -> None:
        edits, actor, dataset = shell.services.edits, shell.actor, _dataset_id(shell, name)
        last = newer if newer is not None else edits.history(actor, dataset, limit=1)[0].number
        before = edits.history(actor, dataset, before=last, limit=1)
        first = older if older is not None else before[0].number if before else last
        told = edits.compare(actor, dataset, first, last, limit=limit)
        rows = [{"row": row_number(change.position), "lines": _changed_lines(change)} for change in told.changes]
        lines = [shell.t("cli.edits.counts", older=first, newer=last, **told.counts)]
        for row in rows:
            lines += ["", shell.t("cli.edits.row", row=row["row"]), *(f"  {line}" for line in row["lines"])]
        if told.next is not None:
            lines += ["", shell.t("cli.edits.more")]
        facts = {"older": first, "newer": last, "counts": told.counts, "is_exact": told.is_exact, "rows": rows}
        shell.answer(facts, "\n".join(lines))

    _command(json_, lang, work)


def _tell(shell: _Shell, made: Revision) -> None:
    shell.answer(_facts(shell, made), _line(shell, made))


def _line(shell: _Shell, made: Revision) -> str:
    parts = (f"{made.number:>5}", time_text(made.committed_at), _what(shell, made), made.name or "", made.message)
    return "  ".join(part for part in parts if part)


def _what(shell: _Shell, made: Revision) -> str:
    return shell.t(made.summary["key"], **made.summary["params"]) if made.summary else ""


def _facts(shell: _Shell, made: Revision) -> dict[str, Any]:
    plain = {name: getattr(made, name) for name in ("number", "action", "message", "name", "author", "counts", "changes")}
    return plain | {"at": time_text(made.committed_at), "what": _what(shell, made)}


def _tell_preview(shell: _Shell, told: BulkPreview) -> None:
    counted = {"n": told.n_changed, "matching": told.n_matching}
    lines = [shell.t("cli.edits.would", **counted) if told.is_exact else shell.t("cli.edits.would_at_least", **counted)]
    lines += [shell.t(key, n=n) for key, n in told.refused.items()]
    examples = []
    for old, new in told.examples[:_SHOWN_EXAMPLES]:
        row = row_number(old.position)
        examples.append({"row": row, "lines": _different(old.as_new(), new)})
        lines += ["", shell.t("cli.edits.row", row=row), *(f"  {line}" for line in examples[-1]["lines"])]
    facts = {"matching": told.n_matching, "changed": told.n_changed, "is_exact": told.is_exact}
    shell.answer(facts | {"refused": told.refused, "examples": examples}, "\n".join(lines))


def _say_refused(shell: _Shell, refused: dict[str, int]) -> None:
    for key, n in refused.items():
        shell.say(shell.t(key, n=n))


def _changed_lines(change: RowChange) -> list[str]:
    before, after = (side.as_new() if side is not None else None for side in (change.before, change.after))
    return _different(before, after)


def _different(before: NewRow | None, after: NewRow | None) -> list[str]:
    """The lines of a row that differ, then its fields."""
    texts = [search_text(row.kind, row.content) if row else "" for row in (before, after)]
    lines = [line for line in _marked(text_diff(*texts)).split("\n") if "[-" in line or "{+" in line]
    if before and after:
        for name in _FIELDS:
            old, new = getattr(before, name), getattr(after, name)
            lines += [f"{name}: [-{old}-]{{+{new}+}}"] if old != new else []
    return lines


def _marked(pieces: list[Piece]) -> str:
    """Each line by itself, so that those without a change can be left out."""
    marks = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}
    return "".join("\n".join(marks[kind].format(line) if line else "" for line in text.split("\n")) for kind, text in pieces)
