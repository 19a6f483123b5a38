"""
The rows of the paper's tables: each is a method that learns from batches and predicts masks.

Table 1: networks without text (image_only.py, rivals/) and with the true report. Table 2: SGSeg with parts taken away
(text_guided.py). All have the same data, budget, augmentation and mask loss, so that only the method differs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.sgseg import SGSeg
from training.loop.batches import Batch
from training.paper.image_only import Predict, attention_unet, on_our_encoder, swin_unet, trans_unet
from training.paper.text_guided import (
    FullText,
    LanguagePretrained,
    PooledReporter,
    SelfGuided,
    WithoutText,
    lvit,
)
from training.recipe import Recipe
from training.start.pretrained import load_pretrained


class Method(Protocol):
    """A method that `training.paper.tables` can train and measure."""

    def losses(self, batch: Batch, done: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Give the losses of one step. *done*: share of the run before it, 0 to 1; *rng*: its random generator."""
        ...

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Give mask logits (B, 1, H, W), and zone logits (B, 6); None: the method has no zones."""
        ...

    def readings(self) -> Mapping[str, Predict]:
        """Give the ways to predict, by name. The first one chooses the epoch; "": there is only one."""
        ...

    def encoder(self) -> Iterable[Parameter]:
        """Give the parameters of the image encoder; they learn at the encoder's rate."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """
    One row of a table.

    Attributes:
        name: in the table.
        build: builds a new model.
        begins: what its weights begin with, in words.
        published: accuracy, Dice and Jaccard in the paper, on its test split and at its scale.
        run: name of the run that gives its figures; rows of two tables may share one.
        repeated: whether it is trained with more than one seed.
        figures_of: which of the method's readings are rows, and the ending of their names.
    """

    name: str
    build: Callable[[], Method]
    begins: str
    published: tuple[float, float, float] | None
    run: str
    repeated: bool = False
    figures_of: Mapping[str, str] = field(default_factory=lambda: {"": ""})


def rows_of(table: Literal["1", "2"], recipe: Recipe, weights: Mapping[str, str] | None = None) -> list[Row]:
    """
    Give the rows of a table of the paper, in the order in which they are run: the cheap ones first.

    Args:
        table: of the paper.
        recipe: budget and pretrained weights of all rows.
        weights: run name -> file or folder of pretrained weights, timm's names, for a row that can take some.

    Raises:
        ConfigError: the recipe has phases of different sizes, or *weights* names a row that takes none.
    """
    if len({(phase.size, phase.other_sizes) for phase in recipe.phases}) > 1 or recipe.phases[0].other_sizes:
        raise ConfigError(
            "the tables' recipe needs one image size: Swin U-Net and TransUNet are built for one"
        )
    weights = weights or {}
    if unknown := sorted(set(weights) - set(TAKE_WEIGHTS)):
        raise ConfigError(f"no weights can be named for {unknown}; for these they can: {list(TAKE_WEIGHTS)}")
    return _ablations(recipe) if table == "2" else _rivals(recipe, weights)


TAKE_WEIGHTS = ("trans-unet", "swin-unet")
"""Runs of Table 1 whose encoder may begin with weights of a local folder."""

_BY_EXPECTATION = {"expectation": "", "sentence": ", one sentence"}


def _ablations(recipe: Recipe) -> list[Row]:
    own = _start_of(recipe)
    return [
        Row(
            name="without text",
            run="without-text",
            build=lambda: WithoutText(_sgseg(recipe)),
            begins=own,
            published=(0.953, 0.846, 0.725),
            repeated=True,
        ),
        _lerg(recipe, "self-guidance, LERG"),
        Row(
            name="self-guidance, simple report",
            run="simple-report",
            build=lambda: SelfGuided(_with_simple_report(_sgseg(recipe)), recipe),
            begins=own,
            published=(0.966, 0.861, 0.759),
            figures_of=_BY_EXPECTATION,
        ),
        _full_text(recipe, "full text (true report at test)", (0.973, 0.890, 0.797)),
        Row(
            name="vision-language pre-training",
            run="language-pretraining",
            build=lambda: LanguagePretrained(_sgseg(recipe)),
            begins=own,
            published=(0.962, 0.850, 0.740),
        ),
    ]


def _rivals(recipe: Recipe, weights: Mapping[str, str]) -> list[Row]:
    size = recipe.phases[0].size
    swin, trans = weights.get("swin-unet", ""), weights.get("trans-unet", "")
    return [
        Row(
            name="U-Net",
            run="u-net",
            build=lambda: on_our_encoder("Unet", recipe),
            begins=recipe.image_weights or "random",
            published=(0.945, 0.819, 0.692),
        ),
        Row(
            name="U-Net++",
            run="u-net-plus-plus",
            build=lambda: on_our_encoder("UnetPlusPlus", recipe),
            begins=recipe.image_weights or "random",
            published=(0.947, 0.823, 0.706),
        ),
        Row(
            name="Swin U-Net",
            run="swin-unet",
            build=lambda: swin_unet(size, swin),
            begins=swin or "random",
            published=(0.950, 0.832, 0.724),
        ),
        Row(
            name="Attention U-Net",
            run="attention-unet",
            build=attention_unet,
            begins="random",
            published=(0.945, 0.822, 0.701),
        ),
        _lerg(recipe, "SGSeg (ours, its own report)"),
        _full_text(recipe, "LanGuideMedSeg (ours, true report)", (0.975, 0.898, 0.815)),
        Row(
            name="LViT (true report)",
            run="lvit",
            build=lambda: lvit(recipe),
            begins=f"random; text {recipe.text_encoder or 'random'}",
            published=(0.962, 0.837, 0.751),
        ),
        Row(
            name="TransUNet",
            run="trans-unet",
            build=lambda: trans_unet(size, trans),
            begins=trans or "random",
            published=(0.939, 0.806, 0.687),
        ),
    ]


def _lerg(recipe: Recipe, name: str) -> Row:
    return Row(
        name=name,
        run="lerg",
        build=lambda: SelfGuided(_sgseg(recipe), recipe),
        begins=_start_of(recipe),
        published=(0.971, 0.874, 0.778),
        repeated=True,
        figures_of=_BY_EXPECTATION,
    )


def _full_text(recipe: Recipe, name: str, published: tuple[float, float, float]) -> Row:
    return Row(
        name=name,
        run="full-text",
        build=lambda: FullText(_with_simple_report(_sgseg(recipe)), recipe),
        begins=_start_of(recipe),
        published=published,
    )


def _start_of(recipe: Recipe) -> str:
    return f"{recipe.image_weights or 'random'}; text {recipe.text_encoder or 'random'}"


def _sgseg(recipe: Recipe) -> SGSeg:
    model = build_sgseg(recipe.preset, guidance=recipe.guidance.report)
    load_pretrained(model, recipe)
    return model


def _with_simple_report(model: SGSeg) -> SGSeg:
    model.detector_vision = None
    model.lerg = PooledReporter(model.vision.channels[-1])  # type: ignore[assignment]
    return model
