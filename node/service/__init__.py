"""The processes, the status page, the upkeep."""
