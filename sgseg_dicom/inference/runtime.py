"""What runs the model: named in the log, on the status page, and in the results where it changes an answer."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from sgseg_dicom.model_records import Algorithm


class Precision(StrEnum):
    """Of the numbers in which the networks compute. FLOAT32 is exact: every runtime gives the same judgements."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """
    What runs the model.

    Attributes:
        name: of the library, with its version.
        device: "cpu", or the GPU with its name.
        precision: in which the networks compute.
        threads: on a CPU; 0 on a GPU.
    """

    name: str
    device: str
    precision: Precision
    threads: int

    def __str__(self) -> str:
        threads = f", {self.threads} threads" if self.threads else ""
        return f"{self.name} on {self.device}, {self.precision}{threads}"

    def judging(self, algorithm: Algorithm) -> Algorithm:
        """
        Give who judges where this runs: half precision changes some answers, so it has an identity of its own.

        The Device UID of the results comes from the digest, and the results say the version.
        """
        if self.precision is Precision.FLOAT32:
            return algorithm
        identity = f"{algorithm.weights_digest}|{self.precision}"
        return replace(
            algorithm,
            version=f"{algorithm.version} {self.precision}",
            weights_digest=hashlib.sha256(identity.encode()).hexdigest(),
        )
