"""The purge from a shell: `python -m studio purge --phrase-file FILE | --dataset NAME | --person ID | --link ID`.

The phrase comes from a file or from standard input, never from an argument: those are kept by the shell and can be read by
every process of the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

# Before the import below, which mounts it: either module may be imported first.
purge_app: typer.Typer = typer.Typer(help="Take a phrase, a dataset or a person's chats out of everything, for good.")

from studio.cli import AsJson, InLang, _command, _Shell  # noqa: E402
from studio.errors import DataError, NotFoundError  # noqa: E402
from studio.purge import Found, Wanted  # noqa: E402
from studio.text import bytes_text  # noqa: E402

__all__ = ["purge_app"]


@purge_app.callback(invoke_without_command=True)
def purge(
    phrase_file: Annotated[str, typer.Option("--phrase-file", help="A file that holds the phrase; - reads standard input.")] = "",
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME", help="A whole dataset, by its name or id.")] = "",
    person: Annotated[str, typer.Option("--person", metavar="ID", help="All chats of a user or a guest.")] = "",
    link: Annotated[str, typer.Option("--link", metavar="ID", help="All chats of a link's guests.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Purge; without it, only say what would go.")] = False,
    delete_checkpoints: Annotated[
        bool, typer.Option("--delete-checkpoints", help="Also delete what was trained on it; later nobody can tell what was.")
    ] = False,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Say what would go for good, from all revisions, snapshots, uploads and run folders; with --yes, purge it."""

    def work(shell: _Shell) -> None:
        service = shell.services.purge
        wanted = Wanted(phrase=_phrase(phrase_file), dataset=_dataset_id(shell, dataset), person=person, link=link)
        found = service.look(shell.actor, wanted)
        for line in _lines(shell, found):
            shell.say(line)
        if yes:
            name = shell.services.data.get(shell.actor, wanted.dataset).name if wanted.dataset else ""
            confirm = name or wanted.phrase or person or link
            found = service.run(shell.actor, wanted, delete_checkpoints=delete_checkpoints, confirm=confirm)
        words = f"{shell.t('purge.done')} {shell.t('purge.backups')}" if yes else shell.t("cli.purge.add_yes")
        shell.answer(found.as_dict() | {"purged": yes}, words)

    _command(json_, lang, work)


def _phrase(file: str) -> str:
    """Without the line's end that an editor puts behind it."""
    if not file:
        return ""
    if file == "-":
        return sys.stdin.read().rstrip("\r\n")
    if not Path(file).is_file():
        raise DataError("error.data.no_file", path=file)
    return Path(file).read_text("utf-8").rstrip("\r\n")


def _dataset_id(shell: _Shell, name: str) -> str:
    if not name:
        return ""
    found = next((info.id for info in shell.services.data.list(shell.actor) if name in (info.id, info.name)), None)
    if found is None:
        raise NotFoundError("error.data.unknown_dataset", dataset=name)
    return found


def _lines(shell: _Shell, found: Found) -> list[str]:
    if found.is_empty:
        return [shell.t("purge.nothing")]
    lines = [shell.t("purge.found.rows", name=item.name, n=item.n_rows) for item in found.datasets]
    if found.chats:
        lines.append(shell.t("purge.found.chats", n=found.chats, questions=found.questions))
    kinds = ("ratings", "uploads", "snapshots", "texts", "records")
    lines += [shell.t(f"purge.found.{kind}", n=n) for kind in kinds if (n := getattr(found, kind))]
    lines += [
        shell.t("purge.found.run", name=run.name, n=run.checkpoints, size=bytes_text(run.bytes)) for run in found.runs
    ]
    return [*lines, *(f"  {text}" for text in found.examples)]
