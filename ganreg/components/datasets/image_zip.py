"""Image archive: the pictures in a ZIP file, read without extracting it; `dataset.json` in it tells the labels.

The form in which data for GANs are passed around: any ZIP of pictures, and beside them {"labels": [["name.png", 3], …]}.  What
is done to each picture is defined in `pictures`, which archives are refused in `archive`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ganreg.components.datasets.archive import MOST_MEMBERS, ZipFiles
from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.components.datasets.labels import Labels, of_file, of_folders
from ganreg.components.datasets.picture_set import PictureSet
from ganreg.components.datasets.pictures import READING

LABELS = "dataset.json"


class ImageZip(PictureSet):
    """Pictures [C, R, R] in [-1, 1], in the order of their names; a folder around all of them is not part of their names.

    `classes` are those that `dataset.json` tells.  Without one they are the first-level folders, as in a folder of pictures,
    but for folders that are only numbered (00000, 00001, …).  Everything else is as in `image-folder`.

    Raises DataError for a path without pictures, ArchiveError for an archive that is damaged or harmful, BadImageError and
    ImageTooLargeError for a picture that cannot be read.
    """

    def __init__(
        self,
        *,
        path: Annotated[str | Path, Field(description="a .zip file of pictures; ~ is the home folder")],
        resolution: Annotated[int, Field(ge=8, description="height and width in pixels")] = 64,
        channels: Annotated[Literal[1, 3], Field(description="1 for grey, 3 for colour")] = 3,
        flips: Annotated[bool, Field(description="add every picture's mirror image")] = False,
        labels: Annotated[
            str | None, Field(description="the CSV or JSON file of labels in the archive; none: its folders")
        ] = LABELS,
        check_headers: Annotated[bool, Field(description="open every picture once before training")] = True,
        on_bad: Annotated[
            Literal["stop", "skip"], Field(description="skip: decode every picture before training, leave out what fails")
        ] = "stop",
        max_bad: Annotated[int, Field(ge=0, description="more than so many bad pictures are an error")] = 10,
        max_members: Annotated[int, Field(ge=1, description="an archive of more files is refused")] = MOST_MEMBERS,
    ) -> None:
        files = ZipFiles(path, max_members)
        super().__init__(
            files,
            resolution=resolution,
            channels=channels,
            flips=flips,
            check_headers=check_headers,
            on_bad=on_bad,
            max_bad=max_bad,
        )
        self.label(labels_in(files, self.names, labels))
        checksums = files.checksums()
        self._checksums = {name: checksums[name] for name in self.names}

    def fingerprint(self) -> str:
        """Of names, checksums, labels and settings."""
        facts = {"pictures": self._checksums, "shape": self.spec.shape, "flips": self._flips, "labels": self._labels}
        return fingerprint_of(dataset="image-zip", reading=READING, **facts)


def labels_in(files: ZipFiles, names: list[str], labels: str | None = LABELS) -> Labels:
    """What a file in the archive tells; where the usual one is missing, what the folders tell.  Raises DataError."""
    if labels is None or (labels == LABELS and LABELS not in files):
        return of_folders(names, numbered=False)
    return of_file(files.text(labels), names, f"{files.root}/{labels}")
