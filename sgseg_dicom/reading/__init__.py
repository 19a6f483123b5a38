"""One stored file -> Radiograph."""
