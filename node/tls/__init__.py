"""DICOM over TLS, on both sides: the profile, our certificates, and what goes wrong."""
