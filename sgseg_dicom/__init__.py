"""
From a stored chest radiograph to a DICOM SEG and a Structured Report draft: no network, no queue.

    from sgseg_dicom import load
    model = load()
    answer = model("film.png")
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sgseg_dicom.python_model import Model

__version__ = "0.3.0"


def load(weights: "str | Path | None" = None, *, device: str = "auto", language: str = "en") -> "Model":
    """
    Load the model: `load()("film.png").sentence`. What it needs is imported here, and not with the package.

    Args:
        weights: folder of weights; None: those that ship.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".
        language: of the sentence: "en", "es", "de", or a language file ending ".toml".

    Raises:
        WeightsError: the weights cannot be used.
        ConfigError: there is no such device or language.
    """
    from sgseg_dicom.python_model import load_model

    return load_model(weights, device=device, language=language)
