"""What a revision knows about its rows without reading them again: how many by split, and a sum that names them."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Totals", "row_term"]


def row_term(position: int, content_hash: str, split: str | None) -> int:
    """What one row adds to a revision's sum. Sums modulo 2^256 can be kept up to date without reading the other rows."""
    return int.from_bytes(hashlib.sha256(f"{position}:{content_hash}:{split or ''}".encode()).digest(), "big")


@dataclass
class Totals:
    """Rows by split ("none" without one) and the sum over all of them; what a commit needs to know about a revision."""

    row_sum: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, position: int, content_hash: str, split: str | None) -> None:
        self.row_sum += row_term(position, content_hash, split)
        self.counts[split or "none"] += 1

    def take(self, position: int, content_hash: str, split: str | None) -> None:
        self.row_sum -= row_term(position, content_hash, split)
        self.counts[split or "none"] -= 1

    def as_values(self) -> dict[str, Any]:
        """Columns of `revisions`. Equal rows at equal positions have an equal `content_hash`."""
        row_sum = f"{self.row_sum % 2**256:064x}"
        counts = {split: n for split, n in sorted(self.counts.items()) if n}
        digest = hashlib.sha256(f"{row_sum}:{sum(counts.values())}".encode()).hexdigest()
        return {"row_sum": row_sum, "counts": counts, "content_hash": digest}
