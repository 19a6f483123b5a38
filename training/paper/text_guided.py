"""Table 2: SGSeg, and SGSeg with parts taken away."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.functional import cross_entropy, normalize

from sgseg_dicom.model.build import PRESETS
from sgseg_dicom.model.detector import Location
from sgseg_dicom.model.report_table import ReportTable
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.zones import ZONES
from training.loop.batches import Batch
from training.loop.guidance import mixed_words
from training.loop.losses import mask_loss, place_loss, zone_loss
from training.paper.image_only import Predict
from training.paper.rivals.lvit import LViT
from training.recipe import Recipe
from training.start.pretrained import load_reports

CONTRASTIVE_SHARE = 1 / 3
"""Share of the budget for vision-language pre-training; the rest is training on images alone."""


class WithoutText(nn.Module):
    """Table 2, first row: the same encoder and decoder, guided by an empty report."""

    def __init__(self, model: SGSeg) -> None:
        super().__init__()
        self.vision, self.decoder, self.reports = model.vision, model.decoder, model.reports

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the loss of the mask alone."""
        return {"mask": mask_loss(self._segment(batch), batch.masks)}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment; there are no zones."""
        return self._segment(batch), None

    def readings(self) -> Mapping[str, Predict]:
        """Give the one way to predict."""
        return {"": self.predict}

    def encoder(self) -> Iterable[Parameter]:
        """Give the image encoder's parameters."""
        return self.vision.parameters()

    def _segment(self, batch: Batch) -> Tensor:
        logits: Tensor = self.decoder(self.vision(batch.images), self.reports.none(len(batch.images)))[0]
        return logits


class LanguagePretrained(WithoutText):
    """
    Table 2, second row: contrastive pre-training of images and reports (CLIP), then training on images alone.

    Many images of a batch of 32 have the same report: each of them counts as a right match.
    """

    def __init__(self, model: SGSeg, *, width: int = 128) -> None:
        super().__init__(model)
        self.see = nn.Linear(model.vision.channels[-1], width)
        self.read = nn.Linear(model.reports.embeddings.shape[-1], width)
        self.log_scale = nn.Parameter(torch.tensor(2.66))  # CLIP's initial value: ln(1 / 0.07)

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the contrastive loss in the first part of the run, then the loss of the mask."""
        if done < CONTRASTIVE_SHARE:
            return {"contrast": self._contrast(batch)}
        return super().losses(batch, done, rng)

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
    """
    Table 2, rows 3 and 4: guided by its own report, as it is at inference. The rows differ in what writes it.

    In training the expectation over all reports guides, so that the mask's loss reaches the zones.
    """

    def __init__(self, model: SGSeg, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the losses of mask and zones. Part of a batch gets the true report or none, as the recipe says."""
        features, location = self.model.encode(batch.images)
        logits, _ = self.model.decoder(
            features,
            mixed_words(
                self.model.reports,
                location.zone_logits,
                batch.zones,
                self.recipe.guidance,
                drawn=torch.rand(len(batch.zones), generator=rng).to(batch.zones.device),
            ),
        )
        weights = self.recipe.losses
        losses = {
            "mask": mask_loss(logits, batch.masks),
            "zones": weights.zones * zone_loss(location.zone_logits, batch.zones),
        }
        if location.place_logits.shape[1]:
            losses["places"] = weights.places * place_loss(location.place_logits, batch.zones)
        return losses

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment under the model's own report: the expectation over all 64."""
        return self._segment(batch, self.model.reports.soft)

    def predict_by_sentence(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment as the paper does: the zones become one sentence, and it guides."""
        return self._segment(batch, lambda logits: self.model.reports.hard(logits > 0))

    def readings(self) -> Mapping[str, Predict]:
        """Give both ways to predict."""
        return {"expectation": self.predict, "sentence": self.predict_by_sentence}

    def _segment(self, batch: Batch, guide: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        features, location = self.model.encode(batch.images)
        logits: Tensor = self.model.decoder(features, guide(location.zone_logits))[0]
        return logits, location.zone_logits

    def encoder(self) -> Iterable[Parameter]:
        """Give the image encoder's parameters."""
        return self.model.vision.parameters()


class FullText(SelfGuided):
    """Table 2, last row: the true report in training and at test (the method of LanGuideMedSeg in Table 1)."""

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment under the true report, which a radiologist would have to write."""
        features = self.model.vision(batch.images)
        logits: Tensor = self.model.decoder(features, self.model.reports.hard(batch.zones))[0]
        return logits, None

    def readings(self) -> Mapping[str, Predict]:
        """Give the one way to predict."""
        return {"": self.predict}

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the loss of the mask under the true report."""
        return {"mask": mask_loss(self.predict(batch)[0], batch.masks)}


class PooledReporter(nn.Module):
    """Simple report generation (Table 2): pooled features and a linear layer, without a detector."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.zones = nn.Linear(channels, len(ZONES))

    def forward(self, features: list[Tensor]) -> Location:
        """Turn the last of the maps (B, C, h, w) into zone logits; there are no places."""
        pooled = features[-1].mean(dim=(2, 3))
        nowhere = pooled.new_zeros(len(pooled), 0, len(ZONES))
        return Location(zone_logits=self.zones(pooled), place_logits=nowhere, weights=nowhere)


class WithTrueReport(nn.Module):
    """Table 1, LViT: another network that reads the true report, in training and at test."""

    def __init__(self, network: LViT, reports: ReportTable) -> None:
        super().__init__()
        self.network, self.reports = network, reports

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the loss of the mask under the true report."""
        return {"mask": mask_loss(self.predict(batch)[0], batch.masks)}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Segment under the true report, which a radiologist would have to write."""
        return self.network(batch.images, self.reports.hard(batch.zones)), None

    def readings(self) -> Mapping[str, Predict]:
        """Give the one way to predict."""
        return {"": self.predict}

    def encoder(self) -> Iterable[Parameter]:
        """Give nothing: no part begins with pretrained weights."""
        return ()


def lvit(recipe: Recipe) -> WithTrueReport:
    """Build LViT; the table of embedded reports replaces its BERT."""
    width = PRESETS[recipe.preset].text_width
    reports = ReportTable(width)
    load_reports(reports, recipe)
    return WithTrueReport(LViT(recipe.phases[0].size, text_width=width), reports)
