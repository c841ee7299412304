"""`python -m studio.processes.job JOB`: one attempt of one job, in a process group of its own.

Exit codes: 0 finished, 3 stopped, 1 failed (result.json says why); a signal means it died (CONTRACTS 4).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from typing import Any

from studio.access import local_admin
from studio.db import Database
from studio.errors import StudioError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.events import EventWriter
from studio.jobs.kinds import kind_of
from studio.jobs.queue import JobService
from studio.jobs.runfolder import RunFolder
from studio.settings import load_settings

_NICE = 10

_EXIT_CODES = {"finished": 0, "stopped": 3, "failed": 1}


def run_job(job_id: str) -> int:
    settings = load_settings().ready()
    db = Database(settings.url)
    job = JobService(db, settings).get(local_admin(), job_id)
    folder = RunFolder(settings.home / job.folder)
    if job.job_class != "engine":
        os.nice(_NICE)  # a training takes what is left: the page and the answers of an engine come first
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    events = EventWriter(folder.events_file, job.attempt)
    context = JobContext(job.id, job.attempt, job.author, folder.read_spec(), folder, settings, db, events, stop)
    events.write("attempt_started", resumed_from_step=0)
    state, result, error = _execute(context, job.kind)
    events.write("attempt_ended", state=state, error=error)
    events.close()
    folder.write_result({"attempt": job.attempt, "state": state, "result": result, "error": error})
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
        last = f"{type(error).__name__}: {error}"[:500]
        return "failed", None, StudioError("error.job.crashed", reason=last).as_dict()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    sys.exit(run_job(sys.argv[1]))
