"""From a fresh machine to an environment that runs: on the standard library alone, used by `app.py` and by `python -m tests`.

    ensure(dev=False)   makes .venv and installs what the requirements name, unless that is done already
    reexec(...)         goes on in that environment's Python
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _first_lines(name: str) -> list[str]:
    """The pinned torch alone: installed first, so that nothing else chooses another build of it."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith("torch==")]


def _stamp(files: list[str]) -> Path:
    digest = hashlib.sha256()
    for name in files:
        digest.update((ROOT / name).read_bytes())
    return VENV / f".installed-{digest.hexdigest()[:16]}"


def ensure(*, dev: bool = False) -> None:
    """Make the environment or bring it up to date; a second call with the same requirements does nothing."""
    if sys.version_info < (3, 11):
        sys.exit("Finetune Studio needs Python 3.11 or newer; this is " + sys.version.split()[0] + ".")
    files = ["requirements.txt"] + (["requirements-dev.txt"] if dev else [])
    if _stamp(files).exists() or (not dev and _stamp([*files, "requirements-dev.txt"]).exists()):
        return
    if not PYTHON.exists():
        print("Making .venv ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    print("Installing the requirements (once, some minutes) ...", flush=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([*pip, *_first_lines("requirements.txt")], check=True)
        subprocess.run([*pip, "-r", files[-1]], check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"pip could not install the requirements (exit status {error.returncode}): see its message above.")
    _stamp(files).touch()


def inside() -> bool:
    """Whether this process runs in the environment already."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def reexec(*arguments: str) -> None:
    """Go on in the environment's Python, in place of this process."""
    if not inside():
        os.execv(PYTHON, [str(PYTHON), *arguments])
