"""One tree of errors. An error carries a message key, parameters and the field at fault; the words live in the catalogue.

    StudioError
    ├── ConfigError      a setting or a spec that cannot work
    ├── DataError        a file, a row, a dataset
    ├── ModelError       a base model, an adapter, a checkpoint
    ├── JobError         queueing, starting, stopping
    ├── EngineError      loading and answering
    ├── StorageError     the database: locked, full, not there
    ├── AccessError      who may do what
    └── NotFoundError    an id that names nothing
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AccessError",
    "ConfigError",
    "DataError",
    "EngineError",
    "JobError",
    "ModelError",
    "NotFoundError",
    "StorageError",
    "StudioError",
]


class StudioError(Exception):
    """Something a person can understand and act on.

    `key` is a message key (`error.<area>.<what>`), `params` fill its placeholders, `field` names the
    setting or form field at fault. Safe to show: it never holds a secret or a traceback.
    """

    def __init__(self, key: str, *, field: str | None = None, **params: Any) -> None:
        super().__init__(key)
        self.key = key
        self.field = field
        self.params = params

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.key}({shown})"

    def as_dict(self) -> dict[str, Any]:
        """The form in which an error travels through `result.json`, the database and HTTP."""
        return {"key": self.key, "field": self.field, "params": self.params}

    @staticmethod
    def from_dict(value: dict[str, Any]) -> StudioError:
        return StudioError(value["key"], field=value.get("field"), **value.get("params", {}))


class ConfigError(StudioError):
    pass


class DataError(StudioError):
    pass


class ModelError(StudioError):
    pass


class JobError(StudioError):
    pass


class EngineError(StudioError):
    pass


class StorageError(StudioError):
    """The database is locked (`error.db.locked`), its disk is full (`error.db.disk_full`), or it cannot be opened
    (`error.db.unreachable`). `params["place"]` says which database, without user and password. Nothing of the transaction
    was written.
    """


class AccessError(StudioError):
    pass


class NotFoundError(StudioError):
    pass
