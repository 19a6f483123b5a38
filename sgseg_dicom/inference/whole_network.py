"""Everything that is computed of an image, as one module: it is run by torch, and exported as one graph."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from sgseg_dicom.inference.ensemble import Guide, mean_logits, passes_of
from sgseg_dicom.inference.head_reader import HeadOutputs, HeadReader
from sgseg_dicom.model.heads import Heads
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.release.heads_manifest import HeadsManifest
from sgseg_dicom.release.manifest import Manifest


class Outputs(NamedTuple):
    """
    What is computed for a batch.

    Attributes:
        mask_logits: (B, 1, S, S).
        zone_logits: (B, 6).
        heads: None where there are none.
    """

    mask_logits: Tensor
    zone_logits: Tensor
    heads: HeadOutputs | None


class WholeNetwork(nn.Module):
    """
    All members with all their passes, and the heads.

    Args:
        members: one model, or several whose logits are averaged, in evaluation mode.
        manifest: of their weights.
        heads: with their manifest; None: there are none.

    Raises:
        WeightsError: no pass makes the features that the heads read.
    """

    def __init__(
        self, members: Sequence[SGSeg], manifest: Manifest, heads: tuple[Heads, HeadsManifest] | None
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.heads = None if heads is None else heads[0]
        self.passes = passes_of(members, flip=manifest.test_time_flip, sizes=manifest.test_time_sizes)
        self.reader = None if heads is None else HeadReader(*heads, passes=self.passes)

    def forward(
        self, images: Tensor, guide: Guide | None = None, given_zones: Tensor | None = None
    ) -> Outputs:
        """
        Judge images (B, 1, S, S), mean 0 and standard deviation 1 over each.

        Args:
            images: the batch.
            guide: gives the report that guides the decoder; None: the model's own.
            given_zones: logits (B, 6) of the report, where it is not the model's own.
        """
        reading = None if self.reader is None else self.reader.begin()
        mask_logits, zone_logits = mean_logits(
            self.passes,
            images,
            guide or own_report,
            given_zones=given_zones,
            seen=(lambda one, features: None) if reading is None else reading.see,
        )
        return Outputs(
            mask_logits, zone_logits, None if reading is None else reading.outputs(images.shape[-1])
        )


def own_report(member: SGSeg, zone_logits: Tensor) -> Tensor:
    """Give the report that a member writes itself."""
    return member.guide(zone_logits)
