"""Plain torch modules, one architecture a file; other rooms import from here."""

from sklearn_ecganon.networks._conv import ConvClassifier
from sklearn_ecganon.networks._cycle import (
    PatchDiscriminator,
    TwoDiscriminators,
    TwoTranslators,
    UNetTranslator,
)
from sklearn_ecganon.networks._field import (
    MAX_EDGE_SLOPE,
    N_DRAWN,
    AuxiliaryNets,
    FieldUNet,
    FlowField,
    NoiseField,
    warp,
)
from sklearn_ecganon.networks._gan import Discriminator, Grid, InvertibleGenerator
from sklearn_ecganon.networks._resnet import ResNet18
from sklearn_ecganon.networks._strip import StripNet
from sklearn_ecganon.networks._unet import UNet1d
from sklearn_ecganon.networks._vae import VAE
from sklearn_ecganon.networks._verifier import (
    N_POSE,
    PairLoss,
    VerificationNet,
    another_exposure,
    another_visit,
    move_images,
    standardized,
)

__all__ = [
    "MAX_EDGE_SLOPE",
    "N_DRAWN",
    "N_POSE",
    "VAE",
    "AuxiliaryNets",
    "ConvClassifier",
    "Discriminator",
    "FieldUNet",
    "FlowField",
    "Grid",
    "InvertibleGenerator",
    "NoiseField",
    "PairLoss",
    "PatchDiscriminator",
    "ResNet18",
    "StripNet",
    "TwoDiscriminators",
    "TwoTranslators",
    "UNet1d",
    "UNetTranslator",
    "VerificationNet",
    "another_exposure",
    "another_visit",
    "move_images",
    "standardized",
    "warp",
]
