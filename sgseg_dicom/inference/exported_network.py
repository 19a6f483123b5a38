"""ExportedNetwork: ModelInputs -> as many Predictions, by OpenVINO on the CPU. No torch comes with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgseg_dicom.errors import InferenceError, WeightsError
from sgseg_dicom.inference.compiled_graph import LATENCY, Compiled, CpuSettings, compiled
from sgseg_dicom.inference.decision import Judged, algorithm_of, judged_each
from sgseg_dicom.inference.openvino_library import openvino
from sgseg_dicom.inference.raw_answers import RawAnswers, RawHeads
from sgseg_dicom.inference.runtime import Runtime
from sgseg_dicom.model_records import ModelInput
from sgseg_dicom.release.graph import Graph, GraphManifest, assemble, read_graph_manifest
from sgseg_dicom.release.heads_manifest import HEADS_FILE, HeadsManifest, read_heads
from sgseg_dicom.release.manifest import (
    Manifest,
    folder_of,
    packaged_weights,
    read_manifest,
    require_weights_file,
)
from sgseg_dicom.release.tensors import Array, load_tensors

OUTPUTS = ("mask_logits", "zone_logits")
HEAD_OUTPUTS = ("lungs", "looks", "infection")


class ExportedNetwork:
    """
    The exported graph of weights and heads, compiled for this processor.

    Args:
        graph: as it was compiled; it takes one image at a time.
        manifest: of the weights.
        heads: manifest of the heads; None: the graph has none.
        settings: how it runs.

    Attributes:
        runtime: what runs it, where and how exactly.
        algorithm: who judges.
        max_batch: most images in one batch: those that are computed at once.
    """

    def __init__(
        self, graph: Compiled, manifest: Manifest, heads: HeadsManifest | None, settings: CpuSettings
    ) -> None:
        self.manifest = manifest
        self.runtime = Runtime(
            name=f"OpenVINO {openvino.get_version().split('-')[0]}",
            device="cpu",
            precision=settings.precision,
            threads=int(graph.model.get_property("INFERENCE_NUM_THREADS")),
        )
        self.algorithm = self.runtime.judging(algorithm_of(manifest, heads))
        self.max_batch = settings.streams
        self._heads = heads
        self._graph = graph
        self._requests = openvino.AsyncInferQueue(graph.model, settings.streams)
        self._requests.set_callback(_keep_outputs)

    def judge_each(self, inputs: Sequence[ModelInput]) -> list[Judged]:
        """
        Judge images, as many at once as there are streams.

        Returns:
            for each image its prediction, or why it has none.

        Raises:
            InferenceError: the library failed.
        """
        return [
            judged
            for raw in self.raw_answers(inputs)
            for judged in judged_each(raw, self.manifest, self._heads)
        ]

    def raw_answers(self, inputs: Sequence[ModelInput]) -> list[RawAnswers]:
        """
        Give what the networks compute of each image, each as a batch of one.

        Raises:
            InferenceError: the library failed.
        """
        found: list[list[Array]] = [[] for _ in inputs]
        try:
            for outputs, item in zip(found, inputs, strict=True):
                self._requests.start_async({0: item.pixels[None, None]}, outputs)
            self._requests.wait_all()
        except RuntimeError as error:
            raise InferenceError(f"the device failed: {error}") from error
        return [_raw(outputs) for outputs in found]


def _keep_outputs(request: openvino.InferRequest, outputs: list[Array]) -> None:
    """Copy what a request gives: the next one writes over it."""
    outputs += [np.array(tensor.data, dtype=np.float32) for tensor in request.output_tensors]


def _raw(outputs: Sequence[NDArray[np.float32]]) -> RawAnswers:
    mask_logits, zone_logits, *heads = outputs
    return RawAnswers(
        mask_logits=mask_logits[:, 0],
        zone_logits=zone_logits,
        heads=RawHeads(lungs=heads[0], looks=heads[1], infection=heads[2]) if heads else None,
    )


def load_exported_network(
    weights: Path | None = None, *, settings: CpuSettings = LATENCY, cache: Path | None = None
) -> ExportedNetwork:
    """
    Load the graph in folder *weights*, or the one that ships.

    Args:
        weights: folder of the weights, their heads and the graph of both.
        settings: how it shall run.
        cache: folder in which the compiled form is kept; None: it is compiled at each start.

    Raises:
        WeightsError: weights, heads and graph do not belong together, or there is no graph.
        ConfigError: this processor does not compute in the precision that is wanted.
    """
    folder = folder_of(weights or packaged_weights())
    manifest = read_manifest(folder)
    file = require_weights_file(folder, manifest)
    heads = read_heads(folder, weights=manifest.sha256)
    graph = read_graph_manifest(folder, weights=manifest.sha256, heads="" if heads is None else heads.sha256)
    if graph is None:
        raise WeightsError(
            f"{folder} has no exported graph; `sgseg-train export-graph` makes it, or set runtime = "
            '"torch" under [model]'
        )
    loaded = compiled(
        lambda: _assembled(folder, graph, file, has_heads=heads is not None),
        digest=f"{graph.sha256}{graph.digest}",
        settings=settings,
        cache=cache,
    )
    return ExportedNetwork(loaded, manifest, heads, settings)


def _assembled(folder: Path, graph: GraphManifest, file: Path, *, has_heads: bool) -> Graph:
    return assemble(folder, graph, tensors_of(file, folder / HEADS_FILE if has_heads else None))


def tensors_of(weights: Path, heads: Path | None) -> Mapping[str, Array]:
    """
    Load the tensors of which a graph is made, by the names that it uses.

    Raises:
        WeightsError: a file is damaged.
    """
    tensors: dict[str, Any] = load_tensors(weights)
    if heads is not None:
        tensors |= {f"heads/{name}": tensor for name, tensor in load_tensors(heads).items()}
    return tensors
