"""One table of a TOML file that a site writes."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table: frozen, strictly read, and with no other keys than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
