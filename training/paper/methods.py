"""
The methods of the paper's tables, each as something that learns from a batch and predicts masks.

Table 1: image-only networks from kept libraries. Table 2: SGSeg with parts taken away. All share data, budget,
augmentation and mask loss, so that the method is the only difference.
"""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.functional import cross_entropy, interpolate, normalize

from sgseg_dicom.model.build import PRESETS, build_sgseg
from sgseg_dicom.model.detector import Location
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.zones import ZONES
from training.loop.batches import Batch
from training.loop.guidance import mixed_words
from training.loop.losses import mask_loss, place_loss, zone_loss
from training.recipe import Recipe
from training.start.pretrained import load_image_encoder, load_pretrained

CONTRASTIVE_SHARE = 1 / 3
"""Share of the budget that vision-language pre-training takes; the rest is uni-modal."""


class Method(Protocol):
    """What `training.paper.tables` trains and measures."""

    def losses(self, batch: Batch, done: float, chance: torch.Generator) -> dict[str, Tensor]:
        """Give the losses of one step; *done* is the share of the run behind it, 0 to 1, *chance* the step's own."""
        ...

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Give mask logits (B, 1, H, W), and zone logits (B, 6) where the method has any."""
        ...

    def encoder(self) -> Iterable[Parameter]:
        """Give the parameters that start pretrained."""
        ...


class ImageOnly(nn.Module):
    """A network of a library: image (B, 1, H, W) -> mask logits (B, 1, H, W)."""

    def __init__(self, network: nn.Module, *, pretrained: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self._pretrained = [] if pretrained is None else list(pretrained.parameters())

    def losses(self, batch: Batch, done: float, chance: torch.Generator) -> dict[str, Tensor]:
        """Compare the mask only."""
        return {"mask": mask_loss(self.network(batch.images), batch.masks)}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment; there is no report."""
        return self.network(batch.images), None

    def encoder(self) -> Iterable[Parameter]:
        """Give the library encoder's parameters."""
        return self._pretrained


class _AtSize(nn.Module):
    """A network that knows one image size, for any: image and logits are resized."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, images: Tensor) -> Tensor:
        fitted = interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        return interpolate(self.network(fitted), images.shape[-2:], mode="bilinear")


class WithoutText(nn.Module):
    """Table 2, first row: the same encoder and decoder, under an empty report."""

    def __init__(self, model: SGSeg) -> None:
        super().__init__()
        self.vision, self.decoder, self.reports = model.vision, model.decoder, model.reports

    def losses(self, batch: Batch, done: float, chance: torch.Generator) -> dict[str, Tensor]:
        """Compare the mask only."""
        return {"mask": mask_loss(self._segment(batch), batch.masks)}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment; there is no report."""
        return self._segment(batch), None

    def encoder(self) -> Iterable[Parameter]:
        """Give the image encoder's parameters."""
        return self.vision.parameters()

    def _segment(self, batch: Batch) -> Tensor:
        logits: Tensor = self.decoder(self.vision(batch.images), self.reports.none(len(batch.images)))[0]
        return logits


class LanguagePretrained(WithoutText):
    """
    Table 2, second row: contrastive pre-training of image and report (CLIP), then uni-modal.

    Images that share a report are all right answers to it: a batch of 32 has many.
    """

    def __init__(self, model: SGSeg, *, width: int = 128) -> None:
        super().__init__(model)
        self.see = nn.Linear(model.vision.channels[-1], width)
        self.read = nn.Linear(model.reports.embeddings.shape[-1], width)
        self.log_scale = nn.Parameter(torch.tensor(2.66))  # CLIP's start: ln(1 / 0.07)

    def losses(self, batch: Batch, done: float, chance: torch.Generator) -> dict[str, Tensor]:
        """Contrast first, then compare the mask."""
        if done < CONTRASTIVE_SHARE:
            return {"contrast": self._contrast(batch)}
        return super().losses(batch, done, chance)

    def _contrast(self, batch: Batch) -> Tensor:
        words = self.reports.hard(batch.zones)
        present = words.abs().sum(dim=-1, keepdim=True) > 0  # padding is 0
        report = (words * present).sum(dim=1) / present.sum(dim=1)
        pooled = self.vision(batch.images)[-1].float().mean(dim=(2, 3))
        image, text = normalize(self.see(pooled), dim=1), normalize(self.read(report), dim=1)
        logits = self.log_scale.exp() * image @ text.T
        same = (batch.zones[:, None] == batch.zones[None]).all(dim=2).float()
        right = same / same.sum(dim=1, keepdim=True)
        return (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2


class SelfGuided(nn.Module):
    """Table 2: guided by its own soft report; rows 3 and 4 differ in the reporter."""

    def __init__(self, model: SGSeg, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe

    def losses(self, batch: Batch, done: float, chance: torch.Generator) -> dict[str, Tensor]:
        """Compare mask and zones; part of a batch sees the true report or none, as the recipe says."""
        features, location = self.model.encode(batch.images)
        logits, _ = self.model.decoder(
            features,
            mixed_words(
                self.model.reports,
                location.zone_logits,
                batch.zones,
                self.recipe.guidance,
                drawn=torch.rand(len(batch.zones), generator=chance).to(batch.zones.device),
            ),
        )
        weights = self.recipe.losses
        found = {
            "mask": mask_loss(logits, batch.masks),
            "zones": weights.zones * zone_loss(location.zone_logits, batch.zones),
        }
        if location.place_logits.shape[1]:
            found["places"] = weights.places * place_loss(location.place_logits, batch.zones)
        return found

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment under the report that the model wrote."""
        output = self.model(batch.images)
        return output.mask_logits, output.location.zone_logits

    def encoder(self) -> Iterable[Parameter]:
        """Give the image encoder's parameters."""
        return self.model.vision.parameters()


class FullText(SelfGuided):
    """Table 2, last row: the true report in training and at test (LanGuideMedSeg's method in Table 1)."""

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment under the true report, which a reader would have to give."""
        features = self.model.vision(batch.images)
        logits: Tensor = self.model.decoder(features, self.model.reports.hard(batch.zones))[0]
        return logits, None

    def losses(self, batch: Batch, done: float, chance: torch.Generator) -> dict[str, Tensor]:
        """Compare the mask under the true report."""
        return {"mask": mask_loss(self.predict(batch)[0], batch.masks)}


class PooledReporter(nn.Module):
    """Simple report generation (Table 2): pooled features and a linear layer, no locating."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.zones = nn.Linear(channels, len(ZONES))

    def forward(self, features: list[Tensor]) -> Location:
        """Turn the last of the maps (B, C, h, w) into zones; there are no places."""
        pooled = features[-1].mean(dim=(2, 3))
        nowhere = pooled.new_zeros(len(pooled), 0, len(ZONES))
        return Location(zone_logits=self.zones(pooled), place_logits=nowhere, weights=nowhere)


def methods_of(table: Literal["1", "2"], recipe: Recipe) -> dict[str, Callable[[], Method]]:
    """
    Give the rows of a table of the paper, by name; each builds a new model from pretrained weights.

    Of Table 1 the image-only rows: U-Net and U-Net++ share SGSeg's pretrained encoder, the others start from
    random, as monai has them.
    """
    if table == "2":
        return {
            "without text": lambda: WithoutText(_sgseg(recipe)),
            "vision-language pre-training": lambda: LanguagePretrained(_sgseg(recipe)),
            "self-guidance, simple report": lambda: SelfGuided(_with_simple_report(_sgseg(recipe)), recipe),
            "self-guidance, LERG": lambda: SelfGuided(_sgseg(recipe), recipe),
            "full text": lambda: FullText(_with_simple_report(_sgseg(recipe)), recipe),
        }
    return {
        "U-Net": lambda: _on_our_encoder("Unet", recipe),
        "U-Net++": lambda: _on_our_encoder("UnetPlusPlus", recipe),
        "Attention U-Net": _attention_unet,
        "TransUNet-like (UNETR)": lambda: _unetr(recipe.phases[0].size),
        "Swin U-Net (Swin UNETR)": _swin_unetr,
    }


def _sgseg(recipe: Recipe) -> SGSeg:
    model = build_sgseg(recipe.preset)
    load_pretrained(model, recipe)
    return model


def _with_simple_report(model: SGSeg) -> SGSeg:
    model.detector_vision = None
    model.lerg = PooledReporter(model.vision.channels[-1])  # type: ignore[assignment]
    return model


def _on_our_encoder(name: str, recipe: Recipe) -> Method:
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


def _attention_unet() -> Method:
    from monai.networks.nets import AttentionUnet

    return ImageOnly(
        AttentionUnet(2, in_channels=1, out_channels=1, channels=(16, 32, 64, 128, 256), strides=(2,) * 4)
    )


def _unetr(size: int) -> Method:
    """UNETR is not TransUNet, whose code no kept library has: a transformer encoder under a U-Net decoder."""
    from monai.networks.nets import UNETR

    network = UNETR(
        1, 1, img_size=size, feature_size=16, hidden_size=384, mlp_dim=1536, num_heads=6, spatial_dims=2
    )
    return ImageOnly(_AtSize(network, size))


def _swin_unetr() -> Method:
    from monai.networks.nets import SwinUNETR

    return ImageOnly(SwinUNETR(in_channels=1, out_channels=1, feature_size=24, spatial_dims=2))
