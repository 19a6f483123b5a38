"""What the heads read from the features of the passes: lungs, the look of the image, and whether it is infected."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.inference.ensemble import Pass
from sgseg_dicom.model.descriptors import content_of
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.lungs import enlarged
from sgseg_dicom.release.heads_manifest import HeadsManifest


class HeadOutputs(NamedTuple):
    """
    What the heads give for a batch; see `sgseg_dicom.inference.raw_answers.RawHeads`.

    Attributes:
        lungs: (B, 2, S, S).
        looks: (B, 3).
        infection: (B,).
    """

    lungs: Tensor
    looks: Tensor
    infection: Tensor


class HeadReader:
    """
    Heads, and the pass whose feature maps they read.

    Args:
        heads: in evaluation mode, on the device of the passes.
        manifest: of the heads.
        passes: of the network; maps are read of the pass over the image itself at the manifest's size.

    Raises:
        WeightsError: there is no such pass, or another number of passes than the heads learned from.
    """

    def __init__(self, heads: Heads, manifest: HeadsManifest, *, passes: Sequence[Pass]) -> None:
        self.heads = heads
        self.manifest = manifest
        members = list(dict.fromkeys(one.member for one in passes))
        fitting = [
            one
            for one in passes
            if one.member is members[manifest.member] and one.size == manifest.size and not one.mirrored
        ]
        if not fitting or len(passes) != manifest.passes:
            raise WeightsError(
                f"the heads read member {manifest.member} at {manifest.size} pixels, one of {manifest.passes} "
                "passes; this network has no such pass: copy weights and heads of the same release"
            )
        self.reads = fitting[0]

    def begin(self) -> "HeadBatch":
        """Begin to read a batch."""
        return HeadBatch(self)


class HeadBatch:
    """The features of one batch, as the passes make them."""

    def __init__(self, reader: HeadReader) -> None:
        self._reader = reader
        self._content: list[Tensor] = []
        self._features: list[Tensor] = []

    def see(self, one: Pass, features: list[Tensor]) -> None:
        """Take the feature maps (B, C, H, W) of the next pass, at strides 4, 8, 16 and 32."""
        # Mean and maximum are the same in a mirror image: mirrored passes need not be turned back.
        self._content.append(content_of(features))
        if one is self._reader.reads:
            self._features = features

    def outputs(self, size: int) -> HeadOutputs:
        """Answer, when all passes were seen; lungs come at *size* rows and columns."""
        heads = self._reader.heads
        logits = heads.lungs(self._features)
        # In full precision, as they learned: a sum over a thousand descriptors decides.
        with torch.autocast(logits.device.type, enabled=False):
            return HeadOutputs(
                lungs=enlarged(logits, size),
                looks=heads.look(self._features),
                infection=heads.infection(torch.cat(self._content, dim=1))[:, 0],
            )
