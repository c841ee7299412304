"""`--share`: Gradio's tunnel, through which link pages and the login answer from anywhere."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from components.door import Door
from studio.settings import Settings
from studio.text import text

__all__ = ["Tunnel"]


class Tunnel:
    """Leads from an address of Gradio's share server to this studio's port. It ends with the process."""

    def __init__(self, door: Door, settings: Settings, port: int) -> None:
        self._door = door
        self._lang = settings.lang
        self._near_end = ("127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host, port)

    def open(self) -> None:
        """Ask for an address and print it. Without one the studio goes on as it is, and says why."""
        from gradio.networking import setup_tunnel

        try:
            address = setup_tunnel(*self._near_end, secrets.token_urlsafe(32), None, None)
        except Exception as error:  # Gradio raises whatever its downloads and its process raise
            print(text(self._lang, "cli.share.failed", reason=f"{type(error).__name__}: {error}"[:200]), flush=True)
            return
        self._door.tunnel_host = urlsplit(address).hostname
        print(text(self._lang, "cli.share.address", url=address), flush=True)
