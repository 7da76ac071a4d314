"""ZIP archives for tests, whole and crafted."""

import io
import zipfile

from PIL import Image


def picture(shade=128, size=(8, 8), form="PNG", mode="L"):
    """The bytes of a picture of one shade."""
    file = io.BytesIO()
    Image.new(mode, size, shade).save(file, form)
    return file.getvalue()


def archive(path, members, *, method=zipfile.ZIP_STORED):
    """Names, or whole ZipInfos, and their contents -> the path."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items() if isinstance(members, dict) else members:
            file.writestr(name, content, compress_type=method)
    return path


def special(name, mode):
    """A member that claims to be a link, a device, …"""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info
