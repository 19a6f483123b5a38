"""Where tests keep the model as it was compiled for this processor: that takes ten seconds, and many need it."""

import os
import tempfile
from pathlib import Path

COMPILED = Path(tempfile.gettempdir()) / f"sgseg-tests-compiled-{os.getuid()}"
