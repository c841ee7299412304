"""Starts Finetune Studio: environment, settings, database, worker, web server. No logic."""

from __future__ import annotations

import sys

import bootstrap

if __name__ == "__main__":
    bootstrap.ensure()
    bootstrap.reexec(*sys.argv)

from components.serve import serve

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
