"""Checkpoints -> weights, manifest and model card, calibrated and measured on the valid split."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sgseg_dicom import __version__
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.inference.network import load_network
from sgseg_dicom.model.quantization import Bits
from sgseg_dicom.model.weights import describe_weights, save_weights
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.release.graph import GRAPH_FILE, GRAPH_MANIFEST_FILE
from sgseg_dicom.release.known_answer import KNOWN_ANSWER_FILE
from sgseg_dicom.release.manifest import MANIFEST_FILE, WEIGHTS_FILE, Manifest
from training.data import Captions, Item
from training.evaluation.evaluate import evaluate, predict
from training.release.calibrate import NEUTRAL_CALIBRATION, OPEN_THRESHOLDS, calibrate
from training.release.checkpoints import load_trained
from training.release.model_card import CARD_FILE, model_card

_RELEASED = frozenset(
    {WEIGHTS_FILE, MANIFEST_FILE, CARD_FILE, GRAPH_FILE, GRAPH_MANIFEST_FILE, KNOWN_ANSWER_FILE}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """
    What an export shall make.

    Attributes:
        name: of the algorithm, for example "SGSeg compact".
        version: of the weights' release.
        test_time_flip: whether there are passes over the mirror image; one model then takes twice the time.
        test_time_sizes: rows and columns of the passes.
        bits: per weight in the file.
    """

    name: str
    version: str = __version__
    test_time_flip: bool = False
    test_time_sizes: tuple[int, ...] = (INPUT_SIZE,)
    bits: Bits = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """
    The data of an export.

    Attributes:
        train: images, normal ones too, for the statistics of the batch normalisations.
        valid: infected images to calibrate and measure on.
        valid_normals: normal images; may be empty.
        captions: the kind that the zones of *valid* come from.
        other_caption: number of images of *valid* whose caption is of the other kind, since none of the wanted kind
            can be read.
    """

    train: Sequence[Item]
    valid: Sequence[Item]
    valid_normals: Sequence[Item]
    captions: Captions = "original"
    other_caption: int = 0


def export(sources: Sequence[Path], splits: Splits, *, out: Path, release: Release) -> Manifest:
    """
    Write weights, manifest and MODEL_CARD.md to folder *out*, all or nothing. Earlier weights there are replaced.

    The weights are written first, in the format in which they ship. Then they are loaded again, calibrated and
    measured: the figures are those of what ships.

    Args:
        sources: last.ckpt of a run, or a folder of exported weights (for other passes or thresholds); several are
            the members of an ensemble (`sgseg_dicom.inference.ensemble`).
        splits: the data.
        out: folder; may be one of *sources*.
        release: name, version, passes and bits.

    Raises:
        DataError, WeightsError: there is no such run, or the folder's weights cannot be loaded.
        ConfigError: the models have different presets or guidance, so they make no ensemble; or *out* has other files
            than weights, which would be lost.
    """
    out = out.absolute()
    _require_weights_folder(out)  # before hours of measuring
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        unfinished = Path(folder) / out.name
        manifest = _export(sources, splits, unfinished, release)
        (unfinished / CARD_FILE).write_text(model_card(manifest))
        shutil.rmtree(out, ignore_errors=True)
        unfinished.rename(out)
    return manifest


def _require_weights_folder(out: Path) -> None:
    """
    Refuse a folder in which more than earlier weights would be replaced.

    Raises:
        ConfigError: it is a file or the working directory, or has other files.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; name a folder for the weights")
    held = {path.name for path in out.glob("*")} if out.is_dir() else set()
    if out.is_dir() and (out.resolve() == Path.cwd() or held - _RELEASED):
        raise ConfigError(f"{out} holds other things than weights, and would be replaced; name a new folder")


def _export(sources: Sequence[Path], splits: Splits, out: Path, release: Release) -> Manifest:
    valid, normals = splits.valid, splits.valid_normals
    loaded = [one for source in sources for one in load_trained(source, splits.train)]
    kinds = sorted({(one.preset, one.model.guidance) for one in loaded})
    if len(kinds) > 1:
        raise ConfigError(
            f"models of different preset or guidance, {kinds}, make no ensemble; name models of one kind"
        )
    described: dict[str, Any] = {
        "name": release.name,
        "version": release.version,
        "preset": kinds[0][0],
        "test_time_flip": release.test_time_flip,
        "test_time_sizes": release.test_time_sizes,
        "calibration": NEUTRAL_CALIBRATION,
        "thresholds": OPEN_THRESHOLDS,
        "training": _history([one.facts for one in loaded]),
        "metrics": {},
    }
    written = save_weights([one.model for one in loaded], out, facts=described, bits=release.bits)
    raw = load_network(out)
    calibration, thresholds = calibrate(valid, predict(raw, valid), predict(raw, normals))
    described |= {"calibration": calibration, "thresholds": thresholds}
    describe_weights(out, guidance=written.guidance, members=written.members, facts=described)
    data = {"split": "valid", "captions": splits.captions, "other_caption": splits.other_caption}
    described["metrics"] = data | evaluate(load_network(out), valid, normals)
    return describe_weights(out, guidance=written.guidance, members=written.members, facts=described)


def _history(histories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give what is known of the training: of a single model; or of each member, with the data of the first."""
    if len(histories) == 1:
        return histories[0]
    return {"train": histories[0]["train"], "members": list(histories)}
