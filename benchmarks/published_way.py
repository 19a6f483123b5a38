"""
Inference of one image: our way, and the way of the published code (https://github.com/ShuchangYe-bib/SGSeg).

In the published way the text encoder encodes the generated report of every image, the detector has an image encoder
of its own and runs twice, and everything is eager float32. The masks of both ways come from the same layers; the ways
differ in what runs, how often, and by which library. The weights that ship are two models with four passes; the
published way is one model and one pass.

Some weights are not available here. A randomly initialised BERT-base (12 layers of 768, on 24 tokens) replaces
CXR-BERT, and the published sizes have random weights. The time does not depend on the values of the weights.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from sgseg_dicom.inference.compiled_graph import CpuSettings, processors
from sgseg_dicom.inference.exported_network import load_exported_network
from sgseg_dicom.inference.network import Network
from sgseg_dicom.model.build import build_sgseg
from sgseg_dicom.model.report_table import TOKENS
from sgseg_dicom.model.sgseg import SGSeg
from sgseg_dicom.model.weights import load_weights
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.preprocess import normalise
from sgseg_dicom.records import ModelInput
from sgseg_dicom.release.manifest import packaged_weights

OURS = "ours, as it ships, by OpenVINO"
TOGETHER = "the same, several images at once"
BY_TORCH = "ours, as it ships, by torch in float32"
ONCE = "ours, one model and the image alone, by torch"
SAME_WEIGHTS = "the published way, our compact model"
PUBLISHED_SIZES = "the published way, published sizes (ConvNeXt-T, RT-DETR with ResNet-50)"

_DETECTOR_RUNS = 2
_WARM_UPS = 3
_IMAGES_TOGETHER = 8
Way = Callable[[Sequence[ModelInput]], object]


class PublishedWay:
    """One image at a time through *model*, eager float32."""

    def __init__(self, model: SGSeg) -> None:
        self._model = model.eval()
        self._text = BertModel(BertConfig(), add_pooling_layer=False).eval()
        self._tokens = torch.ones(1, TOKENS, dtype=torch.long)

    @torch.inference_mode()
    def __call__(self, model_input: ModelInput) -> NDArray[np.float32]:
        """Judge one image; give the probabilities of the mask, (224, 224)."""
        model, image = self._model, torch.from_numpy(model_input.pixels)[None, None]
        detector_vision = (
            model.detector_vision or model.vision
        )  # a second run even if the weights are the same
        for _ in range(_DETECTOR_RUNS):
            location = model.lerg(detector_vision(image)[1:])
        self._text(self._tokens)  # only its time counts: the compact decoder cannot use its output
        logits, _ = model.decoder(model.vision(image), model.guide(location.zone_logits))
        return np.asarray(logits.sigmoid()[0, 0])


def measure(runs: int, network: Network) -> dict[str, float]:
    """
    Give the median seconds of each way for an image.

    The ways take turns, so that other work disturbs all of them alike.
    """
    noise = np.random.default_rng(0).standard_normal((INPUT_SIZE, INPUT_SIZE), dtype=np.float32)
    model_input = ModelInput(pixels=normalise(noise))
    ways = _ways(network)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_WARM_UPS + runs):
        for name, (way, images) in ways.items():
            began = time.perf_counter()
            way([model_input] * images)
            seconds[name].append((time.perf_counter() - began) / images)
    return {name: median(times[_WARM_UPS:]) for name, times in seconds.items()}


def _ways(network: Network) -> dict[str, tuple[Way, int]]:
    """Give each way, with the number of images that it gets at once."""
    plain = {"test_time_flip": False, "test_time_sizes": (INPUT_SIZE,)}
    once = Network(network.members[:1], network.manifest.model_copy(update=plain), device="cpu")
    same, published = PublishedWay(load_weights(packaged_weights())[0]), PublishedWay(build_sgseg("paper"))
    return {
        OURS: (load_exported_network().judge_each, 1),
        TOGETHER: (
            load_exported_network(settings=CpuSettings(streams=processors())).judge_each,
            _IMAGES_TOGETHER,
        ),
        BY_TORCH: (network.judge, 1),
        ONCE: (once.judge, 1),
        SAME_WEIGHTS: (lambda inputs: same(inputs[0]), 1),
        PUBLISHED_SIZES: (lambda inputs: published(inputs[0]), 1),
    }
