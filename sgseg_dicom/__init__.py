"""From a stored chest radiograph to a DICOM SEG and a Structured Report draft: no network, no queue."""

__version__ = "0.3.0"
