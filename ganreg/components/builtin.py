"""The built-in parts, offered through the same hooks that a plugin implements.  No part is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ganreg.contracts import Component, Recipe
from ganreg.hookspecs import hookimpl

RECIPES = Path(__file__).parents[1] / "recipes"


@hookimpl
def ganreg_components() -> Iterable[Component]:
    """Every part in this package, one line each."""
    parts = "ganreg.components"
    yield Component(
        "generator",
        "dcgan",
        f"{parts}.generators.dcgan:DCGANGenerator",
        "Transposed convolutions and batch norm, from 8 pixels on.",
        paper="1511.06434",
    )
    yield Component(
        "generator",
        "mlp",
        f"{parts}.generators.mlp:MLPGenerator",
        "Fully connected; for points and small pictures.",
        paper="1406.2661",
    )
    yield Component(
        "generator",
        "resnet",
        f"{parts}.generators.resnet:ResNetGenerator",
        "Residual blocks; the nets of SNGAN, SAGAN and BigGAN.",
        paper="1802.05957",
    )
    yield Component(
        "generator",
        "stylegan2",
        f"{parts}.generators.stylegan2:StyleGAN2Generator",
        "A style scales every layer; noise, skip images.",
        paper="1912.04958",
    )
    yield Component(
        "generator",
        "r3gan",
        f"{parts}.generators.r3gan:R3GANGenerator",
        "Residual, no normalisation, from a learned base map.",
        paper="2501.05441",
    )
    yield Component(
        "generator",
        "fastgan",
        f"{parts}.generators.fastgan:FastGANGenerator",
        "Small maps weigh large ones; for few images.",
        paper="2101.04775",
    )
    yield Component(
        "discriminator",
        "dcgan",
        f"{parts}.discriminators.dcgan:DCGANDiscriminator",
        "Strided convolutions and batch norm, from 8 pixels on.",
        paper="1511.06434",
    )
    yield Component(
        "discriminator",
        "mlp",
        f"{parts}.discriminators.mlp:MLPDiscriminator",
        "Fully connected; for points and small pictures.",
        paper="1406.2661",
    )
    yield Component(
        "discriminator",
        "resnet",
        f"{parts}.discriminators.resnet:ResNetDiscriminator",
        "Residual blocks, spectral norm; SNGAN, SAGAN, BigGAN.",
        paper="1802.05957",
    )
    yield Component(
        "discriminator",
        "stylegan2",
        f"{parts}.discriminators.stylegan2:StyleGAN2Discriminator",
        "Residual, filtered halving, minibatch deviation.",
        paper="1912.04958",
    )
    yield Component(
        "discriminator",
        "r3gan",
        f"{parts}.discriminators.r3gan:R3GANDiscriminator",
        "Residual, no normalisation; judges each sample alone.",
        paper="2501.05441",
    )
    yield Component(
        "discriminator",
        "fastgan",
        f"{parts}.discriminators.fastgan:FastGANDiscriminator",
        "Judges patches and draws its images again.",
        paper="2101.04775",
    )
    yield Component(
        "discriminator",
        "patch",
        f"{parts}.discriminators.patch:PatchDiscriminator",
        "PatchGAN: a logit for each patch of the image.",
        paper="1611.07004",
    )
    yield Component(
        "discriminator",
        "unet",
        f"{parts}.discriminators.unet:UNetDiscriminator",
        "U-Net: a logit for the image and one for each pixel.",
        paper="2002.12655",
    )
    yield Component(
        "loss",
        "bce",
        f"{parts}.losses.bce:BCE",
        "Binary cross-entropy, non-saturating; fused. The default.",
        paper="1406.2661",
    )
    yield Component(
        "loss",
        "minimax",
        f"{parts}.losses.minimax:Minimax",
        "The original game; its generator's gradient vanishes when D is sure.",
        paper="1406.2661",
    )
    yield Component(
        "loss",
        "hinge",
        f"{parts}.losses.hinge:Hinge",
        "Margin loss; the default of SNGAN and BigGAN.",
        paper="1705.02894",
    )
    yield Component(
        "loss",
        "least-squares",
        f"{parts}.losses.least_squares:LeastSquares",
        "Squared distance to the labels (LSGAN).",
        paper="1611.04076",
    )
    yield Component(
        "loss",
        "wasserstein",
        f"{parts}.losses.wasserstein:Wasserstein",
        "Difference of means; needs a Lipschitz discriminator.",
        paper="1701.07875",
    )
    yield Component(
        "loss",
        "relativistic",
        f"{parts}.losses.relativistic:Relativistic",
        "Real against the fake beside it (RpGAN); needs r1 and r2.",
        paper="1807.00734",
    )
    yield Component(
        "regularizer",
        "r1",
        f"{parts}.regularizers.r1:R1",
        "D's squared slope on reals, every 16 steps.",
        paper="1801.04406",
    )
    yield Component(
        "regularizer",
        "gradient-penalty",
        f"{parts}.regularizers.gradient_penalty:GradientPenalty",
        "D's slope held at 1 between reals and fakes (WGAN-GP).",
        paper="1704.00028",
    )
    yield Component(
        "regularizer",
        "r2",
        f"{parts}.regularizers.r2:R2",
        "D's squared slope on fakes, every step.",
        paper="1801.04406",
    )
    yield Component(
        "regularizer",
        "dragan",
        f"{parts}.regularizers.dragan:DRAGAN",
        "D's slope held at 1 around reals.",
        paper="1705.07215",
    )
    yield Component(
        "regularizer",
        "lecam",
        f"{parts}.regularizers.lecam:LeCam",
        "Logits held near the other side's mean, for little data.",
        paper="2104.03310",
    )
    yield Component(
        "regularizer",
        "acgan",
        f"{parts}.regularizers.acgan:ACGAN",
        "D classifies samples, and G is to be understood.",
        paper="1610.09585",
    )
    yield Component(
        "regularizer",
        "reconstruction",
        f"{parts}.regularizers.reconstruction:Reconstruction",
        "D draws the reals again; for the discriminator fastgan.",
        paper="2101.04775",
    )
    yield Component(
        "regularizer",
        "path-length",
        f"{parts}.regularizers.path_length:PathLength",
        "Equal steps in w change images equally; for stylegan2.",
        paper="1912.04958",
        requires=("style",),
    )
    yield Component(
        "augmentation",
        "diffaug",
        f"{parts}.augmentations.diffaug:DiffAug",
        "Differentiable colour, shift and cutout; for few images.",
        paper="2006.10738",
    )
    yield Component(
        "augmentation",
        "ada",
        f"{parts}.augmentations.ada:ADA",
        "Distorts as often as D's certainty of reals asks for.",
        paper="2006.06676",
    )
    yield Component(
        "optimizer",
        "adam",
        f"{parts}.optimizers.adam:adam",
        "Adam with DCGAN's values; fused where torch can.",
        paper="1412.6980",
    )
    yield Component(
        "optimizer",
        "adamw",
        f"{parts}.optimizers.adamw:adamw",
        "Adam with decoupled weight decay, 0 unless asked.",
        paper="1711.05101",
    )
    yield Component("optimizer", "rmsprop", f"{parts}.optimizers.rmsprop:rmsprop", "RMSprop with WGAN's learning rate.")
    yield Component(
        "optimizer",
        "sgd",
        f"{parts}.optimizers.sgd:sgd",
        "Plain gradient descent; the reference for tests of exactness.",
    )
    yield Component(
        "optimizer",
        "muon",
        f"{parts}.optimizers.muon:muon",
        "Orthogonal steps of matrices, AdamW's of the rest; new.",
        paper="2502.16982",
    )
    yield Component("dataset", "digits", f"{parts}.datasets.digits:Digits", "1,797 handwritten digits of UCI, in the package.")
    yield Component(
        "dataset",
        "stacked-digits",
        f"{parts}.datasets.stacked_digits:StackedDigits",
        "Three digits as red, green and blue: 1,000 modes.",
        paper="1611.02163",
    )
    yield Component(
        "dataset",
        "gaussians",
        f"{parts}.datasets.gaussians:Gaussians",
        "Points on a ring of 8 or a grid of 25 Gaussians.",
        paper="1705.07761",
    )
    yield Component(
        "dataset",
        "image-folder",
        f"{parts}.datasets.image_folder:ImageFolder",
        "Any folder of pictures; --data PATH for short.",
    )
    yield Component(
        "dataset", "image-zip", f"{parts}.datasets.image_zip:ImageZip", "A ZIP of pictures with dataset.json; --data FILE.zip."
    )
    yield Component("dataset", "npz", f"{parts}.datasets.npz:Npz", "Arrays of images and labels; --data FILE.npz.")
    yield Component("dataset", "hdf5", f"{parts}.datasets.hdf5:HDF5", "The same, larger than memory; --data FILE.h5.")
    yield Component(
        "dataset",
        "huggingface",
        f"{parts}.datasets.huggingface:huggingface",
        "What the library datasets reads: parquet, hub, stream.",
    )
    yield Component(
        "dataset", "torchvision", f"{parts}.datasets.torchvision:TorchVision", "A data set of torchvision's, by its name."
    )
    yield Component(
        "tracker",
        "tensorboard",
        f"{parts}.trackers.tensorboard:TensorBoard",
        "Curves and samples as event files in the run directory.",
        paper="1605.08695",
    )
    yield Component("tracker", "wandb", f"{parts}.trackers.wandb:WeightsAndBiases", "Weights & Biases, online or offline.")
    yield Component("tracker", "mlflow", f"{parts}.trackers.mlflow:MLflow", "An MLflow server, or a store on this machine.")
    yield Component(
        "metric",
        "frechet-distance",
        f"{parts}.metrics.frechet_distance:FrechetDistance",
        "Of Gaussians with the features' moments; FID's formula.",
        paper="1706.08500",
    )
    yield Component(
        "metric",
        "kernel-distance",
        f"{parts}.metrics.kernel_distance:KernelDistance",
        "Squared mean discrepancy, unbiased; KID's formula.",
        paper="1801.01401",
    )
    yield Component(
        "metric",
        "precision-recall",
        f"{parts}.metrics.precision_recall:PrecisionRecall",
        "Fakes among reals, and reals among fakes.",
        paper="1904.06991",
    )
    yield Component(
        "metric",
        "density-coverage",
        f"{parts}.metrics.density_coverage:DensityCoverage",
        "The same, which no outlier flatters.",
        paper="2002.09797",
    )
    yield Component(
        "metric",
        "inception-score",
        f"{parts}.metrics.inception_score:InceptionScore",
        "Classes surely told apart, and all of them made.",
        paper="1606.03498",
    )
    yield Component(
        "metric",
        "memorization",
        f"{parts}.metrics.memorization:Memorization",
        "Whether fakes copy what was trained on.",
        paper="2004.05675",
    )
    yield Component(
        "metric",
        "mode-coverage",
        f"{parts}.metrics.mode_coverage:ModeCoverage",
        "Modes found among known Gaussians.",
        paper="1705.07761",
    )
    yield Component(
        "extractor",
        "digits-cnn",
        f"{parts}.extractors.digits_cnn:DigitsCNN",
        "A small reader of digits, in the package.",
    )
    yield Component(
        "extractor",
        "random-conv",
        f"{parts}.extractors.random_conv:RandomConv",
        "Convolutions that learnt nothing; for any pictures.",
        paper="2002.09797",
    )
    yield Component(
        "extractor",
        "pixels",
        f"{parts}.extractors.pixels:Pixels",
        "The samples themselves; for points.",
        paper="1801.03924",
    )
    yield Component(
        "extractor",
        "inception",
        f"{parts}.extractors.inception:Inception",
        "The network of the FID; ganreg[fidelity] and its weights.",
        paper="1512.00567",
    )
    yield Component(
        "extractor",
        "dinov2",
        f"{parts}.extractors.dinov2:DINOv2",
        "DINOv2; ganreg[fidelity], its weights and code.",
        paper="2304.07193",
    )


@hookimpl
def ganreg_recipes() -> Iterable[Recipe]:
    """Every recipe in this package."""
    defaults = {"digits-conditional": "dcgan", "r3gan": "r3gan", "fastgan": "fastgan"}
    told = {
        "dcgan": ("Handwritten digits, their labels left aside.", "1511.06434"),
        "digits-conditional": (
            "Handwritten digits, told which to draw; the default, legible in a minute.",
            "1411.1784",
        ),
        "grid25": ("25 Gaussians in the plane, all of them found in minutes.", "1705.07761"),
        "sngan": ("Residual networks and spectral normalisation, 32 pixels.", "1802.05957"),
        "wgan-gp": ("The same networks, D's slope held at 1.", "1704.00028"),
        "biggan-small": ("Class-conditional residual networks, 32 pixels.", "1809.11096"),
        "stylegan2-small": ("Styles, adaptive augmentation, 32 pixels.", "2006.06676"),
        "r3gan": ("Relativistic and regularised, no tricks.", "2501.05441"),
        "fastgan": ("For a hundred pictures.", "2101.04775"),
    }
    for name, (summary, paper) in told.items():
        yield Recipe(name, RECIPES / f"{name}.yaml", summary, paper=paper, default_for=defaults.get(name, ""))
