"""The network of the image check: does it show a chest, and which way up? And its weights on disk."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from sgseg_dicom.applicability.image_check import ImageCheckScores, Limits
from sgseg_dicom.applicability.poses import OUTPUTS, scores_of
from sgseg_dicom.errors import WeightsError
from sgseg_dicom.release.image_check_manifest import (
    ImageCheckManifest,
    identity_of_image_check,
    packaged_image_check,
    read_image_check_manifest,
    require_image_check_file,
)
from sgseg_dicom.release.manifest import MANIFEST_FILE, WEIGHTS_FILE, digest_of_file

NETWORK_SIZE = 56
"""Rows and columns that the network works on."""


class ImageCheckNet(nn.Module):
    """0.23 M parameters, 7 M multiplications an image. The pose depends on positions, so no layer pools them away."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(1, 16, stride=2, size=5),  # (B, 16, 28, 28)
            *_block(16, 32, stride=2),  # (B, 32, 14, 14)
            *_block(32, 48),  # (B, 48, 14, 14)
            *_block(48, 64, stride=2),  # (B, 64, 7, 7)
            *_block(64, 64),  # (B, 64, 7, 7)
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * 7 * 7, 48), nn.ReLU(), nn.Linear(48, OUTPUTS)
        )

    def forward(self, images: Tensor) -> Tensor:
        """images (B, 1, S, S), S 224 or 56, mean 0, deviation 1 -> logits (B, 11): pose, inverted, chest, cut off."""
        small = adaptive_avg_pool2d(images, NETWORK_SIZE)  # (B, 1, 56, 56)
        logits: Tensor = self.head(self.features(small))
        return logits


def _block(given: int, made: int, *, stride: int = 1, size: int = 3) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(given, made, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(made),
        nn.ReLU(),
    )


class LoadedImageCheck:
    """A loaded network, an `ImageCheck`: pixels in, scores out; safe to call from many threads."""

    def __init__(self, network: ImageCheckNet, limits: Limits) -> None:
        self.network = network.eval().requires_grad_(False)
        self.limits = limits

    def __call__(self, pixels: NDArray[np.float32]) -> ImageCheckScores:
        """Score float32 (224, 224), mean 0 and standard deviation 1."""
        return self.score(torch.from_numpy(pixels)[None, None])[0]

    @torch.inference_mode()
    def score(self, images: Tensor) -> list[ImageCheckScores]:
        """
        Score images (B, 1, 224, 224).

        The network runs over each image and over its mirror image.
        """
        plain, mirror = self.network(images).numpy(), self.network(images.flip(3)).numpy()
        return [scores_of(one, other) for one, other in zip(plain, mirror, strict=True)]


def load_image_check(folder: Path | None = None) -> LoadedImageCheck:
    """
    Load the weights in *folder*, or those that ship; float32 on the CPU.

    Raises:
        WeightsError: weights, manifest and code do not belong together.
    """
    folder = packaged_image_check() if folder is None else folder
    manifest = read_image_check_manifest(folder)
    path = require_image_check_file(folder, manifest)
    network = ImageCheckNet()
    try:
        network.load_state_dict(load_file(path), strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{path} does not fit this version: {error}") from None
    return LoadedImageCheck(network, manifest.limits)


def save_image_check(
    image_check: LoadedImageCheck, folder: Path, *, training: dict[str, Any], metrics: dict[str, Any]
) -> None:
    """Write weights and manifest to *folder*; it is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(image_check.network.state_dict(), folder / WEIGHTS_FILE)
    sha256 = digest_of_file(folder / WEIGHTS_FILE)
    manifest = ImageCheckManifest(
        sha256=sha256,
        identity=identity_of_image_check(sha256, image_check.limits),
        limits=image_check.limits,
        training=training,
        metrics=metrics,
    )
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n")
