"""Processes in milliseconds: one process imports everything once and forks workers, jobs and web servers on request.

What it forks are the product's own entry points in processes of their own, with their own session: each can really be
killed, adopted and found dead. Only the imports are shared.

    with Warm(folder) as warm:
        worker = warm.worker(home)      # its jobs are forked as well
        web = warm.web(home, port)      # and so is the worker that the web server starts

`python -m tests.warm SOCKET` listens on a Unix socket for one JSON line a connection and answers with the child's pid.
A job finds its fate in `<home>/fate.json` (tests/unit/train/attempts.py), a worker in `<home>/worker-fate.json`; whoever takes
a fate removes it, so it is met once.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from studio.jobs import ingest
from studio.jobs.processes import created, is_alive
from studio.jobs.queue import Job
from studio.jobs.resources import Device
from studio.settings import ROOT, Settings

#: Seconds between two looks of the forked workers and keepers: as thorough as the product's, and sooner.
_LOOK_S = 0.05


#: What jobs and workers import, and what the web server does.
_IMPORTED = ("bitsandbytes", "peft", "pyarrow.ipc", "transformers", "studio.processes.worker", "studio.train.job")
_WEB = ("components.serve", "components.web")


class Forked:
    """A process that the warm one forked for us."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._created = created(pid)

    def poll(self) -> int | None:
        return None if is_alive(self.pid, self._created) else 0

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, signal.SIGKILL)


def ask(path: str, **request: Any) -> Forked:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(path)
        connection.sendall(json.dumps(request).encode() + b"\n")
        return Forked(int(connection.makefile().readline()))


class Warm:
    """Owns the warm process, and kills what it forked when it ends."""

    def __init__(self, folder: Path, *, with_web: bool = False) -> None:
        self.path = str(folder / "warm.sock")
        self._log = (folder / "warm.log").open("wb")
        command = [sys.executable, "-m", "tests.warm", self.path, *(["web"] if with_web else [])]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, start_new_session=True
        )
        self._forked: list[Forked] = []

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", Path(self._log.name).read_text("utf-8", "replace")
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._forked:
            child.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def _ask(self, **request: Any) -> Forked:
        self._forked.append(ask(self.path, **request))
        return self._forked[-1]

    def worker(self, settings: Settings) -> Forked:
        return self._ask(do="worker", home=str(settings.home), url=settings.database_url)

    def web(self, settings: Settings, port: int, clerk: str = "") -> Forked:
        """The studio's web server; `clerk` is a "module:function(services)" that acts in one of its threads, as handlers do."""
        return self._ask(do="web", home=str(settings.home), url=settings.database_url, port=port, clerk=clerk)


# --- in the warm process ----------------------------------------------------------------------------------------------


def main(path: str, *, with_web: bool) -> None:
    import torch

    torch.set_num_threads(1)
    for name in (*_IMPORTED, *(_WEB if with_web else ())):
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        signal.signal(signal.SIGCHLD, lambda *_: _reap())
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if listener not in ready:
                return  # whoever started us is gone
            connection, _ = listener.accept()
            with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who asked may be killed meanwhile
                line = connection.makefile().readline()
                if not line.endswith("\n"):
                    continue  # killed before the question was out
                request = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    listener.close()
                    _run(path, request)
                connection.sendall(f"{pid}\n".encode())


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run(path: str, request: dict[str, Any]) -> None:
    """What a child does; never returns."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        home = Path(request["home"])
        (home / "jobs").mkdir(parents=True, exist_ok=True)
        log = os.open(home / "jobs" / f"{request['do']}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for target in (1, 2):
            os.dup2(log, target)
        os.environ |= {"STUDIO_HOME": str(home), "STUDIO_DEVICE": "cpu", "STUDIO_STARTER": "false", "HF_HUB_OFFLINE": "1"}
        if request["url"]:
            os.environ["STUDIO_DATABASE_URL"] = request["url"]
        code = _CHILDREN[request["do"]](path, request)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _fork_job(path: str, settings: Settings, job: Job, device: Device | None = None) -> Forked:
    request = {"home": str(settings.home), "url": settings.database_url}
    return ask(path, do="job", job=job.id, attempt=job.attempt, **request)


def _worker(path: str, request: dict[str, Any]) -> int:
    import studio.jobs.worker as worker
    from studio.processes import worker as entry

    worker._LOOK_S = _LOOK_S
    worker.fork_job = functools.partial(_fork_job, path)  # type: ignore[attr-defined]
    launch = lambda settings, job, device: worker.fork_job(settings, job)  # noqa: E731 - looked up late: a fate may stand around it
    entry.Worker = functools.partial(worker.Worker, launch=launch)  # type: ignore[misc,assignment]
    fate = _take(Path(request["home"]) / "worker-fate.json")
    if fate is not None:
        _meet(worker, fate, Path(request["home"]))
    return entry.main()


def _job(path: str, request: dict[str, Any]) -> int:
    import torch

    torch.set_num_threads(1)  # makes the pool anew that a fork leaves corrupted
    from studio.processes import job as entry
    from tests.unit.train import attempts

    fate = _take(Path(request["home"]) / "fate.json")
    if fate is not None:
        if fate["at"] == "unentered":
            attempts.die()
        attempts.arrange(fate)
        attempts.Fated.fate = fate
        entry.EventWriter = attempts.Fated  # type: ignore[misc]
        if fate["at"] in ("entered", "result"):
            _die_behind(entry, {"entered": "follow_truncation", "result": "RunFolder.write_result"}[fate["at"]])
    return entry.run_job(request["job"], request["attempt"])


def _web(path: str, request: dict[str, Any]) -> int:
    import components.serve as serve
    from studio.jobs import launch

    os.environ["STUDIO_PORT"] = str(request["port"])

    def start(settings: Settings) -> Forked:
        return ask(path, do="worker", home=str(settings.home), url=settings.database_url)

    launch._LOOK_S = 4 * _LOOK_S
    launch.start_worker = start  # type: ignore[assignment]
    if request["clerk"]:
        module, _, function = request["clerk"].partition(":")
        serve.clerk = getattr(importlib.import_module(module), function)  # type: ignore[attr-defined]
        up = serve._open_for_business

        def with_clerk(services: Any, *args: Any, **options: Any) -> None:
            import threading

            threading.Thread(target=serve.clerk, args=(services,), daemon=True).start()  # type: ignore[attr-defined]
            up(services, *args, **options)

        serve._open_for_business = with_clerk
    return serve.serve()


_CHILDREN: dict[str, Callable[[str, dict[str, Any]], int]] = {"worker": _worker, "job": _job, "web": _web}


def _take(path: Path) -> dict[str, Any] | None:
    """A fate is met once, by whoever renames its file first."""
    mine = path.with_suffix(f".{os.getpid()}")
    try:
        path.rename(mine)
    except FileNotFoundError:
        return None
    fate: dict[str, Any] = json.loads(mine.read_text())
    mine.unlink()
    return fate


def _meet(worker: Any, fate: dict[str, Any], home: Path) -> None:
    """`{"before" | "behind": name, "n": 1}`: a worker is killed around the n-th call of one of its functions.

    It leaves `worker-fate.met`, because a worker that ends for another reason looks the same.
    """
    side = "before" if "before" in fate else "behind"
    name, left = fate[side], [fate.get("n", 1)]
    owner = worker if hasattr(worker, name) else worker.Worker if hasattr(worker.Worker, name) else ingest
    function = getattr(owner, name)

    def die() -> None:
        (home / "worker-fate.met").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    def met(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and side == "before":
            die()
        value = function(*args, **kwargs)
        if left[0] == 0:
            die()
        return value

    setattr(owner, name, met)


def _die_behind(module: Any, name: str) -> None:
    owner: Any = module
    *parents, last = name.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    function = getattr(owner, last)

    def dies(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, last, dies)


if __name__ == "__main__":
    main(sys.argv[1], with_web="web" in sys.argv)
