"""One short text that changes when a data set's content or settings do, so that a run is not resumed on other data."""

from __future__ import annotations

import hashlib
import json


def fingerprint_of(**facts: object) -> str:
    """Plain values that determine the data -> sha256, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
