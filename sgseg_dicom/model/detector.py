"""
LERG's detector (paper section 2.3): RT-DETR predicts objects, an aggregator turns them into six zone probabilities.

The data have no labelled boxes, so the detector learns from the reports alone. Two losses reach it. One compares the
zones of the whole image, through the aggregator. The other compares the zones of single places, through
`place_logits`. Without the second one the query selection would learn nothing (a defect of the published code).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import RTDetrConfig
from transformers.models.rt_detr.modeling_rt_detr import (
    RTDetrDecoder,
    RTDetrHybridEncoder,
    RTDetrMLPPredictionHead,
)

from sgseg_dicom.zones import ZONES

_LEAST_SHARE = 1e-4
"""Of the image: boxes are kept so far from 0 and 1, where logits have no end."""
_ANCHOR_SIZE = 0.05  # of the image, at stride 8; doubled at each level (RT-DETR)


@dataclass(frozen=True, slots=True)
class Location:
    """
    Where the infection is.

    Attributes:
        zone_logits: (B, 6), in the order of `sgseg_dicom.zones.ZONES`.
        place_logits: (B, N, 6), of every place of the three feature maps; the query selection ranks places by them.
        weights: (B, location queries, object queries), the aggregator's attention; rows add up to 1.
    """

    zone_logits: Tensor
    place_logits: Tensor
    weights: Tensor


class Detector(nn.Module):
    """RT-DETR from feature maps to object predictions; the attributes have the names of `RTDetrModel`."""

    def __init__(self, config: RTDetrConfig, *, refine_boxes: bool) -> None:
        super().__init__()
        width, levels = config.d_model, len(config.encoder_in_channels)
        self.queries = config.num_queries
        self.encoder_input_proj = nn.ModuleList(
            [_project(channels, config.encoder_hidden_dim) for channels in config.encoder_in_channels]
        )
        self.encoder = RTDetrHybridEncoder(config)
        self.decoder_input_proj = nn.ModuleList(
            [_project(config.encoder_hidden_dim, width) for _ in range(levels)]
        )
        self.enc_output = nn.Sequential(
            nn.Linear(width, width), nn.LayerNorm(width, eps=config.layer_norm_eps)
        )
        self.enc_score_head = nn.Linear(width, len(ZONES))
        self.decoder = RTDetrDecoder(config)
        self.enc_bbox_head: nn.Module | None = _boxes(width) if refine_boxes else None
        if refine_boxes:
            # Without labelled boxes these heads learn nothing here. They stay as loaded, or without effect.
            self.decoder.bbox_embed = nn.ModuleList([_boxes(width) for _ in range(config.decoder_layers)])
        # transformers draws these weights with a deviation of 0.01, even the scales of the normalisations. The
        # signal then sinks below their epsilon, layer by layer: what the network learns in training mode is lost in
        # evaluation mode.
        for module in self.encoder.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.reset_parameters()

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn maps (B, C, h, w) at strides 8, 16, 32 into objects (B, queries, width), place logits (B, N, 6)."""
        projected = [project(f) for project, f in zip(self.encoder_input_proj, features, strict=True)]
        fused = self.encoder(inputs_embeds=projected).last_hidden_state
        maps = [project(f) for project, f in zip(self.decoder_input_proj, fused, strict=True)]
        shapes = [(int(f.shape[-2]), int(f.shape[-1])) for f in maps]
        memory = torch.cat([f.flatten(2).transpose(1, 2) for f in maps], dim=1)  # (B, N, width)
        places = self.enc_output(memory)
        place_logits = self.enc_score_head(places)
        chosen = self._select(place_logits)  # (B, queries)
        anchors = _anchors(shapes, memory.device)
        if self.enc_bbox_head is None:
            references = anchors[0][chosen]
        else:
            references = _gather(anchors + self.enc_bbox_head(places).float(), chosen)
        sizes = torch.tensor(shapes, device=memory.device)
        areas = sizes.prod(1)
        objects = self.decoder(
            inputs_embeds=_gather(places, chosen),
            encoder_hidden_states=memory,
            reference_points=references.detach(),
            spatial_shapes=sizes,
            spatial_shapes_list=shapes,
            level_start_index=torch.cat((areas.new_zeros(1), areas.cumsum(0)[:-1])),
        ).last_hidden_state
        return objects, place_logits

    def _select(self, place_logits: Tensor) -> Tensor:
        best = place_logits.detach().amax(dim=-1)
        return best.topk(min(self.queries, best.shape[1]), dim=1).indices


class LocationAggregator(nn.Module):
    """
    Location-based attention aggregation, A = softmax(X q^T) X (paper section 2.3).

    There is one query and a linear layer to six zones, as published; or there is one query for each zone.
    """

    def __init__(self, width: int, *, queries: int) -> None:
        super().__init__()
        if queries not in (1, len(ZONES)):
            raise ValueError(
                f"{queries} location queries; 1 (as published) or {len(ZONES)} (one for each zone) would be right"
            )
        self.query = nn.Parameter(torch.randn(queries, width) * width**-0.5)
        self.zones = nn.Linear(width, len(ZONES))

    def forward(self, objects: Tensor) -> tuple[Tensor, Tensor]:
        """Turn objects (B, N, width) into zone logits (B, 6) and attention (B, queries, N)."""
        attention = (objects @ self.query.T).transpose(1, 2).softmax(dim=-1)
        gathered = attention @ objects  # (B, queries, width)
        logits = self.zones(gathered)  # (B, queries, 6)
        if logits.shape[1] == 1:
            return logits[:, 0], attention
        # The diagonal, in operations that every exporter knows.
        own = torch.eye(len(ZONES), dtype=logits.dtype, device=logits.device)
        return (logits * own).sum(dim=-1), attention


class Lerg(nn.Module):
    """Detector and aggregator: from feature maps to the six zones."""

    def __init__(self, config: RTDetrConfig, *, location_queries: int, refine_boxes: bool) -> None:
        super().__init__()
        self.detector = Detector(config, refine_boxes=refine_boxes)
        self.aggregator = LocationAggregator(config.d_model, queries=location_queries)

    def forward(self, features: list[Tensor]) -> Location:
        """Turn maps at strides 8, 16, 32 into a `Location`."""
        objects, place_logits = self.detector(features)
        zone_logits, attention = self.aggregator(objects)
        return Location(zone_logits=zone_logits, place_logits=place_logits, weights=attention)


def _project(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, kernel_size=1, bias=False), nn.BatchNorm2d(width))


def _boxes(width: int) -> nn.Module:
    head: nn.Module = RTDetrMLPPredictionHead(width, width, 4, num_layers=3)
    last = list(head.parameters())[-2:]
    for parameter in last:
        nn.init.zeros_(parameter)
    return head.requires_grad_(False)


def _gather(rows: Tensor, chosen: Tensor) -> Tensor:
    return rows.gather(1, chosen.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))


def _anchors(shapes: list[tuple[int, int]], device: torch.device) -> Tensor:
    """Give one box for each place as logits, (1, N, 4): centre x, centre y, width, height, as RT-DETR does."""
    boxes = []
    for level, (height, width) in enumerate(shapes):
        y, x = torch.meshgrid(
            (torch.arange(height, device=device) + 0.5) / height,
            (torch.arange(width, device=device) + 0.5) / width,
            indexing="ij",
        )
        size = torch.full_like(x, _ANCHOR_SIZE * 2.0**level)
        boxes.append(torch.stack((x, y, size, size), dim=-1).reshape(1, -1, 4))
    share = torch.cat(boxes, dim=1).clamp(_LEAST_SHARE, 1 - _LEAST_SHARE)
    return torch.log(share / (1 - share))
