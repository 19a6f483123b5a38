"""How often the networks look at an image, each time differently, and the mean of what they say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.zones import MIRROR_ORDER

Words = Callable[[SGSeg, Tensor], Tensor]
"""What guides a member, (B, 24, text width), from zone logits (B, 6) that belong to the image as it is looked at."""

_MIRROR = list(MIRROR_ORDER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """
    One look: by one member, at one size, at the image or at its mirror image. Answers are the image's own.

    Attributes:
        member: who looks.
        size: rows and columns of what it sees.
        mirrored: whether it sees the mirror image.
    """

    member: SGSeg
    size: int
    mirrored: bool

    def see(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Give the features of images (B, 1, H, W), and zone logits (B, 6)."""
        seen = resized(images.flip(-1) if self.mirrored else images, self.size)
        features, location = self.member.look(seen.contiguous(memory_format=torch.channels_last))
        return features, self._turned(location.zone_logits).float()

    def draw(self, features: list[Tensor], zone_logits: Tensor, words: Words, size: int) -> Tensor:
        """Give mask logits (B, 1, size, size), guided by *words* of *zone_logits* (B, 6)."""
        guide = words(self.member, self._turned(zone_logits))
        mask_logits = resized(self.member.decoder(features, guide)[0], size).float()
        return mask_logits.flip(-1) if self.mirrored else mask_logits

    def _turned(self, zone_logits: Tensor) -> Tensor:
        return zone_logits[:, _MIRROR] if self.mirrored else zone_logits


def looks_of(members: Sequence[SGSeg], *, flip: bool, sizes: Sequence[int]) -> list[Look]:
    """
    Say who looks at what.

    One member sees every size, with *flip* the image and its mirror image: what is said of a mirrored patient is
    then the mirror of what is said. Of several, each sees every size once, with *flip* in turn the image and its
    mirror image: with two members every size is seen both ways, in the time that one of them alone would take.
    """
    if len(members) == 1:
        ways = (False, True) if flip else (False,)
        return [Look(member=members[0], size=size, mirrored=way) for size in sizes for way in ways]
    return [
        Look(member=member, size=size, mirrored=flip and (place + turn) % 2 == 1)
        for place, member in enumerate(members)
        for turn, size in enumerate(sizes)
    ]


def judge_by(
    looks: Sequence[Look], images: Tensor, words: Words, *, told: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """
    Give mask logits (B, 1, H, W) and zone logits (B, 6) of images (B, 1, H, W), the means over *looks*.

    First the zones, then the masks, which all are drawn under the one report of these zones, or of *told* (B, 6).
    """
    seen = [look.see(images) for look in looks]
    zone_logits = torch.stack([zones for _, zones in seen]).mean(dim=0)
    report = zone_logits if told is None else told
    masks = [
        look.draw(features, report, words, images.shape[-1])
        for look, (features, _) in zip(looks, seen, strict=True)
    ]
    return torch.stack(masks).mean(dim=0), zone_logits


def resized(maps: Tensor, size: int) -> Tensor:
    """Resample maps (B, C, H, W) to (B, C, size, size), antialiased; float32."""
    if maps.shape[-1] == size:
        return maps
    return interpolate(maps.float(), (size, size), mode="bilinear", antialias=True)
