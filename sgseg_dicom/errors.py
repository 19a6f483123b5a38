"""
Every expected failure, named for its cause.

    SgsegError
    ├── ConfigError               a setting is missing, unknown or impossible: the start stops
    ├── WeightsError              weights and manifest do not belong together: the start stops
    ├── InstanceError             the stored instance itself is at fault; trying again changes nothing
    │   ├── InvalidDataset        not DICOM, or an attribute that every image must have is missing
    │   ├── UndecodablePixels     the pixel data cannot be decoded, or contradict the header
    │   ├── UnsupportedObject     SOP class, modality, colour or frames that no chest radiograph has
    │   ├── NotApplicable         a sound image that the model must not judge; carries a coded reason
    │   └── ConflictingInstance   a SOP Instance UID that is already stored with other content
    ├── InferenceError            the device failed on this image
    ├── InvalidResult             an object of ours failed its own check: quarantined, never sent
    ├── StorageUnavailable        disk full or read-only, database locked: later may go well
    ├── PeerUnavailable           a destination does not answer or let us in: later may go well
    └── DeliveryRefused           a destination refused the object: a person must look
"""

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING

from sgseg_dicom.refusal_reasons import RefusalReason

if TYPE_CHECKING:
    from pydicom import Dataset


class Disposition(Enum):
    """What becomes of a job that met the error."""

    REJECT = "reject"  # the instance is at fault: its file stays, say why, never retry
    RETRY = "retry"  # the surroundings are at fault: try again, with backoff
    FAIL = "fail"  # we or a peer are at fault: all files stay, a person must look


class SgsegError(Exception):
    """An expected failure. Anything else that is raised is a defect."""

    disposition = Disposition.FAIL


class ConfigError(SgsegError):
    """A setting is missing, unknown or impossible; the message names the key and what would be right."""


class WeightsError(SgsegError):
    """Weights, manifest and code do not belong together (digest, preset, zones' order, tensor names)."""


class InstanceError(SgsegError):
    """The stored instance is at fault; trying again changes nothing."""

    disposition = Disposition.REJECT


class InvalidDataset(InstanceError):
    """
    The bytes are not DICOM, or lack an attribute that every image must have.

    Attributes:
        names_image: False where not even the UIDs can be read by which an answer would refer to the image.
    """

    def __init__(self, message: str, *, names_image: bool = True) -> None:
        super().__init__(message)
        self.names_image = names_image


class UndecodablePixels(InstanceError):
    """The pixel data cannot be decoded, or contradict Rows, Columns or Bits Allocated."""


class UnsupportedObject(InstanceError):
    """SOP class, modality, Photometric Interpretation or Number of Frames of no chest radiograph."""


class NotApplicable(InstanceError):
    """
    A sound image that the model must not judge. Never to be read as "normal".

    Attributes:
        reason: why, in one word for logs and status, and coded.
    """

    def __init__(self, message: str, *, reason: RefusalReason) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        # The durable queue pickles errors. Pickle does not know how to pass keyword-only arguments.
        return (_not_applicable, (str(self), self.reason.value))


def _not_applicable(message: str, reason: str) -> NotApplicable:
    # mypy takes the look-up of a member by its value for __new__.
    return NotApplicable(message, reason=RefusalReason(reason))  # type: ignore[call-arg]


class ConflictingInstance(InstanceError):
    """The SOP Instance UID is already stored with other content; both stay, neither is overwritten."""


class InferenceError(SgsegError):
    """The device failed on this image."""

    disposition = Disposition.RETRY


class InvalidResult(SgsegError):
    """
    A result object of ours failed its own check; it is quarantined and never sent.

    Attributes:
        rules: names of the rules that are broken, for logs and status.
        objects: all results of the image, by name, as they are; none where only one was made so far.
    """

    def __init__(
        self, message: str, *, rules: tuple[str, ...] = (), objects: "Mapping[str, Dataset] | None" = None
    ) -> None:
        super().__init__(message)
        self.rules = rules
        self.objects = dict(objects or {})


class StorageUnavailable(SgsegError):
    """Disk full, read-only folder or locked database."""

    disposition = Disposition.RETRY


class PeerUnavailable(SgsegError):
    """A destination does not answer, aborted, is full (PS3.4 Table B.2-1: A7xx), or does not let us in."""

    disposition = Disposition.RETRY


class NotYetCommitted(SgsegError):
    """A destination has the objects, and has not said yet that it keeps them (Storage Commitment, PS3.4 J)."""

    disposition = Disposition.RETRY


class DeliveryRefused(SgsegError):
    """A destination refused the object for good; the message has its status."""
