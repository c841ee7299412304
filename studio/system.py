"""What the Settings tab shows and changes: folders, hub, device, versions, free space."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass

import psutil

import studio
from studio.access import Actor, allows
from studio.db import Database
from studio.jobs.resources import Device, DeviceState, device_states, devices, free_disk_bytes, free_memory_bytes
from studio.settings import Settings, load_settings, save_setting

__all__ = ["SystemReport", "SystemService"]

_SHOWN_PACKAGES = ("torch", "transformers", "peft", "accelerate", "gradio", "sqlalchemy")


@dataclass(frozen=True)
class SystemReport:
    """The machine and the studio at this moment. Bytes are free ones unless they say otherwise."""

    settings: Settings
    devices: tuple[Device, ...]
    free_disk_bytes: int
    free_memory_bytes: int
    total_memory_bytes: int
    versions: dict[str, str]
    fixed: frozenset[str]
    database: str


class SystemService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("settings.read")
    def report(self, actor: Actor) -> SystemReport:
        """`fixed` are the settings that the environment decides, so that a form cannot."""
        settings = load_settings().model_copy(update={"home": self._settings.home, "host": self._settings.host})
        versions = {name: importlib.metadata.version(name) for name in _SHOWN_PACKAGES}
        return SystemReport(
            settings=settings,
            devices=devices(settings),
            free_disk_bytes=free_disk_bytes(settings.home),
            free_memory_bytes=free_memory_bytes(),
            total_memory_bytes=int(psutil.virtual_memory().total),
            versions={"Finetune Studio": studio.__version__, "Python": platform.python_version()} | versions,
            fixed=frozenset(name for name in Settings.model_fields if f"STUDIO_{name.upper()}" in os.environ),
            database="SQLite" if self._db.is_sqlite else "PostgreSQL",
        )

    @allows("job.read")
    def device_states(self, actor: Actor) -> list[DeviceState]:
        """How busy the devices are now."""
        return device_states(self._settings)

    @allows("settings.write")
    def save(self, actor: Actor, name: str, value: str) -> None:
        """Change one editable setting; jobs that start from now on follow it."""
        save_setting(self._settings, name, value)
