"""The job `engine`: one base in memory behind an OpenAI-shaped server on the loopback address, until it is asked to end
or nobody has asked it anything for a while."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
import uvicorn

from studio.data.templates import template_of
from studio.db import Database
from studio.engine.manager import EngineSpec
from studio.engine.server import build_app
from studio.engine.tables import engines
from studio.engine.transformers_engine import TransformersEngine
from studio.errors import EngineError
from studio.ids import now
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.spec import checked
from studio.jobs.tables import checkpoints, runs
from studio.models.catalogue import base_folder
from studio.settings import Settings

__all__ = ["run_engine"]

log = logging.getLogger("studio.engine")

#: Weight files up to here are held in float32 on a CPU; larger ones in the narrower type, because memory counts more.
_SMALL_BYTES = 2 * 2**30

_MODEL_NAME = re.compile(r"(run_[0-9a-z]{26})(?:@(\d+))?")


class _Activity:
    """When somebody last asked the engine for something."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def touch(self) -> None:
        with self._lock:
            self._last = time.monotonic()

    def idle_s(self) -> float:
        with self._lock:
            return time.monotonic() - self._last


def run_engine(context: JobContext) -> dict[str, Any]:
    spec = checked(EngineSpec, context.spec)
    context.phase("loading")
    settings, db = context.settings, context.db
    folder, device = base_folder(settings, spec.base), _device(settings)
    engine = TransformersEngine(
        folder,
        device=device,
        dtype=_dtype(folder, device),
        resolve=lambda name: adapter_folder(db, settings, spec.base, name),
        template=template_of(settings, spec.base),
        known=lambda: runs_with_checkpoints(db, spec.base),
    )
    context.check_stop()
    token = (settings.folder("engines", spec.engine) / "token").read_text("utf-8")
    activity = _Activity()
    app = build_app(engine, token=token, on_activity=activity.touch)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _announce(db, spec.engine, listener.getsockname()[1], device)
        context.phase("ready")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        reason = _wait(context, activity, settings.engine_idle_s)
        _update(db, spec.engine, {"state": "ended"})  # first, so that nobody is sent here any more
        server.should_exit = True
        thread.join(timeout=10)
    engine.close()
    if reason == "stopped":
        raise StoppedByRequest
    return {"ended": reason}


def _wait(context: JobContext, activity: _Activity, idle_s: float) -> str:
    """Until the job is asked to stop ("stopped") or nothing was asked for `idle_s` ("idle")."""
    while not context.stop.wait(timeout=1.0):
        if activity.idle_s() > idle_s:
            return "idle"
    return "stopped"


def runs_with_checkpoints(db: Database, base_id: str) -> list[str]:
    """Names that `adapter_folder` accepts, newest first; each also with `@<step>`."""
    query = sa.select(runs.c.id).join(checkpoints, checkpoints.c.run_id == runs.c.id).where(runs.c.base_id == base_id)
    with db.read() as connection:
        return list(connection.execute(query.distinct().order_by(runs.c.id.desc())).scalars())


def adapter_folder(db: Database, settings: Settings, base_id: str, name: str) -> Path | None:
    """The checkpoint that a model name means: a run's best (its last where none is best), or the one of a step.

    None for a run on another base: its adapter might fit by its shapes and still be wrong.
    """
    match = _MODEL_NAME.fullmatch(name)
    if match is None:
        return None
    run_id, step = match.groups()
    query = sa.select(checkpoints.c.path).join(runs, runs.c.id == checkpoints.c.run_id)
    query = query.where(runs.c.id == run_id, runs.c.base_id == base_id)
    query = query.order_by(checkpoints.c.best.desc(), checkpoints.c.step.desc())
    if step is not None:
        query = query.where(checkpoints.c.step == int(step))
    with db.read() as connection:
        path = connection.execute(query.limit(1)).scalar()
    return None if path is None else settings.home / path


def _device(settings: Settings) -> str:
    import torch

    if settings.device == "cuda" and not torch.cuda.is_available():
        raise EngineError("error.train.no_cuda", field="device")
    return "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"


def _dtype(folder: Path, device: str) -> str:
    """Small models answer faster in float32 on a CPU: 16 against 13 tokens/s for the starter model on 2 cores."""
    small = sum(path.stat().st_size for path in folder.glob("*.safetensors")) <= _SMALL_BYTES
    return "float32" if device == "cpu" and small else "auto"


def _announce(db: Database, engine_id: str, port: int, device: str) -> None:
    memory = psutil.Process().memory_info().rss
    values = {"host": "127.0.0.1", "port": port, "state": "ready", "device": device, "memory_bytes": memory, "last_used": now()}
    _update(db, engine_id, values)
    log.info("engine %s answers on port %d", engine_id, port)


def _update(db: Database, engine_id: str, values: dict[str, Any]) -> None:
    with db.write() as connection:
        connection.execute(sa.update(engines).where(engines.c.id == engine_id).values(**values))
