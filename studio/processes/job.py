"""`python -m studio.processes.job JOB ATTEMPT`: one attempt of one job, in a process group of its own.

Exit codes: 0 finished, 3 stopped, 1 failed (result.json says why); a signal means it died (CONTRACTS 4).
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import traceback
from typing import Any

from studio.db import Database
from studio.errors import StudioError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.events import EventWriter
from studio.jobs.ingest import follow_truncation
from studio.jobs.kinds import kind_of
from studio.jobs.queue import enter_job
from studio.jobs.resources import free_disk_bytes
from studio.jobs.runfolder import RunFolder
from studio.settings import Settings, load_settings

__all__ = ["run_job"]

log = logging.getLogger("studio.job")

_NICE = 10

_EXIT_CODES = {"finished": 0, "stopped": 3, "failed": 1}


def run_job(job_id: str, attempt: int) -> int:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = load_settings().ready()
    db = Database(settings.url)
    job = enter_job(db, job_id, attempt)
    if job is None:
        log.info("attempt %d of job %s was given up before this process began it", attempt, job_id)
        return 0
    if job.job_class != "engine":
        os.nice(_NICE)  # a training takes what is left: the page and the answers of an engine come first
    folder = RunFolder(settings.home / job.folder)
    events = EventWriter(folder.events_file, attempt, after_seq=job.ingested_seq)
    follow_truncation(db, job, events.begins_at)
    step = kind_of(job.kind).resumes_from(folder)
    context = JobContext(
        job_id, attempt, job.author, folder.read_spec(), folder, settings, db, events, stop, events.history, step
    )
    events.write("attempt_started", resumed_from_step=step)
    state, result, error = _execute(context, job.kind)
    folder.write_result({"attempt": attempt, "state": state, "result": result, "error": error})
    events.write("attempt_ended", state=state, error=error)
    events.close()
    return _EXIT_CODES[state]


def _execute(context: JobContext, kind: str) -> tuple[str, dict[str, Any] | None, dict[str, Any] | None]:
    try:
        return "finished", kind_of(kind).load()(context), None
    except StoppedByRequest as stopped:
        return "stopped", stopped.result, None
    except StudioError as error:
        traceback.print_exc()
        return "failed", None, error.as_dict()
    except MemoryError:
        traceback.print_exc()
        return "failed", None, StudioError("error.job.out_of_memory").as_dict()
    except Exception as error:
        traceback.print_exc()
        return "failed", None, _plain(error, context.settings).as_dict()


def _plain(error: Exception, settings: Settings) -> StudioError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StudioError("error.job.disk_full", free_bytes=free_disk_bytes(settings.home))
    return StudioError("error.job.crashed", reason=f"{type(error).__name__}: {error}"[:500])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    sys.exit(run_job(sys.argv[1], int(sys.argv[2])))
