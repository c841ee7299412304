"""Backup and move: the whole studio in one file, and back again into an empty home, on any database."""

from studio.backup.service import BackupService, Moved, Progress

__all__ = ["BackupService", "Moved", "Progress"]
