"""The one operation that deletes history: a phrase, a dataset, a person's chats. Start at `service.py`."""

from studio.purge.plan import MIN_CHARS, Found, FoundDataset, FoundRun, Wanted
from studio.purge.service import PurgeService

__all__ = ["MIN_CHARS", "Found", "FoundDataset", "FoundRun", "PurgeService", "Wanted"]
