"""
RT-DETR with a ResNet-50 in its public format (config.json, model.safetensors) -> the paper preset's detector.

transformers reads the folder, also one with older names. The detector's modules have the names of transformers, its
image encoder has those of timm.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PretrainedConfig, RTDetrForObjectDetection

from sgseg_dicom.model.sgseg import SGSeg
from training.data import DataError

_OURS = "enc_score_head."
"""The query selection: in this detector it scores six zones, in RT-DETR the classes of COCO."""


def load_detector(model: SGSeg, folder: Path) -> None:
    """
    Fill the detector of *model* and the detector's image encoder; the zone heads stay random.

    Raises:
        DataError: the folder has no RT-DETR, or one of other sizes; or the preset has no such detector.
    """
    if model.detector_vision is None:
        raise DataError(
            "this preset's detector shares the image encoder; only the paper preset takes RT-DETR"
        )
    given = _tensors_of(folder)
    backbone = model.detector_vision.backbone
    _fill(backbone, given, folder, {name: _public_name(name) for name in _names(backbone)})
    detector = model.lerg.detector
    # An RTDetrModel without detection heads does not refine boxes: our box heads then have no effect.
    boxes = "decoder.bbox_embed.0.layers.0.weight" in given
    _fill(
        detector,
        given,
        folder,
        {
            name: name
            for name in _names(detector)
            if not name.startswith(_OURS) and (boxes or not name.startswith("decoder.bbox_embed."))
        },
    )


def _tensors_of(folder: Path) -> Mapping[str, Tensor]:
    """Give the tensors of the folder, by the names of `RTDetrModel`."""
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder} has no config.json; name a folder with an RT-DETR in transformers' format")
    kind = PretrainedConfig.get_config_dict(folder, local_files_only=True)[0].get("model_type")
    if kind != "rt_detr":
        raise DataError(f"{folder} holds a {kind}; name the folder of an rt_detr with a ResNet-50")
    loaded: Any = RTDetrForObjectDetection.from_pretrained(
        folder, local_files_only=True, output_loading_info=True
    )
    donor, loading = loaded
    missing = {name.removeprefix("model.") for name in loading["missing_keys"]}
    return {name: value for name, value in donor.model.state_dict().items() if name not in missing}


def _names(module: nn.Module) -> list[str]:
    """Name its tensors, except the batch counters: RT-DETR's batch normalisations are frozen and have none."""
    return [name for name in module.state_dict() if not name.endswith("num_batches_tracked")]


def _fill(module: nn.Module, given: Mapping[str, Tensor], folder: Path, names: Mapping[str, str]) -> None:
    state = module.state_dict()
    for name, public in names.items():
        if public not in given:
            raise DataError(f"{folder} lacks {public}; name an RT-DETR with a ResNet-50 (rtdetr_r50vd)")
        if given[public].shape != state[name].shape:
            raise DataError(
                f"{folder}: {public} is {tuple(given[public].shape)}, but the paper preset has "
                f"{tuple(state[name].shape)}; name an RT-DETR with a ResNet-50 (rtdetr_r50vd)"
            )
        state[name] = given[public]
    module.load_state_dict(state)


def _public_name(name: str) -> str:
    """
    Give the name in `RTDetrModel` of a tensor of timm's resnet50d.

    "layer2.0.downsample.1.weight" -> "backbone.model.encoder.stages.1.layers.0.shortcut.1.convolution.weight"
    """
    part, _, rest = name.partition(".")
    kind = {"conv": "convolution", "bn": "normalization"}
    if part == "conv1":  # three convolutions; bn1 is the normalisation of the last one
        place, _, tensor = rest.partition(".")
        what = "convolution" if int(place) % 3 == 0 else "normalization"
        return f"backbone.model.embedder.embedder.{int(place) // 3}.{what}.{tensor}"
    if part == "bn1":
        return f"backbone.model.embedder.embedder.2.normalization.{rest}"
    found = re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.(\d))\.(\w+)", name)
    if found is None:
        raise DataError(f"{name} is no tensor of a ResNet-50-D")
    stage, block, what, number, shortcut, tensor = found.groups()
    layer = f"backbone.model.encoder.stages.{int(stage) - 1}.layers.{block}"
    if shortcut is None:
        return f"{layer}.layer.{int(number) - 1}.{kind[what]}.{tensor}"
    pooled = "" if stage == "1" else ".1"  # after the first stage, the shortcut pools first
    return f"{layer}.shortcut{pooled}.{'convolution' if shortcut == '1' else 'normalization'}.{tensor}"
