"""The service beside the PACS: receives radiographs, runs `sgseg_dicom` on them, and sends the results."""
