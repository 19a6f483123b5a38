"""The presets, and the one function that builds a model of their sizes."""

from dataclasses import dataclass, replace

from transformers import RTDetrConfig

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.model.decoder import GuidedDecoder
from sgseg_dicom.model.detector import Lerg
from sgseg_dicom.model.report_table import ReportTable
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.vision import ImageEncoder
from sgseg_dicom.release.manifest import Guidance


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """
    The sizes of one model.

    Attributes:
        encoder: timm name of the segmenter's image encoder.
        encoder_blocks: number of blocks of its stages, where there are fewer than in timm (Hiera); None: as in timm.
        detector_encoder: timm name of the detector's image encoder; None where it shares the segmenter's.
        in_channels: of the image encoders; the grey image is repeated so often.
        text_width: of the text encoder.
        decoder_widths: at strides 32, 16, 8, 4.
        head_channels: after the sub-pixel convolution.
        detector_width, detector_layers, detector_ffn, object_queries, expansion: of RT-DETR.
        location_queries: 1 (as published), or 6 (one for each zone).
        refine_boxes: whether RT-DETR's box heads are used; they help with pretrained weights only.
    """

    encoder: str
    encoder_blocks: tuple[int, ...] | None
    detector_encoder: str | None
    in_channels: int
    text_width: int
    decoder_widths: tuple[int, int, int, int]
    head_channels: int
    detector_width: int
    detector_layers: int
    detector_ffn: int
    object_queries: int
    expansion: float
    location_queries: int
    refine_boxes: bool


_COMPACT = Preset(
    encoder="tf_efficientnet_lite2",
    encoder_blocks=None,
    detector_encoder=None,
    in_channels=1,
    text_width=384,
    decoder_widths=(160, 128, 96, 64),
    head_channels=8,
    detector_width=128,
    detector_layers=3,
    detector_ffn=256,
    object_queries=64,
    expansion=0.5,
    location_queries=6,
    refine_boxes=False,
)

PRESETS: dict[str, Preset] = {
    "paper": Preset(
        encoder="convnext_tiny",
        encoder_blocks=None,
        detector_encoder="resnet50d",
        in_channels=3,
        text_width=768,
        decoder_widths=(768, 384, 192, 96),
        head_channels=24,
        detector_width=256,
        detector_layers=6,
        detector_ffn=1024,
        object_queries=300,
        expansion=1.0,
        location_queries=1,
        refine_boxes=True,
    ),
    "compact": _COMPACT,
    # Without the last of 12 blocks (7.1 M parameters), and narrower at stride 32, so that a release stays small:
    # 27.1 MB in eight bits as `quantization` packs the weights; 24.9 MB if all weights of 10,000 values, and the
    # reports, were packed.
    "compact-hiera": replace(
        _COMPACT,
        encoder="sam2_hiera_tiny",
        encoder_blocks=(1, 2, 7, 1),
        decoder_widths=(128, 128, 96, 64),
    ),
    # For the tests of what is around a model: a tenth of compact's parameters, and every kind of part that it has.
    "tiny": replace(
        _COMPACT,
        encoder="tinynet_e",
        decoder_widths=(32, 24, 16, 16),
        head_channels=4,
        detector_width=32,
        detector_layers=1,
        detector_ffn=32,
        object_queries=8,
    ),
}


def build_sgseg(preset: str, *, guidance: Guidance = "soft") -> SGSeg:
    """
    Build a model with random weights and an empty report table.

    Raises:
        WeightsError: no such preset.
    """
    if preset not in PRESETS:
        raise WeightsError(f"preset {preset!r} is unknown; known: {sorted(PRESETS)}")
    sizes = PRESETS[preset]
    vision = ImageEncoder(sizes.encoder, in_channels=sizes.in_channels, blocks=sizes.encoder_blocks)
    detector_vision = None
    if sizes.detector_encoder is not None:
        detector_vision = ImageEncoder(sizes.detector_encoder, in_channels=sizes.in_channels)
    detected = (detector_vision or vision).channels[1:]
    return SGSeg(
        vision=vision,
        detector_vision=detector_vision,
        lerg=Lerg(
            _rt_detr(sizes, detected),
            location_queries=sizes.location_queries,
            refine_boxes=sizes.refine_boxes,
        ),
        reports=ReportTable(sizes.text_width),
        decoder=GuidedDecoder(
            vision.channels,
            sizes.decoder_widths,
            text_width=sizes.text_width,
            head_channels=sizes.head_channels,
        ),
        guidance=guidance,
    )


def _rt_detr(sizes: Preset, channels: list[int]) -> RTDetrConfig:
    width, heads = sizes.detector_width, sizes.detector_width // 32
    return RTDetrConfig(
        encoder_in_channels=channels,
        feat_strides=[8, 16, 32],
        encoder_hidden_dim=width,
        encoder_ffn_dim=sizes.detector_ffn,
        encoder_attention_heads=heads,
        hidden_expansion=sizes.expansion,
        d_model=width,
        decoder_in_channels=[width] * 3,
        decoder_layers=sizes.detector_layers,
        decoder_ffn_dim=sizes.detector_ffn,
        decoder_attention_heads=heads,
        num_queries=sizes.object_queries,
        num_denoising=0,
        anchor_image_size=None,
        eval_size=None,
        attn_implementation="sdpa",
    )
