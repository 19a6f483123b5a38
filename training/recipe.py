"""A training recipe: one TOML file that says everything a run depends on, its data folders apart."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from sgseg_dicom.errors import ConfigError
from training.augmentation.strength import Strength

_Share = Annotated[float, Field(ge=0, le=1)]
_Size = Annotated[int, Field(ge=64, multiple_of=32)]


class Guidance(BaseModel):
    """Shares of a batch that are guided by the true report and by none; the rest by its own, soft."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ground_truth: _Share
    none: _Share

    @model_validator(mode="after")
    def _one_whole(self) -> Self:
        if self.ground_truth + self.none > 1:
            raise ValueError("ground_truth and none are shares of one batch: together at most 1")
        return self


class Losses(BaseModel):
    """Weights of the losses beside the mask's, which has 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zones: float
    places: float
    coarse: float
    presence: float = 0.0


class Phase(BaseModel):
    """
    Epochs at one image size (a multiple of 32), or with each batch at one of several.

    `other_sizes`: each batch has `size` or one of these, all as likely.
    `hold_statistics`: the batch normalisations keep their running statistics and train with them, as inference uses
    them. `augmentation`: how far it goes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Annotated[int, Field(ge=1)]
    size: _Size
    other_sizes: tuple[_Size, ...] = ()
    hold_statistics: bool = False
    augmentation: Strength = Strength()


class Recipe(BaseModel):
    """
    Everything that a run depends on beside the data.

    `image_weights`, `detector_weights`, `text_encoder`: what the model starts from (`training.start.pretrained`); ""
    starts from random.
    `images_per_patient`: of infected ones, at most so many stand in an epoch (`training.loop.epoch_sampling`);
    None: all.
    `renew`: parts of the model ("lerg") that start anew in a run that begins with exported weights.
    `guide_scale`: what the cross-attentions count at the start (None: what they do in the weights, or 0.01): a
    decoder that learned without a report reads none, and hardly learns to from scales near 0 (LOG.md).
    `drop_path`: chance that the image encoder's last block is left out for an image (stochastic depth; less for the
    earlier ones); the methods of the tables do without.
    `opinions`: how far the targets are the teachers' opinions (`training.teacher_predictions`) and not the data's
    masks and zones; the methods of the tables do without.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str
    image_weights: str
    text_encoder: str
    detector_weights: str = ""
    captions: Literal["original", "refined"]
    seed: int
    batch_size: Annotated[int, Field(ge=1)]
    normals_repeat: Annotated[int, Field(ge=0)]
    images_per_patient: Annotated[int, Field(ge=1)] | None = None
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    learning_rate: float
    encoder_learning_rate: float
    weight_decay: float
    warmup_share: _Share
    ema_decay: _Share
    drop_path: _Share = 0.0
    guide_scale: _Share | None = None
    opinions: _Share = 0.0
    renew: tuple[str, ...] = ()
    precision: Literal["bf16-mixed", "32-true"]
    guidance: Guidance
    losses: Losses

    @property
    def epochs(self) -> int:
        """All phases together."""
        return sum(phase.epochs for phase in self.phases)

    def phase_at(self, epoch: int) -> Phase:
        """Phase of *epoch*, counted from 0; the last one goes on."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase
            epoch -= phase.epochs
        return self.phases[-1]


def load_recipe(source: str) -> Recipe:
    """
    Load a recipe by the name of a packaged one, or by path.

    Raises:
        ConfigError: no such file, not TOML, or a key is missing, unknown or impossible.
    """
    packaged = Path(__file__).parent / "recipes" / f"{source}.toml"
    path = packaged if packaged.is_file() else Path(source)
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except (FileNotFoundError, IsADirectoryError):
        known = sorted(p.stem for p in packaged.parent.glob("*.toml"))
        raise ConfigError(f"recipe {source!r} is neither a file nor one of {known}") from None
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
