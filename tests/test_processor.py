"""What the processor says of itself."""

import platform
from pathlib import Path

import pytest

from ganreg.processor import processor_flags


@pytest.mark.skipif(platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists(), reason="Linux on x86-64 only")
def test_every_x86_64_processor_has_sse2():
    assert "sse2" in processor_flags()


def test_where_nobody_tells_there_is_nothing(monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path, **options: str) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", refuse)

    assert processor_flags() == frozenset()
