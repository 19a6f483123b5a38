"""What the heads read from the features of the passes: lungs, the look of the image, and whether it is infected."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgseg_dicom.errors import InferenceError, WeightsError
from sgseg_dicom.inference.ensemble import Pass
from sgseg_dicom.model.descriptors import content_of
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.lungs import lungs_of
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model_records import Look, LookScores
from sgseg_dicom.release.heads_manifest import HeadsManifest


class HeadAnswer(NamedTuple):
    """
    What the heads say of one image.

    Attributes:
        lungs: uint8 (size, size), as of `Prediction.lungs`.
        look: what the image looks like.
        infection: natural log odds that the image shows an infection, less the threshold of the heads: from 0 on
            they say so.
    """

    lungs: NDArray[np.uint8]
    look: Look
    infection: float


class HeadReader:
    """
    Heads on a device, and the pass whose feature maps they read.

    Args:
        heads: in evaluation mode.
        manifest: of the heads.
        members: the models, in their order.
        passes: of the network; maps are read of the pass over the image itself at the manifest's size.
        device: of the network.

    Raises:
        WeightsError: there is no such pass, or another number of passes than the heads learned from.
    """

    def __init__(
        self,
        heads: Heads,
        manifest: HeadsManifest,
        *,
        members: Sequence[SGSeg],
        passes: Sequence[Pass],
        device: torch.device,
    ) -> None:
        self.heads = heads.to(device).to(memory_format=torch.channels_last)
        self.manifest = manifest
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

    def answers(self, size: int) -> list[HeadAnswer]:
        """
        Answer, when all passes were seen; lungs come at *size* rows and columns.

        Raises:
            InferenceError: a score is not a number.
        """
        heads, manifest = self._reader.heads, self._reader.manifest
        logits = heads.lungs(self._features)
        # In full precision, as they learned: a sum over a thousand descriptors decides.
        with torch.autocast(logits.device.type, enabled=False):
            looks = heads.look(self._features)
            infection = heads.infection(torch.cat(self._content, dim=1))[:, 0] - manifest.infection
        if not all(scores.isfinite().all() for scores in (logits, looks, infection)):
            raise InferenceError('the heads\' answer is not a number; see the image, or set device = "cpu"')
        return [
            HeadAnswer(lungs=lungs, look=Look(scores=LookScores(*look), limits=manifest.look), infection=odds)
            for lungs, look, odds in zip(
                lungs_of(logits, size).cpu().numpy(),
                looks.float().cpu().tolist(),
                infection.float().cpu().tolist(),
                strict=True,
            )
        ]
