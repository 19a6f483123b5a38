"""Table 1: networks without text, of libraries or written anew (rivals/)."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from sgseg_dicom.model.build import PRESETS, build_sgseg
from training.loop.batches import Batch
from training.loop.losses import mask_loss
from training.recipe import Recipe
from training.start.pretrained import load_image_encoder, load_timm_weights

Predict = Callable[[Batch], tuple[Tensor, Tensor | None]]
"""Batch -> mask logits (B, 1, H, W), and zone logits (B, 6); None: the method has no zones."""


class ImageOnly(nn.Module):
    """
    A network without text: images (B, 1, H, W) -> mask logits (B, 1, H, W).

    Args:
        network: what segments.
        encoder: its image encoder, which learns at the encoder's rate; None: all of it learns at the other rate.
    """

    def __init__(self, network: nn.Module, *, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self._encoder = [] if encoder is None else list(encoder.parameters())

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the loss of the mask alone."""
        return {"mask": mask_loss(self.network(batch.images), batch.masks)}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment; there are no zones."""
        return self.network(batch.images), None

    def readings(self) -> Mapping[str, Predict]:
        """Give the one way to predict."""
        return {"": self.predict}

    def encoder(self) -> Iterable[Parameter]:
        """Give the parameters of the image encoder, if it has a rate of its own."""
        return self._encoder


def on_our_encoder(name: str, recipe: Recipe) -> ImageOnly:
    """Build a network of segmentation_models_pytorch on SGSeg's image encoder."""
    import segmentation_models_pytorch as smp

    sizes = PRESETS[recipe.preset]
    network = getattr(smp, name)(
        f"tu-{sizes.encoder}", encoder_weights=None, in_channels=sizes.in_channels, classes=1
    )
    donor = build_sgseg(recipe.preset).vision
    load_image_encoder(donor, recipe.image_weights)
    given, wanted = donor.backbone.state_dict(), network.encoder.model.state_dict()
    network.encoder.model.load_state_dict({key: given[key] for key in wanted})
    return ImageOnly(network, encoder=network.encoder)


def attention_unet() -> ImageOnly:
    """Build monai's Attention U-Net, with 7.9 M parameters (published, in three dimensions: 6.4 M)."""
    from monai.networks.nets import AttentionUnet

    return ImageOnly(
        AttentionUnet(2, in_channels=1, out_channels=1, channels=(32, 64, 128, 256, 512), strides=(2,) * 4)
    )


def trans_unet(size: int, weights: str = "") -> ImageOnly:
    """Build TransUNet; *weights*: file or folder of timm's R50-ViT-B/16, or "": random."""
    from training.paper.rivals.trans_unet import TransUNet

    network = TransUNet(size)
    load_timm_weights(network.encoder, weights)
    return ImageOnly(network, encoder=network.encoder)


def swin_unet(size: int, weights: str = "") -> ImageOnly:
    """Build Swin U-Net; *weights*: file or folder of timm's Swin-T, or "": random."""
    from training.paper.rivals.swin_unet import SwinUnet

    network = SwinUnet(size)
    load_timm_weights(network.encoder, weights)
    return ImageOnly(network, encoder=network.encoder)
