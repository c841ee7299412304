"""The same services from a shell: `python -m studio import | run | train | resume | runs | chat | stop | backup | restore |
disk | clean | user | purge | export`.

Every command takes `--json` (one object on standard output) and `--lang`. Exit status 0, or 1 with the message on standard
error.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import yaml

from studio.access import Actor, local_admin
from studio.backup import BackupService, Moved, Progress
from studio.data.service import ImportSpec
from studio.engine.protocol import BASE, Decoding
from studio.errors import ConfigError, DataError, NotFoundError, StudioError
from studio.jobs.kinds import kind_of
from studio.jobs.launch import end_worker, start_worker
from studio.jobs.queue import ATTEMPTS, Job, insert_job
from studio.services import Services, build_services
from studio.settings import load_settings
from studio.text import Lang, bytes_text, duration_text, error_text, lang_of, text
from studio.train.preflight import Preflight
from studio.train.service import Run

__all__ = ["main"]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The studio from a shell.")

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="A dataset's name or id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")]
InLang = Annotated[str, typer.Option("--lang", help="en or zh; by default that of LANG.")]
Yes = Annotated[bool, typer.Option("--yes", help="Start without asking about warnings.")]

_LOOK_S = 0.5
_TELL_S = 3.0
_SHOWN_ITEMS = 10
_WORKER_TIMEOUT_S = 30


class _Voice:
    """The actor at this machine, and a way to answer in words or as JSON. Touches no home."""

    def __init__(self, as_json: bool, lang: str) -> None:
        self.lang: Lang = lang_of(lang or os.environ.get("LANG"))
        self.as_json = as_json
        self.actor: Actor = local_admin(lang=self.lang)

    def t(self, key: str, **params: Any) -> str:
        return text(self.lang, key, **params)

    def say(self, words: str) -> None:
        """For people; kept off standard output when a program reads that."""
        print(words, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def answer(self, value: dict[str, Any], words: str) -> None:
        print(json.dumps(value, ensure_ascii=False) if self.as_json else words, flush=True)

    def tell_progress(self) -> Progress:
        """Says at most every few seconds how far it is, so a small home passes without a word."""
        last = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= _TELL_S:
                last = time.monotonic()
                self.say(self.t("cli.backup.progress", done=bytes_text(done), total=bytes_text(max(done, total))))

        return tell


class _Shell(_Voice):
    """What most commands work with: a home that is ready, its services at the newest schema."""

    def __init__(self, as_json: bool, lang: str) -> None:
        super().__init__(as_json, lang)
        settings = load_settings().ready()
        self.services: Services = build_services(settings)
        self.services.db.migrate(settings)

    def need_worker(self) -> None:
        """Start a worker when none is alive, and wait until it is."""
        if self.services.jobs.worker_alive(self.actor):
            return
        start_worker(self.services.settings)
        give_up = time.monotonic() + _WORKER_TIMEOUT_S
        while not self.services.jobs.worker_alive(self.actor):
            if time.monotonic() > give_up:
                self.services.jobs.require_worker(self.actor)
            time.sleep(_LOOK_S)


_V = TypeVar("_V", bound=_Voice)


def _command(as_json: bool, lang: str, work: Callable[[_Shell], None]) -> None:
    _run(_Shell, as_json, lang, work)


def _run(voice: type[_V], as_json: bool, lang: str, work: Callable[[_V], None]) -> None:
    """Run a command's work; a StudioError becomes its words on standard error and exit status 1."""
    spoken = lang_of(lang or os.environ.get("LANG"))
    try:
        work(voice(as_json, lang))
    except StudioError as error:
        print(error_text(spoken, error), file=sys.stderr)
        raise typer.Exit(1) from error


def _dataset_id(shell: _Shell, wanted: str) -> str:
    found = next((info.id for info in shell.services.data.list(shell.actor) if wanted in (info.id, info.name)), None)
    if found is None:
        raise NotFoundError("error.data.unknown_dataset", dataset=wanted)
    return found


@app.command("import")
def import_files(
    files: list[Path],
    name: Annotated[str, typer.Option("--name")],
    column: Annotated[list[str] | None, typer.Option("--column", help="part=column, as in question=Q; one for each.")] = None,
    rows_are: Annotated[str, typer.Option("--as", help="What the rows are, with --column.")] = "chat",
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Import the good rows of FILES as a new dataset; refused rows are listed with their lines."""

    def work(shell: _Shell) -> None:
        services, actor = shell.services, shell.actor
        for path in files:
            if not path.is_file():
                raise DataError("error.data.no_file", path=str(path))
        draft = services.drafts.bring(actor, [(path, path.name) for path in files])
        bad = next((file.problem for file in draft.files if file.problem), None)
        if bad is not None:
            raise DataError(bad["key"], **bad["params"])
        mapping = {"as": rows_are} | dict(part.partition("=")[::2] for part in column) if column else None
        chosen = [file.model_copy(update={"mapping": mapping}) for file in draft.files if file.chosen]
        spec = ImportSpec(files=[file.as_import() for file in chosen], dataset_name=name)
        made = services.data.import_upload(actor, spec)
        dataset_id = made.dataset_id
        if made.job_id is not None:
            shell.need_worker()
            dataset_id = (_follow(shell, made.job_id).result or {})["dataset_id"]
        assert dataset_id is not None
        info = services.data.get(actor, dataset_id)
        for row in info.report["refused"]:
            why = error_text(shell.lang, {"key": row["key"], "params": row["params"]})
            shell.say(shell.t("cli.refused_row", line=row["line"], why=why))
        facts = {"dataset": info.id, "name": info.name, "rows": info.n_rows, "splits": info.counts, "report": info.report}
        shell.answer(facts, shell.t("cli.imported", name=info.name, n=info.n_rows, id=info.id))

    _command(json_, lang, work)


@app.command()
def run(spec: Path, detach: bool = False, yes: Yes = False, json_: AsJson = False, lang: InLang = "") -> None:
    """Queue the job that SPEC.yaml describes and follow it; Ctrl-C leaves it running."""
    _command(json_, lang, lambda shell: _run_spec(shell, spec, detach, wanted=None, yes=yes))


@app.command()
def train(spec: Path, detach: bool = False, yes: Yes = False, json_: AsJson = False, lang: InLang = "") -> None:
    """As `run`, for a spec of kind train."""
    _command(json_, lang, lambda shell: _run_spec(shell, spec, detach, wanted="train", yes=yes))


def _run_spec(shell: _Shell, path: Path, detach: bool, *, wanted: str | None, yes: bool) -> None:
    values = _read_yaml(path)
    kind = kind_of(values.setdefault("kind", wanted or "train")).name
    if wanted is not None and kind != wanted:
        raise ConfigError("error.cli.wrong_kind", path=str(path), kind=kind, wanted=wanted)
    services, actor = shell.services, shell.actor
    run_id: str | None = None
    if kind == "train":
        complete = services.train.complete(actor, _with_ids(shell, values))
        _ask_about(shell, services.train.preflight(actor, complete), yes)
        run_id = services.train.start(actor, complete)
        job_id = services.train.get(actor, run_id).job.id
    else:
        with services.db.write() as connection:
            job_id = insert_job(connection, spec=values, name=path.stem, author=actor.user_id)
    _follow_to_the_end(shell, job_id, run_id, detach)


def _ask_about(shell: _Shell, ahead: Preflight, yes: bool) -> None:
    """Say what a person should look at first. At a terminal, ask; a script is told, and goes on."""
    if ahead.errors or not ahead.warnings:
        return  # errors are raised by the start
    for warning in ahead.warnings:
        print(error_text(shell.lang, warning), file=sys.stderr)
    if not yes and _is_at_terminal() and not typer.confirm(shell.t("cli.start_anyway")):
        raise typer.Exit(1)


def _is_at_terminal() -> bool:
    return sys.stdin.isatty()


@app.command()
def resume(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="A run's id or name.")],
    detach: bool = False,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Let a run that was stopped, failed or got lost go on from its last good checkpoint, and follow it."""

    def work(shell: _Shell) -> None:
        run_id, _ = _model(shell, run_name)
        job_id = shell.services.train.resume(shell.actor, run_id).job.id
        _follow_to_the_end(shell, job_id, run_id, detach)

    _command(json_, lang, work)


def _follow_to_the_end(shell: _Shell, job_id: str, run_id: str | None, detach: bool) -> None:
    services, actor = shell.services, shell.actor
    shell.need_worker()
    name = services.jobs.get(actor, job_id).name
    shell.say(shell.t("cli.started", name=name, id=run_id or job_id))
    job = services.jobs.get(actor, job_id) if detach else _follow(shell, job_id)
    facts = {"job": job.id, "run": run_id, "state": job.state, "result": job.result, "error": job.error}
    shell.answer(facts, shell.t("cli.ended", name=name, state=shell.t(f"job.state.{job.state}")))


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError("error.data.no_file", path=str(path))
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("error.cli.bad_yaml", path=str(path), reason=str(error).splitlines()[0]) from error
    if not isinstance(values, dict):
        raise ConfigError("error.cli.bad_yaml", path=str(path), reason=type(values).__name__)
    return values


def _with_ids(shell: _Shell, values: dict[str, Any]) -> dict[str, Any]:
    """People write a dataset's name; specs hold ids. A missing run name is the dataset's, made unique."""
    services, actor = shell.services, shell.actor
    wanted = values.get("dataset")
    if isinstance(wanted, str):
        found = next((info for info in services.data.list(actor) if wanted in (info.id, info.name)), None)
        if found is None:
            raise NotFoundError("error.data.unknown_dataset", dataset=wanted)
        values = values | {"dataset": found.id, "name": values.get("name") or services.train.free_name(actor, found.name)}
    return values


def _follow(shell: _Shell, job_id: str) -> Job:
    """Print progress until the job has ended. Raises the job's error when it failed."""
    services, actor = shell.services, shell.actor
    last = ""
    deaths = 0
    while True:
        job = services.jobs.get(actor, job_id)
        if job.deaths > deaths:
            deaths = job.deaths
            shell.say(shell.t("cli.died", n=deaths, most=ATTEMPTS))
        if job.total and job.is_active:
            left = duration_text(shell.lang, job.eta_s)
            line = shell.t("cli.step", done=int(job.done or 0), total=int(job.total), left=left)
            if line != last:
                last = line
                shell.say(line)
        if job.has_ended:
            if job.error is not None:
                raise StudioError.from_dict(job.error)
            return job
        time.sleep(_LOOK_S)


@app.command()
def runs(json_: AsJson = False, lang: InLang = "") -> None:
    """List the runs, newest first."""

    def work(shell: _Shell) -> None:
        found = shell.services.train.list(shell.actor)
        facts = [{"run": item.id, "name": item.name, "state": item.job.state, "result": item.job.result} for item in found]
        words = "\n".join(_run_line(shell, item) for item in found) or shell.t("cli.no_runs")
        shell.answer({"runs": facts}, words)

    _command(json_, lang, work)


def _run_line(shell: _Shell, item: Run) -> str:
    best = (item.job.result or {}).get("best_loss")
    loss = f"{best:.4f}" if best is not None else "–"
    return f"{item.id}  {shell.t(f'job.state.{item.job.state}'):<10}  {loss:>8}  {item.name}"


@app.command()
def chat(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="A run's id or name, with @STEP for one checkpoint; or base.")],
    message: Annotated[str, typer.Option("--message", "-m", help="Ask once; without it, a conversation.")] = "",
    temperature: float = 0.3,
    max_tokens: int = 200,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Talk to a run's best checkpoint."""

    def work(shell: _Shell) -> None:
        model, base_id = _model(shell, run_name)
        shell.need_worker()
        decoding = Decoding(temperature=temperature, max_tokens=max_tokens, repetition_penalty=1.1)
        history: list[dict[str, str]] = []
        while True:
            question = message or input(f"{shell.t('cli.question')}: ")
            history.append({"role": "user", "content": question})
            said, tokens = asyncio.run(_ask(shell, base_id, model, history, decoding))
            history.append({"role": "assistant", "content": said})
            if shell.as_json:
                shell.answer({"model": model, "question": question, "answer": said, "tokens": tokens}, "")
            if message:
                return

    try:
        _command(json_, lang, work)
    except (EOFError, KeyboardInterrupt):
        print()


async def _ask(
    shell: _Shell, base_id: str, model: str, history: list[dict[str, str]], decoding: Decoding
) -> tuple[str, int]:
    client = await shell.services.engines.client(shell.actor, base_id)
    said, tokens = "", 0
    async with client:
        async for chunk in client.stream_chat(model, history, decoding):
            said += chunk.text
            tokens = chunk.usage.completion_tokens if chunk.usage else tokens
            if not shell.as_json:
                print(chunk.text, end="", flush=True)
    if not shell.as_json:
        print()
    return said, tokens


def _model(shell: _Shell, wanted: str) -> tuple[str, str]:
    """The engine's name of a model and the base it stands on."""
    if wanted == BASE:
        ready = shell.services.models.ready(shell.actor)
        if not ready:
            raise NotFoundError("error.model.unknown_base", base=wanted)
        return BASE, ready[0].id
    name, _, step = wanted.partition("@")
    for item in shell.services.train.list(shell.actor, limit=10_000):
        if name in (item.id, item.name):
            return f"{item.id}@{step}" if step else item.id, item.base_id
    raise NotFoundError("error.run.unknown", run=wanted)


@app.command()
def stop(json_: AsJson = False, lang: InLang = "") -> None:
    """End this machine's worker; jobs that run go on and are found again by the next worker."""

    def work(shell: _Shell) -> None:
        end_worker(shell.services.db)
        shell.answer({"stopping": True}, shell.t("cli.worker_stopping"))

    _command(json_, lang, work)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Ends in .tar (as fast as the disk) or .tar.gz (smaller, much slower).")],
    without_models: Annotated[bool, typer.Option("--without-models", help="Leave out base weights: fetched again.")] = False,
    json_: AsJson = False,
    lang: InLang = "",
) -> None:
    """Save the whole studio into FILE: data, runs, chats, settings, keys.

    Trainings may go on meanwhile. FILE holds the keys folder, so only its owner may read it (mode 0600): keep it as safe as
    the home itself.
    """

    def work(shell: _Shell) -> None:
        tell = shell.tell_progress()
        made = shell.services.backup.save(shell.actor, file, with_models=not without_models, on_progress=tell)
        shell.answer(asdict(made), shell.t("cli.backup.saved", **_moved(shell, made)))

    _command(json_, lang, work)


@app.command()
def restore(file: Path, json_: AsJson = False, lang: InLang = "") -> None:
    """Make an empty home (STUDIO_HOME) and its database out of FILE. Jobs that went on in the backup wait for Resume."""

    def work(voice: _Voice) -> None:
        made = BackupService(load_settings()).restore(voice.actor, file, on_progress=voice.tell_progress())
        voice.answer(asdict(made), voice.t("cli.backup.restored", **_moved(voice, made)))

    _run(_Voice, json_, lang, work)


def _moved(voice: _Voice, made: Moved) -> dict[str, Any]:
    counts = {name: getattr(made, name) for name in ("file", "home", "datasets", "rows", "runs", "models")}
    return counts | {"size": bytes_text(made.bytes), "duration": duration_text(voice.lang, made.seconds)}


@app.command()
def disk(json_: AsJson = False, lang: InLang = "") -> None:
    """Say where the home's bytes are, and what cleaning would free."""

    def work(shell: _Shell) -> None:
        storage = shell.services.storage
        use, cleanable = storage.use(shell.actor), storage.cleanable(shell.actor)
        lines = [f"{bytes_text(size):>9}  {shell.t(f'disk.kind.{kind}')}" for kind, size in use.kinds]
        for name in ("datasets", "runs", "models"):
            lines += ["", shell.t(f"disk.kind.{name}")]
            lines += [f"{bytes_text(item.bytes):>9}  {item.name}" for item in getattr(use, name)[:_SHOWN_ITEMS]]
        lines += ["", shell.t("disk.total", total=bytes_text(use.total_bytes), free=bytes_text(use.free_bytes))]
        lines += [shell.t("disk.would_free", size=bytes_text(cleanable.bytes)) if cleanable.bytes else shell.t("disk.nothing")]
        shell.answer(use.as_dict() | {"cleanable": cleanable.as_dict()}, "\n".join(lines))

    _command(json_, lang, work)


@app.command()
def clean(json_: AsJson = False, lang: InLang = "") -> None:
    """Remove what nobody needs: old snapshots, uploads and temporary files, leftovers of what was interrupted."""

    def work(shell: _Shell) -> None:
        removed = shell.services.storage.clean(shell.actor)
        lines = [
            f"{bytes_text(amount.bytes):>9}  {shell.t(f'disk.clean.{kind}')} ({amount.n})"
            for kind, amount in removed.by_kind.items()
        ]
        shell.answer(removed.as_dict(), "\n".join([*lines, shell.t("disk.freed", size=bytes_text(removed.bytes))]))

    _command(json_, lang, work)


from studio.cli_data import data_app  # noqa: E402 (their commands are made of what stands above)
from studio.cli_doctor import doctor_app  # noqa: E402
from studio.cli_edits import edits_app  # noqa: E402
from studio.cli_purge import purge_app  # noqa: E402
from studio.cli_user import user_app  # noqa: E402

app.add_typer(user_app, name="user")
app.add_typer(purge_app, name="purge")
app.add_typer(data_app)
app.add_typer(edits_app)
app.add_typer(doctor_app)


def main() -> None:
    app()
