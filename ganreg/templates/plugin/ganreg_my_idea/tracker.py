"""Shows a run elsewhere: here, a page in the run directory with the last pictures and values."""

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field


class Tracker:
    """Writes RUN/my-idea.html."""

    def __init__(
        self,
        run_dir: Path,
        *,
        title: Annotated[str, Field(min_length=1, description="of the page")] = "My idea",
    ) -> None:
        self.page = Path(run_dir) / "my-idea.html"  # nothing is opened or written before `start`
        self.title = title
        self.where = f"open {self.page}"
        self.values: Mapping[str, float] = {}
        self.pictures: dict[str, bytes] = {}

    def start(self, config: Mapping[str, Any]) -> None:
        """The run's configuration, plain values in mappings and lists."""
        self.generator = config["generator"]

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """What a logged step has: loss_d, loss_g, d_real, …"""
        self.values = {"step": step, **values}

    def images(self, step: int, name: str, images: np.ndarray) -> None:
        """uint8 [N, H, W, C]."""
        for index, pixels in enumerate(images):
            file = BytesIO()
            Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(file, format="PNG")
            self.pictures[f"{name} {index}"] = file.getvalue()

    def finish(self, status: str) -> None:
        """ "done", "stopped", "interrupted" or "failed"."""
        shown = "".join(f"<img src='data:image/png;base64,{b64encode(one).decode()}'>" for one in self.pictures.values())
        told = "".join(f"<li>{escape(name)}: {value:g}" for name, value in self.values.items())
        head = f"<!doctype html><meta charset='utf-8'><title>{escape(self.title)}</title>"
        text = f"{head}<h1>{escape(self.title)}: {escape(status)}</h1><ul>{told}</ul>{shown}"
        self.page.write_text(text, encoding="utf-8")
