"""`python -m studio.processes.worker`: one worker for this host and home."""

from __future__ import annotations

import logging
import signal
import sys

from studio.db import Database
from studio.errors import StudioError
from studio.jobs.worker import Worker
from studio.settings import load_settings
from studio.text import error_text


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = load_settings().ready()
    db = Database(settings.url)
    try:
        db.check_schema()
        worker = Worker(db, settings)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: worker.stop())
        worker.run()
    except StudioError as error:
        print(error_text(settings.lang, error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
