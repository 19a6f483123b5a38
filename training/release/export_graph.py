"""Weights -> the graph beside them, which OpenVINO runs without torch."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from sgseg_dicom.inference.exported_network import HEAD_OUTPUTS, OUTPUTS, tensors_of
from sgseg_dicom.inference.network import load_network
from sgseg_dicom.inference.openvino_library import openvino
from sgseg_dicom.inference.whole_network import WholeNetwork
from sgseg_dicom.model_records import INPUT_SIZE
from sgseg_dicom.release.graph import Graph, GraphManifest, save_graph
from sgseg_dicom.release.heads_manifest import HEADS_FILE
from sgseg_dicom.release.manifest import WEIGHTS_FILE


class _Flat(nn.Module):
    """The whole network with its outputs in one row, as a graph has them."""

    def __init__(self, whole: WholeNetwork) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        mask_logits, zone_logits, heads = self.whole(images)
        return (mask_logits, zone_logits) if heads is None else (mask_logits, zone_logits, *heads)


def export_graph(folder: Path) -> GraphManifest:
    """
    Write the graph of the weights in *folder*, and of their heads, beside them. An earlier one is replaced.

    Raises:
        WeightsError: the weights cannot be loaded.
    """
    network = load_network(folder, device="cpu")
    heads = network.heads_manifest
    graph = graph_of(_Flat(network.whole))
    return save_graph(
        graph,
        folder,
        tensors_of(folder / WEIGHTS_FILE, None if heads is None else folder / HEADS_FILE),
        weights=network.manifest.sha256,
        heads="" if heads is None else heads.sha256,
        outputs=OUTPUTS if heads is None else OUTPUTS + HEAD_OUTPUTS,
        exporter=f"OpenVINO {openvino.get_version()}, torch {torch.__version__}",
    )


def graph_of(module: nn.Module) -> Graph:
    """
    Turn a module that takes images (B, 1, 224, 224) into a graph, for any B.

    The numbers stay as they are: what OpenVINO's own `convert_model` would fold, the compiler folds later. So each
    constant is still a tensor of the weights file.
    """
    # Imported here: behind `openvino_library`, which leaves the telemetry out.
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    module = module.eval().to("cpu")
    # Two different images: a graph of one could hide that it serves one image alone.
    images = torch.randn(2, 1, INPUT_SIZE, INPUT_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), warnings.catch_warnings():
        # Sizes become numbers of the graph; that is wanted, since the network has one input size.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        traced = torch.jit.trace(module, images, check_trace=False)
        front_end = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)  # it must outlive the conversion
        model = front_end.convert(front_end.load(decoder))
    (given,) = model.inputs
    given.get_node().set_element_type(openvino.Type.f32)
    given.get_node().set_partial_shape(openvino.PartialShape([-1, 1, INPUT_SIZE, INPUT_SIZE]))
    model.validate_nodes_and_infer_types()
    with TemporaryDirectory() as folder:
        xml, constants = Path(folder) / "graph.xml", Path(folder) / "graph.bin"
        openvino.serialize(model, xml, constants)
        return Graph(xml.read_bytes(), np.fromfile(constants, dtype=np.uint8))
