"""What each augmentation does to images, in numbers that a reader can verify."""

import subprocess
import sys

import pytest
import torch

import ganreg
from ganreg.contracts import DataSpec
from ganreg.errors import SettingsError

RGB = DataSpec((3, 8, 8), value_range=(-1.0, 1.0))
GREY = DataSpec((1, 8, 8), value_range=(-1.0, 1.0))
NAMES = [f"kornia-{name}" for name in ("color", "translate", "affine", "cutout", "flip", "diffaug")]


def made(name, spec=RGB, **settings):
    return ganreg.create("augmentation", name, spec=spec, **settings)


def images(spec=RGB, count=4):
    return torch.rand(count, *spec.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_flip_for_certain_mirrors_every_image():
    assert torch.equal(made("kornia-flip", p=1.0)(images()), images().flip(3))


def test_a_cutout_of_half_the_side_greys_out_a_quarter_of_each_image():
    out = made("kornia-cutout", GREY, size=0.5)(torch.ones(5, *GREY.shape))

    assert (out == 0).sum((1, 2, 3)).tolist() == [16] * 5
    assert (out == 1).sum((1, 2, 3)).tolist() == [48] * 5


def test_what_comes_in_from_outside_is_grey_or_the_border():
    white = torch.ones(8, *GREY.shape)

    assert made("kornia-translate", GREY, shift=0.5)(white).min().item() < 0.5
    torch.testing.assert_close(made("kornia-translate", GREY, shift=0.5, padding="border")(white), white)


def test_brightness_adds_one_number_to_all_of_an_image():
    out = made("kornia-color", contrast=0.0, saturation=0.0)(images())
    added = out - images()

    torch.testing.assert_close(added, added[:, :1, :1, :1].expand_as(added))
    assert added.abs().max().item() <= 0.5 + 1e-6  # 0.25 of a range from -1 to 1
    assert len(added[:, 0, 0, 0].unique()) == 4  # each image its own


def test_without_strength_nothing_changes():
    same = made("kornia-color", brightness=0.0, contrast=0.0, saturation=0.0)(images())

    torch.testing.assert_close(same, images())
    assert torch.equal(made("kornia-translate", shift=0.0)(images()), images())


@pytest.mark.parametrize("spec", [RGB, GREY], ids=["three channels", "one channel"])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_random_state_gives_the_same_images_and_another_one_others(name, spec):
    one, other = made(name, spec), made(name, spec)
    outs = []
    for part, seed in ((one, 3), (other, 3), (one, 4)):
        torch.manual_seed(seed)
        outs.append(part(images(spec, 16)))

    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_also_where_all_is_black_grey_or_white(name, value):
    flat = torch.full((4, *RGB.shape), value, requires_grad=True)
    (slope,) = torch.autograd.grad(made(name)(flat).square().sum(), flat, create_graph=True)
    torch.autograd.backward(slope.square().sum())

    assert bool(slope.isfinite().all())
    assert bool(flat.grad.isfinite().all())


def test_autocast_does_not_reach_it():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert made("kornia-diffaug")(images()).dtype == torch.float32


def test_points_are_refused():
    with pytest.raises(SettingsError, match=r"Flip changes images \[C, H, W\], the data has samples \[2\]"):
        made("kornia-flip", DataSpec((2,)))


def test_hue_and_saturation_of_one_channel_are_refused():
    with pytest.raises(SettingsError, match="hue needs 3 channels, the data has 1"):
        made("kornia-color", GREY, hue=0.1)
    with pytest.raises(SettingsError, match="saturation and hue need 3 channels, the data has 1"):
        made("kornia-color", GREY, hue=0.1, saturation=0.5)


def test_color_of_unbounded_images_is_refused():
    with pytest.raises(SettingsError, match="color needs images with a value_range"):
        made("kornia-color", DataSpec((3, 8, 8)))


def test_a_cuda_graph_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)

    with pytest.raises(SettingsError, match="a CUDA graph would repeat the recorded ones"):
        made("kornia-flip")(images())


def test_listing_imports_neither_torch_nor_kornia():
    code = (
        "import sys, ganreg; assert len(ganreg.components('augmentation')) >= 6;"
        "sys.exit(' '.join({'torch', 'kornia'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert ran.stderr.strip() == ""
