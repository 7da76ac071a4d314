"""Image folder: every picture below a folder, cut to a square and resized; first-level subfolders are the classes.

What is done to grey, transparent, turned, animated or 16-bit pictures is defined in `pictures`, what a file of labels says in
`labels`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ganreg.components.datasets.files import FolderFiles
from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.components.datasets.labels import of_file, of_folders
from ganreg.components.datasets.picture_set import PictureSet
from ganreg.components.datasets.pictures import READING


class ImageFolder(PictureSet):
    """Pictures [C, R, R] in [-1, 1], in the order of their names; hidden files and folders are left out.

    `classes` are the sorted names of the first-level subfolders if every picture lies in one, and a label is a position
    among them; otherwise there are no classes and every label is 0.  With `labels`, a file says the classes instead.  With
    `flips`, sample `i + n` of n pictures is picture `i` mirrored.  A picture is decoded when it is first asked for.

    Raises DataError for a path without pictures and for labels that do not fit them, BadImageError and ImageTooLargeError
    for a picture that cannot be read: at once if its header says so, otherwise when it is decoded.  With `on_bad="skip"` such
    pictures are left out with a warning that lists them; more than `max_bad` of them are an error.
    """

    def __init__(
        self,
        *,
        path: Annotated[str | Path, Field(description="folder of pictures; ~ is the home folder")],
        resolution: Annotated[int, Field(ge=8, description="height and width in pixels")] = 64,
        channels: Annotated[Literal[1, 3], Field(description="1 for grey, 3 for colour")] = 3,
        flips: Annotated[bool, Field(description="add every picture's mirror image")] = False,
        labels: Annotated[
            str | None, Field(description="a CSV or JSON file of labels in the folder; none: its subfolders")
        ] = None,
        check_headers: Annotated[bool, Field(description="open every file once before training")] = True,
        on_bad: Annotated[
            Literal["stop", "skip"], Field(description="skip: decode every file before training, leave out what fails")
        ] = "stop",
        max_bad: Annotated[int, Field(ge=0, description="more than so many bad pictures are an error")] = 10,
    ) -> None:
        files = FolderFiles(path)
        told = files.text(labels) if labels is not None else b""
        super().__init__(
            files,
            resolution=resolution,
            channels=channels,
            flips=flips,
            check_headers=check_headers,
            on_bad=on_bad,
            max_bad=max_bad,
        )
        names = self.names
        self._times = [files.times[name] for name in names]
        self.label(of_folders(names) if labels is None else of_file(told, names, str(files.root / labels)))

    def fingerprint(self) -> str:
        """Of names, file sizes, labels and settings, not of the content: cheap enough for every start."""
        facts = {"pictures": self._sizes, "shape": self.spec.shape, "flips": self._flips, "labels": self._labels}
        return fingerprint_of(dataset="image-folder", reading=READING, **facts)

    def written(self) -> str:
        """Changes when a file was written anew, also with another picture of the same size."""
        return fingerprint_of(times=self._times)
