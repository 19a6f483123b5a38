"""Whether all files of a release are there and belong together, without loading the model."""

from pathlib import Path

from sgseg_dicom.errors import WeightsError
from sgseg_dicom.release.graph import read_graph_manifest
from sgseg_dicom.release.heads_manifest import read_heads
from sgseg_dicom.release.image_check_manifest import (
    packaged_image_check,
    read_image_check_manifest,
    require_image_check_file,
)
from sgseg_dicom.release.manifest import Manifest, folder_of, read_manifest, require_weights_file


def require_whole_release(named: Path) -> Manifest:
    """
    Check manifest, weights, heads and graph in a folder, and the packaged image check, by their digests.

    Raises:
        WeightsError: a file is missing or damaged, or belongs to another release; or the weights were neither
            calibrated nor measured.
    """
    folder = folder_of(named)
    manifest = read_manifest(folder)
    require_weights_file(folder, manifest)
    heads = read_heads(folder, weights=manifest.sha256)
    read_graph_manifest(folder, weights=manifest.sha256, heads="" if heads is None else heads.sha256)
    require_measured(manifest, folder)
    view = packaged_image_check()
    require_image_check_file(view, read_image_check_manifest(view))
    return manifest


def require_measured(manifest: Manifest, folder: Path) -> None:
    """
    Refuse weights without calibration and figures.

    Raises:
        WeightsError: they have none.
    """
    if not manifest.metrics:
        raise WeightsError(
            f"the weights in {folder} are neither calibrated nor measured: `sgseg-train export` does both"
        )
