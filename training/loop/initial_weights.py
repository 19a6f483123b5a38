"""The weights that a run begins with: pretrained ones, or those of an earlier run."""

from collections.abc import Sequence

from torch import nn

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model.decoder import GuideLayer


def fill_from(model: nn.Module, start: nn.Module, *, renew: Sequence[str]) -> None:
    """
    Fill *model* with the weights of *start*, except the parts named in *renew*.

    Raises:
        ConfigError: the model has no such part.
    """
    parts = {name for name, _ in model.named_children()}
    if unknown := sorted(set(renew) - parts):
        raise ConfigError(f"renew names {unknown}; the model's parts are {sorted(parts)}")
    fresh = {k: v for k, v in model.state_dict().items() if k.split(".")[0] in renew}
    model.load_state_dict(start.state_dict() | fresh)


def set_guide_scale(model: nn.Module, scale: float) -> None:
    """Set the scale of every cross-attention of the decoder: how much the report counts."""
    for part in model.modules():
        if isinstance(part, GuideLayer):
            nn.init.constant_(part.scale, scale)
