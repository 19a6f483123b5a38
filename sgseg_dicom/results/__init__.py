"""DICOM results of one radiograph: the SEG and the SR draft."""
