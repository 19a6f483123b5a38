"""SGSeg as a whole (paper Fig. 1): encode the image, locate, write the report, and segment under its guidance."""

from dataclasses import dataclass

from torch import Tensor, nn

from sgseg_dicom.model.decoder import GuidedDecoder
from sgseg_dicom.model.detector import Lerg, Location
from sgseg_dicom.model.report_table import ReportTable
from sgseg_dicom.model.vision import ImageEncoder
from sgseg_dicom.release.manifest import Guidance


@dataclass(frozen=True, slots=True)
class Output:
    """
    The result of one forward pass.

    Attributes:
        mask_logits: (B, 1, H, W).
        location: the zones, and how the detector came to them.
        maps: decoder maps at strides 16, 8 and 4, for deep supervision.
    """

    mask_logits: Tensor
    location: Location
    maps: list[Tensor]


class SGSeg(nn.Module):
    """
    The model that needs no text at inference: its own report, written by LERG, guides the decoder.

    Args:
        vision: the segmenter's image encoder.
        detector_vision: the detector's own image encoder (paper); None where the detector shares *vision* (compact).
        lerg: features at strides 8, 16, 32 -> zones.
        reports: the table of all 64 reports.
        decoder: features and report -> mask.
        guidance: "soft" (the expected report) or "hard" (the likeliest report), as in training.
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
        Segment image (B, 1, H, W); H and W are multiples of 32.

        Args:
            image: float, mean 0 and standard deviation 1 over each image.
            words: an embedded report (B, 24, text width), in training and ablations; None: the model's own report.
        """
        features, location = self.encode(image)
        report = self.guide(location.zone_logits) if words is None else words
        mask_logits, maps = self.decoder(features, report)
        return Output(mask_logits=mask_logits, location=location, maps=maps)

    def encode(self, image: Tensor) -> tuple[list[Tensor], Location]:
        """Encode image (B, 1, H, W): feature maps (strides 4, 8, 16, 32) and zones. The detector runs once."""
        features = self.vision(image)
        detected = features if self.detector_vision is None else self.detector_vision(image)
        return features, self.lerg(detected[1:])

    def guide(self, zone_logits: Tensor) -> Tensor:
        """Give the embedded report (B, 24, text width) of zone logits (B, 6), for the decoder."""
        if self.guidance == "soft":
            return self.reports.soft(zone_logits)
        if self.guidance == "hard":
            return self.reports.hard(zone_logits > 0)
        return self.reports.none(len(zone_logits))


def count_parameters(model: nn.Module) -> int:
    """Count the parameters. Buffers, such as the report table, do not count."""
    return sum(parameter.numel() for parameter in model.parameters())
