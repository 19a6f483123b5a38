"""
What fails in the node itself, beside the expected failures of `sgseg_dicom.errors`.

    SgsegError
    ├── Defect               something unexpected was raised
    ├── ProcessEnded         the process that judged the image ended before it had an answer
    │   ├── ImageTooSlow     it was killed at the time limit
    │   ├── OutOfMemory      it was killed at the memory limit
    │   └── ProcessDied      it died by itself
    └── AnotherAnswer        the same weights came to another result than before (an InvalidResult)
"""

from sgseg_dicom.errors import Disposition, InvalidResult, SgsegError


class Defect(SgsegError):
    """Something was raised that is no SgsegError; the message is the name of its class."""


class AnotherAnswer(InvalidResult):
    """The same weights judged the image again, and came to another result than the one that is stored."""


class ProcessEnded(SgsegError):
    """The process that judged the image ended without an answer. Another attempt may go well."""

    disposition = Disposition.RETRY


class ImageTooSlow(ProcessEnded):
    """The image took longer than [queue] image_seconds; its process was killed."""


class OutOfMemory(ProcessEnded):
    """The images in work took more memory than [queue] memory_megabytes; the process that took most was killed."""


class ProcessDied(ProcessEnded):
    """The process crashed (a fault in a decoder or a driver), or the system killed it."""


PROCESS_ENDS = frozenset(one.__name__ for one in (ImageTooSlow, OutOfMemory, ProcessDied))
"""The reasons (`node.jobs.Outcome.reason`) that say that the judging process ended."""
