"""How soon the studio's page answers after its process began, against a bare one-button Gradio app in the same run."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from studio.db import Database
from studio.settings import ROOT, Settings
from tests.bench.report import Report

_BARE = """
import gradio as gr
with gr.Blocks(analytics_enabled=False) as demo:
    gr.Button("one").click(lambda: None)
demo.launch(server_port={port}, quiet=True, ssr_mode=False, run_history=False, footer_links=[])
"""

_REPEATS = 5


@dataclass(frozen=True)
class Start:
    """Seconds from spawn to a page with status 200; bytes resident afterwards; bytes of the page's HTML, unpacked."""

    seconds: float
    rss_bytes: int
    html_bytes: int


def run(*, small: bool) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        settings = Settings(home=home).ready()
        db = Database(settings.url)
        db.migrate(settings)
        db.close()
        ours, bare = [], []
        for _ in range(1 if small else _REPEATS):
            bare.append(_bare())
            ours.append(_studio(home))
    return _report(ours, bare)


def _report(ours: list[Start], bare: list[Start]) -> Report:
    def median(starts: list[Start], what: str) -> float:
        return statistics.median(getattr(start, what) for start in starts)

    report = Report("startup")
    report.add("studio: start to page", median(ours, "seconds"), "s")
    report.add("bare Gradio: start to page", median(bare, "seconds"), "s")
    report.add("ratio", median(ours, "seconds") / median(bare, "seconds"), "", 1.3)
    report.add("studio: resident", median(ours, "rss_bytes") / 2**20, "MiB", 400 * 1e6 / 2**20)
    report.add("bare Gradio: resident", median(bare, "rss_bytes") / 2**20, "MiB")
    report.add("studio: HTML of the page", median(ours, "html_bytes") / 1e3, "kB")
    return report


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _bare() -> Start:
    port = _free_port()
    return _timed([sys.executable, "-c", _BARE.format(port=port)], port, {"GRADIO_ANALYTICS_ENABLED": "False"})


def _studio(home: Path) -> Start:
    port = _free_port()
    environment = {"STUDIO_HOME": str(home), "STUDIO_PORT": str(port), "STUDIO_STARTER": "false"}
    try:
        return _timed([sys.executable, "app.py"], port, environment)
    finally:
        _end_worker(home)


def _timed(command: list[str], port: int, environment: dict[str, str]) -> Start:
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        page = _first_page(port, process)
        seconds = time.monotonic() - began
        return Start(seconds, psutil.Process(process.pid).memory_info().rss, len(page))
    finally:
        process.terminate()
        process.wait()


def _first_page(port: int, process: subprocess.Popen[bytes]) -> bytes:
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        assert process.poll() is None, "the process ended before its page answered"
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=60)
        except httpx.TransportError:
            time.sleep(0.02)
            continue
        if answer.status_code == 200:
            return answer.content
    raise TimeoutError("no page within two minutes")


def _end_worker(home: Path) -> None:
    """The worker outlives the web server on purpose; the bench ends the one that it started."""
    import sqlalchemy as sa

    from studio.jobs.tables import workers

    db = Database(Settings(home=home).url)
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        with db.read() as connection:
            pid = connection.execute(sa.select(workers.c.pid)).scalar()
        if pid is not None and psutil.pid_exists(pid):
            worker = psutil.Process(pid)
            worker.terminate()
            psutil.wait_procs([worker], timeout=10)
            break
        time.sleep(0.1)
    db.close()
