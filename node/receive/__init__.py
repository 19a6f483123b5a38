"""Receives radiographs over DICOM."""
