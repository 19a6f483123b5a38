"""
OpenVINO, without its telemetry: a node in a hospital reports to nobody.

The package brings a module that sends statistics of use to its maker when models are converted. It takes part only
where it can be imported.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # an import of it fails

import openvino  # noqa: E402
import openvino.opset8 as ops  # noqa: E402

__all__ = ["openvino", "ops"]
