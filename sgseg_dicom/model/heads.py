"""The heads: what is read from the encoder's features besides zones and mask. They are trained with it frozen."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sgseg_dicom.model.descriptors import asymmetry_of, content_of
from sgseg_dicom.model.lungs import LungDecoder

LOOKS = ("lateral", "child", "mirrored")
"""What `Heads.look` scores, in this order."""


class Heads(nn.Module):
    """
    Lungs, what the image looks like, and whether it shows an infection.

    Lungs and look read the feature maps of one pass over the image as it is, not mirrored (`HeadsManifest` says
    which). The infection reads `content_of` of every pass, one behind the other.

    Args:
        channels: of the feature maps at strides 4, 8, 16 and 32.
        passes: their number.

    Attributes:
        passes: their number.
    """

    def __init__(self, channels: Sequence[int], *, passes: int) -> None:
        super().__init__()
        content, asymmetry = 2 * sum(channels[1:]), 3 * sum(channels[2:])
        self.passes = passes
        self.lungs = LungDecoder(channels)
        self.lateral = nn.Linear(content, 1)
        self.child = nn.Linear(content, 1)
        # Without a constant: a mirrored image gets about the negative of the image's own score.
        self.mirrored = nn.Linear(asymmetry, 1, bias=False)
        self.infection = nn.Linear(passes * content, 1)

    def look(self, features: Sequence[Tensor]) -> Tensor:
        """Score an image's look from feature maps (B, C, H, W); natural log odds (B, 3), in the order of LOOKS."""
        content = content_of(features)
        return torch.cat(
            (self.lateral(content), self.child(content), self.mirrored(asymmetry_of(features))), dim=1
        )
