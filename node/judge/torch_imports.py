"""What judging by torch needs besides `node.judge.imports`."""

import sgseg_dicom.inference.network

__all__ = ["sgseg_dicom"]
