"""One `Settings`: environment (`STUDIO_*`), then `.env`, then `<home>/studio.env` (the Settings tab), then defaults."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from studio.errors import ConfigError

__all__ = ["EDITABLE", "ROOT", "Settings", "is_loopback", "load_settings", "save_setting"]

ROOT = Path(__file__).resolve().parent.parent

#: What the Settings tab may change; everything else is for whoever owns the machine.
EDITABLE = ("hub", "device", "lang")


class Settings(BaseSettings):
    """What the owner of the machine decides. Every field is a variable `STUDIO_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="STUDIO_", env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Field(ROOT / "home", description="Folder that holds the database, models, runs and uploads.")
    host: str = Field("127.0.0.1", description="Address the web server binds.")
    allowed_hosts: str = Field("", description="Host names that answer, separated by commas; empty: any, once an admin exists.")
    port: int = Field(7860, ge=0, le=65535, description="Port of the web server; 0 takes a free one.")
    database_url: str = Field("", description="SQLAlchemy URL; empty: one SQLite file in the home folder.")
    hub: str = Field("huggingface", description="Where models come from: huggingface, modelscope or a mirror's URL.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Device that trains and answers.")
    lang: Literal["en", "zh"] = Field("en", description="Language of a browser that has not chosen one.")
    engine_idle_s: float = Field(900.0, gt=0, description="An engine that answered nothing for so long unloads itself.")
    max_upload_mb: int = Field(512, ge=1, description="Largest upload, in MiB.")
    starter: bool = Field(True, description="Fetch the starter model at the first start.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("hub")
    @classmethod
    def _hub(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        # One address and nothing else: the value becomes a line of studio.env, where a line break would set another setting.
        if value not in ("huggingface", "modelscope") and not re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w.~%/-]*)?", value):
            raise ValueError("hub must be huggingface, modelscope or a URL")
        return value

    @property
    def url(self) -> str:
        """The database's URL, with the driver that this studio brings for PostgreSQL."""
        if not self.database_url:
            return f"sqlite:///{self.home / 'studio.db'}"
        return re.sub(r"^postgres(ql)?://", "postgresql+pg8000://", self.database_url)

    @property
    def hub_endpoint(self) -> str:
        return {"huggingface": "https://huggingface.co", "modelscope": "https://modelscope.cn/hf"}.get(self.hub, self.hub)

    def folder(self, *parts: str) -> Path:
        """A folder under the home, made when it is missing."""
        path = self.home.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def ready(self) -> Self:
        """Make the home folder and the ones that every part expects."""
        for name in ("uploads", "snapshots", "models", "runs", "jobs", "exports", "engines", "tmp"):
            self.folder(name)
        keys = self.folder("keys")
        keys.chmod(0o700)
        return self

    def relative(self, path: Path) -> str:
        """A path as the database stores it: relative to the home, so that the home can move."""
        return path.resolve().relative_to(self.home).as_posix()


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this very computer, without asking a name server."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def load_settings() -> Settings:
    """Read the settings as they are now. Jobs call it when they start, so a changed hub holds for the next fetch."""
    home = Settings(_env_file=ROOT / ".env").home  # the owner's file may name it
    return Settings(_env_file=(home / "studio.env", ROOT / ".env"))


def save_setting(settings: Settings, name: str, value: str) -> Settings:
    """Write one editable setting to `<home>/studio.env` and return the settings that follow.

    Raises ConfigError when the value is not allowed, or when the environment fixes it.
    """
    if name not in EDITABLE:
        raise ConfigError("error.settings.not_editable", field=name, name=name)
    if f"STUDIO_{name.upper()}" in os.environ:
        raise ConfigError("error.settings.fixed_by_environment", field=name, name=f"STUDIO_{name.upper()}")
    try:
        Settings.model_validate({name: value})
    except ValueError as error:
        raise ConfigError("error.settings.invalid", field=name, name=name, value=value) from error
    path = settings.home / "studio.env"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if not line.startswith(f"STUDIO_{name.upper()}=")]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("\n".join([*kept, f"STUDIO_{name.upper()}={value}"]) + "\n", "utf-8")
    temporary.replace(path)
    return load_settings()
