"""The processes, the status page, and the housekeeping."""
