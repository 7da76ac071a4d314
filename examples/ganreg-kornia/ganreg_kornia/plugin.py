"""What ganreg finds by the entry point: records, and neither torch nor kornia."""

import ganreg

GANREG_API = 1

PARTS = (
    ("kornia-color", "Color", "Brightness, contrast, saturation and hue by chance.", ""),
    ("kornia-translate", "Translate", "Moves images by a share of their side.", ""),
    ("kornia-affine", "Affine", "Turns, moves and scales images a little.", ""),
    ("kornia-cutout", "Cutout", "Greys out a square of each image.", "1708.04552"),
    ("kornia-flip", "Flip", "Mirrors images left to right.", ""),
    ("kornia-diffaug", "DiffAug", "DiffAugment's policy: color, translation, cutout; for few images.", "2006.10738"),
)


@ganreg.hookimpl
def ganreg_components():
    for name, factory, summary, paper in PARTS:
        yield ganreg.Component("augmentation", name, f"ganreg_kornia.augmentations:{factory}", summary, paper=paper)
