"""Where the real data lie, if they do."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

DATA = Path(os.environ.get("SGSEG_DATA", Path(__file__).parents[3] / "shared" / "data"))

needs_data = pytest.mark.skipif(
    not (DATA / "QaTa").is_dir(), reason=f"no QaTa-COV19 in {DATA}; name its folder in SGSEG_DATA"
)


def normal_radiographs(count: int) -> list[NDArray[np.uint8]]:
    """Give the first normal radiographs of adults of the valid split, each uint8 (224, 224)."""
    paths = sorted((DATA / "normals" / "valid").glob("*.png"))
    adults = [path for path in paths if int(path.stem.split("_")[1]) > 500]  # the others show children
    return [
        np.asarray(Image.open(path).convert("L").resize((224, 224), Image.Resampling.BILINEAR))
        for path in adults[:count]
    ]
