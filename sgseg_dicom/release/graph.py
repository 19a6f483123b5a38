"""
The exported graph beside the weights: what OpenVINO runs on a CPU, where no torch is installed.

The graph's numbers are those of the weights file, so they are not kept twice: its description names the tensor of
each constant. The graph itself is OpenVINO's intermediate representation (IR, an XML document), compressed.
"""

import base64
import gzip
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.release.manifest import digest_of_file
from sgseg_dicom.release.tensors import Array

GRAPH_FILE = "graph.xml.gz"
GRAPH_MANIFEST_FILE = "graph.json"

_CONSTANT = re.compile(rb'<data [^>]*offset="(\d+)"[^>]* size="(\d+)"')


class GraphManifest(BaseModel):
    """
    Description of an exported graph.

    Attributes:
        format: of this file.
        weights: sha256 of the weights file whose numbers it has.
        heads: sha256 of the heads' file; "" where there are none.
        sha256: of the graph's file.
        exporter: the software that wrote it.
        outputs: what it gives, in order.
        size: bytes of all constants.
        digest: sha256 of all constants, one behind the other.
        tensors: where the bytes of each tensor lie: (offset, name). Heads come after "heads/".
        others: the bytes that are no tensor: (offset, base64).
        agreement: how far its answers agree with torch's, measured on the valid split.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    weights: str
    heads: str
    sha256: str
    exporter: str
    outputs: tuple[str, ...]
    size: int
    digest: str
    tensors: tuple[tuple[int, str], ...]
    others: tuple[tuple[int, str], ...]
    agreement: dict[str, Any] = {}


class Graph(NamedTuple):
    """
    A graph as OpenVINO reads it.

    Attributes:
        xml: the intermediate representation.
        constants: uint8, its numbers.
    """

    xml: bytes
    constants: NDArray[np.uint8]


def read_graph_manifest(folder: Path, *, weights: str, heads: str) -> GraphManifest | None:
    """
    Read the description of the graph in *folder*, and check that it belongs there; None: there is no graph.

    Args:
        folder: of the weights.
        weights: sha256 of the weights file.
        heads: sha256 of the heads' file; "" where there are none.

    Raises:
        WeightsError: it is damaged, or was made for other weights.
    """
    path, graph = folder / GRAPH_MANIFEST_FILE, folder / GRAPH_FILE
    if not path.exists() and not graph.exists():
        return None
    try:
        manifest = GraphManifest.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing; copy all files of one release") from None
    except ValidationError as error:
        raise WeightsError(f"{path} is not a description of this version: {error}") from None
    if (manifest.weights, manifest.heads) != (weights, heads):
        raise WeightsError(
            f"{path} belongs to other weights or heads; `sgseg-train export-graph` makes the graph of these"
        )
    if not graph.is_file() or digest_of_file(graph) != manifest.sha256:
        raise WeightsError(f"{graph} is missing or not that of {path.name}; copy both of the same release")
    return manifest


def assemble(folder: Path, manifest: GraphManifest, tensors: Mapping[str, Array]) -> Graph:
    """
    Put graph and numbers together.

    Args:
        folder: of the graph.
        manifest: of the graph.
        tensors: of the weights file, and of the heads' file with "heads/" before their names.

    Raises:
        WeightsError: the numbers are not those of the export.
    """
    constants = np.zeros(manifest.size, dtype=np.uint8)
    for offset, name in manifest.tensors:
        if name not in tensors:
            raise WeightsError(
                f"{folder / GRAPH_MANIFEST_FILE} names the tensor {name!r}, which is not there"
            )
        _put(constants, offset, tensors[name].tobytes())
    for offset, text in manifest.others:
        _put(constants, offset, base64.b64decode(text))
    if hashlib.sha256(constants.data).hexdigest() != manifest.digest:
        raise WeightsError(
            f"{folder / GRAPH_FILE}: its numbers are not those of the weights; make it anew by "
            "`sgseg-train export-graph`"
        )
    return Graph(gzip.decompress((folder / GRAPH_FILE).read_bytes()), constants)


def _put(constants: NDArray[np.uint8], offset: int, content: bytes) -> None:
    constants[offset : offset + len(content)] = np.frombuffer(content, dtype=np.uint8)


def save_graph(
    graph: Graph,
    folder: Path,
    tensors: Mapping[str, Array],
    *,
    weights: str,
    heads: str,
    outputs: tuple[str, ...],
    exporter: str,
) -> GraphManifest:
    """
    Write a graph and its description to the folder of its weights.

    Args:
        graph: as OpenVINO serialised it.
        folder: of the weights.
        tensors: of the files; see `assemble`.
        weights: sha256 of the weights file.
        heads: sha256 of the heads' file; "" where there are none.
        outputs: names of what it gives.
        exporter: the software that wrote it.
    """
    names = {hashlib.sha256(tensor.tobytes()).digest(): name for name, tensor in tensors.items()}
    placed, others = [], []
    for offset, size in _constants(graph.xml):
        content = graph.constants[offset : offset + size].tobytes()
        name = names.get(hashlib.sha256(content).digest())
        if name is None:
            others.append((offset, base64.b64encode(content).decode()))
        else:
            placed.append((offset, name))
    # No time in the file: the same graph is the same bytes.
    (folder / GRAPH_FILE).write_bytes(gzip.compress(graph.xml, mtime=0))
    manifest = GraphManifest(
        weights=weights,
        heads=heads,
        sha256=digest_of_file(folder / GRAPH_FILE),
        exporter=exporter,
        outputs=outputs,
        size=len(graph.constants),
        digest=hashlib.sha256(graph.constants.data).hexdigest(),
        tensors=tuple(placed),
        others=tuple(others),
    )
    describe_graph(manifest, folder)
    return manifest


def describe_graph(manifest: GraphManifest, folder: Path) -> None:
    """Write the description of the graph that lies in *folder*."""
    (folder / GRAPH_MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n")


def _constants(xml: bytes) -> list[tuple[int, int]]:
    """Give offset and size of each constant, once."""
    return sorted({(int(offset), int(size)) for offset, size in _CONSTANT.findall(xml)})
