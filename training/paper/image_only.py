"""Table 1: image-only networks of libraries."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.functional import interpolate

from sgseg_dicom.model.build import PRESETS, build_sgseg
from training.loop.batches import Batch
from training.loop.losses import mask_loss
from training.recipe import Recipe
from training.start.pretrained import load_image_encoder


class ImageOnly(nn.Module):
    """A network of a library: images (B, 1, H, W) -> mask logits (B, 1, H, W)."""

    def __init__(self, network: nn.Module, *, pretrained: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self._pretrained = [] if pretrained is None else list(pretrained.parameters())

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the loss of the mask alone."""
        return {"mask": mask_loss(self.network(batch.images), batch.masks)}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment; there are no zones."""
        return self.network(batch.images), None

    def encoder(self) -> Iterable[Parameter]:
        """Give the parameters of the pretrained encoder, if there is one."""
        return self._pretrained


class _AtSize(nn.Module):
    """A network of one image size, for images of any size: images and logits are resized."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, images: Tensor) -> Tensor:
        fitted = interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        return interpolate(self.network(fitted), images.shape[-2:], mode="bilinear")


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
    return ImageOnly(network, pretrained=network.encoder)


def attention_unet() -> ImageOnly:
    """Build monai's Attention U-Net."""
    from monai.networks.nets import AttentionUnet

    return ImageOnly(
        AttentionUnet(2, in_channels=1, out_channels=1, channels=(16, 32, 64, 128, 256), strides=(2,) * 4)
    )


def unetr(size: int) -> ImageOnly:
    """Build monai's UNETR, a transformer under a U-Net decoder. It replaces TransUNet, which no library has."""
    from monai.networks.nets import UNETR

    network = UNETR(
        1, 1, img_size=size, feature_size=16, hidden_size=384, mlp_dim=1536, num_heads=6, spatial_dims=2
    )
    return ImageOnly(_AtSize(network, size))


def swin_unetr() -> ImageOnly:
    """Build monai's Swin UNETR."""
    from monai.networks.nets import SwinUNETR

    return ImageOnly(SwinUNETR(in_channels=1, out_channels=1, feature_size=24, spatial_dims=2))
