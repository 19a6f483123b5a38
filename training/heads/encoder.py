"""Images -> feature maps of the one pass that the heads read."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sgseg_dicom.inference.ensemble import passes_of, resized
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.release.manifest import Manifest
from training.data import DataError


class FrozenEncoder:
    """
    The encoder of one member, at one size, over the image as it is; float32 on the CPU.

    Args:
        members: of the weights, in evaluation mode.
        manifest: of the weights. Of the passes over the image itself, the largest is taken: it shows most detail.

    Attributes:
        member, size: of the pass.
        channels: of the feature maps at strides 4, 8, 16 and 32.

    Raises:
        DataError: the weights have passes over mirror images only.
    """

    def __init__(self, members: Sequence[SGSeg], manifest: Manifest) -> None:
        passes = passes_of(members, flip=manifest.test_time_flip, sizes=manifest.test_time_sizes)
        plain = [one for one in passes if not one.mirrored]
        if not plain:
            raise DataError("every pass of these weights is over the mirror image; heads read none of them")
        chosen = max(plain, key=lambda one: one.size)
        self.size = chosen.size
        self.member = list(members).index(chosen.member)
        self.channels = list(chosen.member.vision.channels)
        self._vision = chosen.member.vision

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> list[Tensor]:
        """Encode images (B, 1, 224, 224), mean 0 and deviation 1, into maps (B, C, H, W) at strides 4, 8, 16, 32."""
        given = resized(images, self.size).contiguous(memory_format=torch.channels_last)
        return [one.contiguous() for one in self._vision(given)]


def standardised(images: Tensor) -> Tensor:
    """Bring each image (B, 1, H, W) to mean 0 and deviation 1, as the node does."""
    deviation = images.std(dim=(2, 3), keepdim=True, correction=0).clamp(min=1e-6)
    return (images - images.mean(dim=(2, 3), keepdim=True)) / deviation
