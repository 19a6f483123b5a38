"""An ensemble: several passes over one image, each by one network at one size, and the mean of their logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.zones import MIRROR_ORDER

Guide = Callable[[SGSeg, Tensor], Tensor]
"""
Gives the embedded report (B, 24, text width) that guides a member's decoder.

It takes the member and zone logits (B, 6). Left and right of these are those of the image that the pass gets: of the
mirror image in a mirrored pass.
"""

_MIRROR = list(MIRROR_ORDER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """
    One run of one member over the image or its mirror image, at one size.

    What a pass gives always belongs to the image itself: a mirrored pass turns its results back.

    Attributes:
        member: the network that runs.
        size: rows and columns to which the image is resized.
        mirrored: whether the member gets the mirror image.
    """

    member: SGSeg
    size: int
    mirrored: bool

    def encode(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode images (B, 1, H, W); give their feature maps, and zone logits (B, 6)."""
        given = resized(images.flip(-1) if self.mirrored else images, self.size)
        features, location = self.member.encode(given.contiguous(memory_format=torch.channels_last))
        return features, self._turned(location.zone_logits).float()

    def decode(self, features: list[Tensor], zone_logits: Tensor, guide: Guide, size: int) -> Tensor:
        """Decode *features* under the report of *zone_logits* (B, 6); give mask logits (B, 1, size, size)."""
        report = guide(self.member, self._turned(zone_logits))
        mask_logits = resized(self.member.decoder(features, report)[0], size).float()
        return mask_logits.flip(-1) if self.mirrored else mask_logits

    def _turned(self, zone_logits: Tensor) -> Tensor:
        return zone_logits[:, _MIRROR] if self.mirrored else zone_logits


Seen = Callable[[Pass, list[Tensor]], None]
"""Called with each pass, and the feature maps of the image as that pass got it."""


def passes_of(members: Sequence[SGSeg], *, flip: bool, sizes: Sequence[int]) -> list[Pass]:
    """
    Plan the passes of an ensemble.

    - One member makes a pass at every size. With *flip* it makes two at every size: one over the image and one over
      its mirror image. The result for a mirrored patient is then the mirrored result.
    - Each of several members makes one pass at every size. With *flip* the image and the mirror image take turns. Two
      members then cover both at every size, in the time that one member needs for both.
    """
    if len(members) == 1:
        ways = (False, True) if flip else (False,)
        return [Pass(member=members[0], size=size, mirrored=way) for size in sizes for way in ways]
    return [
        Pass(member=member, size=size, mirrored=flip and (place + turn) % 2 == 1)
        for place, member in enumerate(members)
        for turn, size in enumerate(sizes)
    ]


def mean_logits(
    passes: Sequence[Pass],
    images: Tensor,
    guide: Guide,
    *,
    given_zones: Tensor | None = None,
    seen: Seen = lambda one, features: None,
) -> tuple[Tensor, Tensor]:
    """
    Give mask logits (B, 1, H, W) and zone logits (B, 6) of images (B, 1, H, W): the means over *passes*.

    The zones come first. All passes then decode their masks under one report: the report of the mean zone logits, or
    of *given_zones*, logits (B, 6). *seen* is shown the features of each pass.
    """
    encoded = [one.encode(images) for one in passes]
    for one, (features, _) in zip(passes, encoded, strict=True):
        seen(one, features)
    zone_logits = torch.stack([zones for _, zones in encoded]).mean(dim=0)
    reported = zone_logits if given_zones is None else given_zones
    masks = [
        one.decode(features, reported, guide, images.shape[-1])
        for one, (features, _) in zip(passes, encoded, strict=True)
    ]
    return torch.stack(masks).mean(dim=0), zone_logits


def resized(maps: Tensor, size: int) -> Tensor:
    """Resample maps (B, C, H, W) to (B, C, size, size), antialiased; float32."""
    if maps.shape[-1] == size:
        return maps
    return interpolate(maps.float(), (size, size), mode="bilinear", antialias=True)
