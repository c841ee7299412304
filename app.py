"""Starts Finetune Studio: environment, settings, database, worker, web server. No logic."""

from __future__ import annotations

import gc
import sys

import bootstrap

if __name__ == "__main__":
    bootstrap.ensure()
    bootstrap.reexec(*sys.argv)
    # What imports make stays for good: looking through it for garbage took a sixth of the start. `serve` looks again.
    gc.disable()

from components.serve import serve

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
