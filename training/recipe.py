"""A training recipe: one TOML file with everything that a run depends on, except its data."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

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
    """
    Shares of a batch that the true report guides, and no report. The model's own report guides the rest.

    Attributes:
        ground_truth, none: shares.
        report: what guides the rest, and inference: "soft", the expectation over all reports, or "hard", one sentence
            (the paper, section 2.3; the mask's loss then does not reach the zones).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ground_truth: _Share
    none: _Share
    report: Literal["soft", "hard"] = "soft"

    @model_validator(mode="after")
    def _one_whole(self) -> Self:
        if self.ground_truth + self.none > 1:
            raise ValueError("ground_truth and none are shares of one batch: together at most 1")
        return self


class Losses(BaseModel):
    """Weights of the losses. The mask's loss has weight 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zones: float
    places: float
    coarse: float
    presence: float = 0.0


class Phase(BaseModel):
    """
    Some epochs of a run.

    Attributes:
        epochs: how many.
        size: rows and columns of the images, a multiple of 32.
        other_sizes: where there are any, each batch has `size` or one of these, with equal probability.
        hold_statistics: whether the batch normalisations keep their running statistics, and train with them as
            inference uses them.
        augmentation: its strength.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Annotated[int, Field(ge=1)]
    size: _Size
    other_sizes: tuple[_Size, ...] = ()
    hold_statistics: bool = False
    augmentation: Strength = Strength()


class Recipe(BaseModel):
    """
    Everything that a run depends on, except the data. The names of the fields are the keys of the TOML file.

    Attributes:
        image_weights, detector_weights, text_encoder: pretrained weights (`training.start.pretrained`); "": random.
        captions: the kind of captions that the zones come from.
        normals_repeat: how often each normal radiograph is in an epoch.
        images_per_patient: the most infected images of one patient in an epoch (`training.loop.epoch_sampling`);
            None: all of them.
        warmup_share: share of the steps in which the learning rate rises.
        ema_decay: of the moving average of the weights.
        drop_path: probability that the image encoder skips its last block for an image (stochastic depth); it is
            lower for earlier blocks. The methods of the tables do not use it.
        guide_scale: scale of the decoder's cross-attentions at the start; None: as in the weights, or 0.01. A decoder
            that learned without reports ignores them, and hardly learns to use them from scales near 0 (LOG.md).
        opinions: share of the teachers' predictions (`training.teacher_predictions`) in the targets; the rest is the
            data's masks and zones. The methods of the tables do not use it.
        best: figure of valid that chooses the epoch of best.ckpt, beside last.ckpt.
        renew: parts of the model ("lerg") that a run draws anew although it begins with exported weights.
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
    best: Literal["dice_micro", "zone_accuracy", "loss"] = "dice_micro"
    renew: tuple[str, ...] = ()
    precision: Literal["bf16-mixed", "16-mixed", "32-true"]
    guidance: Guidance
    losses: Losses

    @property
    def epochs(self) -> int:
        """Epochs of all phases together."""
        return sum(phase.epochs for phase in self.phases)

    def phase_at(self, epoch: int) -> Phase:
        """Give the phase of *epoch*, counted from 0; epochs after the last phase belong to that one."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase
            epoch -= phase.epochs
        return self.phases[-1]


def load_recipe(source: str, settings: Sequence[str] = ()) -> Recipe:
    """
    Load a recipe: the packaged one of this name, or a file.

    Args:
        source: name or path.
        settings: other values than the file's, each "key=value" as in TOML: "learning_rate=1e-4",
            "guidance.none=0.2", "phases.0.size=96". Text needs no quotes.

    Raises:
        ConfigError: there is no such file, it is not TOML, or a key is missing, unknown or impossible.
    """
    packaged = Path(__file__).parent / "recipes" / f"{source}.toml"
    path = packaged if packaged.is_file() else Path(source)
    try:
        content = tomllib.loads(path.read_text())
        for setting in settings:
            _set(content, setting)
        return Recipe.model_validate(content)
    except (FileNotFoundError, IsADirectoryError):
        known = sorted(p.stem for p in packaged.parent.glob("*.toml"))
        raise ConfigError(f"recipe {source!r} is neither a file nor one of {known}") from None
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _set(content: dict[str, Any], setting: str) -> None:
    """
    Set one key of a recipe's *content* to another value.

    Raises:
        ConfigError: the text has no "=", or no such part is there to set.
    """
    key, sign, value = setting.partition("=")
    *parts, last = key.strip().split(".")
    place: Any = content
    try:
        for part in parts:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[int(last) if isinstance(place, list) else last] = _value_of(value.strip())
    except (IndexError, ValueError, TypeError, AttributeError):
        sign = ""
    if not sign:
        raise ConfigError(
            f'--set {setting}: "key=value" is needed, as "learning_rate=1e-4" or "phases.0.size=96"'
        )


def _value_of(text: str) -> Any:
    """Read a value as TOML does; what is no TOML is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
