"""The service beside the PACS: from the wire to the core and back."""
