"""SGSeg, the composition (paper Fig. 1): see, locate, write the report, and segment under its guidance."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from sgseg_dicom.model.decoder import GuidedDecoder
from sgseg_dicom.model.detector import Lerg, Location
from sgseg_dicom.model.report_table import ReportTable
from sgseg_dicom.model.vision import ImageEncoder

Guidance = Literal["soft", "hard", "none"]


@dataclass(frozen=True, slots=True)
class Output:
    """
    What one pass gives.

    Attributes:
        mask_logits: (B, 1, H, W).
        location: the zones, and what led to them.
        maps: decoder maps at strides 16, 8 and 4, for deep supervision.
    """

    mask_logits: Tensor
    location: Location
    maps: list[Tensor]


class SGSeg(nn.Module):
    """
    Text-free at inference: LERG's own report guides the decoder.

    Args:
        vision: the segmenter's image encoder.
        detector_vision: the detector's own image encoder (paper), or None where it shares *vision* (compact).
        lerg: features at strides 8, 16, 32 -> zones.
        reports: the table of all 64 reports.
        decoder: features and report -> mask.
        guidance: "soft" (expected report) or "hard" (the likeliest report), as trained.
    """

    def __init__(
        self,
        *,
        vision: ImageEncoder,
        detector_vision: ImageEncoder | None,
        lerg: Lerg,
        reports: ReportTable,
        decoder: GuidedDecoder,
        guidance: Guidance,
    ) -> None:
        super().__init__()
        self.vision = vision
        self.detector_vision = detector_vision
        self.lerg = lerg
        self.reports = reports
        self.decoder = decoder
        self.guidance = guidance

    def forward(self, image: Tensor, words: Tensor | None = None) -> Output:
        """
        Judge image (B, 1, H, W), normalised; H and W are multiples of 32.

        Args:
            image: float, mean 0 and standard deviation 1 over each image.
            words: (B, 24, text width) where the report is given (training, ablation); None: self-guided.
        """
        features, location = self.look(image)
        guide = self.guide(location.zone_logits) if words is None else words
        mask_logits, maps = self.decoder(features, guide)
        return Output(mask_logits=mask_logits, location=location, maps=maps)

    def look(self, image: Tensor) -> tuple[list[Tensor], Location]:
        """See and locate: features (strides 4, 8, 16, 32) and zones; the detector runs once."""
        features = self.vision(image)
        seen = features if self.detector_vision is None else self.detector_vision(image)
        return features, self.lerg(seen[1:])

    def guide(self, zone_logits: Tensor) -> Tensor:
        """Write the report of zone logits (B, 6), as the decoder reads it: (B, 24, text width)."""
        if self.guidance == "soft":
            return self.reports.soft(zone_logits)
        if self.guidance == "hard":
            return self.reports.hard(zone_logits > 0)
        return self.reports.none(len(zone_logits))


def count_parameters(model: nn.Module) -> int:
    """Count the parameters, buffers such as the report table left out."""
    return sum(parameter.numel() for parameter in model.parameters())
