"""Writes the settings of a site: config.toml with all its comments, and the values of this site in it."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from sgseg_dicom.config import Config, load
from sgseg_dicom.errors import ConfigError

TEMPLATE = Path(__file__).with_name("config.toml")
"""The file at the top of the repository: every key with its unit and its default."""

_SECTION = re.compile(r"^\[(\w+)\]$")
_KEY = re.compile(r"^(\w+) = ")

Values = Mapping[tuple[str, str], object]
"""By section and key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """
    Where results go.

    Attributes:
        name: as it appears in logs.
        ae_title, host, port: of the archive.
        not_judged: whether it also gets a report of each image that was not judged.
    """

    name: str
    ae_title: str
    host: str
    port: int
    not_judged: bool = True


def archive_of(text: str, *, not_judged: bool = True) -> Archive:
    """
    Read "AE_TITLE@host:port", or "name=AE_TITLE@host:port".

    Raises:
        ConfigError: it has another form.
    """
    found = re.fullmatch(r"(?:(?P<name>[^=@]+)=)?(?P<title>[^@]+)@(?P<host>[^@]+):(?P<port>\d{1,5})", text)
    if found is None:
        raise ConfigError(
            f"the archive is {text!r}; it must be AE_TITLE@host:port, ORTHANC@10.1.2.3:4242 for example"
        )
    return Archive(
        name=found["name"] or found["title"],
        ae_title=found["title"],
        host=found["host"],
        port=int(found["port"]),
        not_judged=not_judged,
    )


def settings_of(values: Values, archives: Sequence[Archive]) -> str:
    """
    Write the settings with the values of a site.

    Raises:
        ConfigError: there is no such key.
    """
    text = _with_values(TEMPLATE.read_text("utf-8"), values)
    return text.rstrip() + "\n" + "".join(_table_of(archive) for archive in archives)


def write_settings(text: str, file: Path, *, replace: bool = False) -> Config:
    """
    Write *text* to *file*, if it can be used; nothing is written otherwise.

    Raises:
        ConfigError: it cannot be used, or the file is there already and *replace* is false.
    """
    if file.exists() and not replace:
        raise ConfigError(f"{file} is there already; name another one with --out, or use --replace")
    try:
        with NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.absolute().parent, prefix=".config-", suffix=".toml", delete=False
        ) as new:
            new.write(text)
        Path(new.name).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o644)  # it has no secret
        try:
            config = load(Path(new.name))
            os.replace(new.name, file)
        finally:
            Path(new.name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written ({error.strerror}); name another one with --out"
        ) from error
    return config


def _with_values(template: str, values: Values) -> str:
    """Replace the values of keys; comments and all other lines stay."""
    left, section, lines = dict(values), "", list[str]()
    for line in template.splitlines():
        if named := _SECTION.match(line):
            section = named[1]
        elif (key := _KEY.match(line)) and (section, key[1]) in left:
            line = f"{key[1]} = {json.dumps(left.pop((section, key[1])), ensure_ascii=False)}"
        lines.append(line)
    if left:
        raise ConfigError(f"config.toml has no {', '.join(f'[{part}] {key}' for part, key in left)}")
    return "\n".join(lines)


def _table_of(archive: Archive) -> str:
    """Write [[destination]]; what it may have besides stands in the comments above it."""
    keys = {
        "name": archive.name,
        "ae_title": archive.ae_title,
        "host": archive.host,
        "port": archive.port,
        "not_judged": archive.not_judged,
    }
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
    return "\n".join(["", "[[destination]]", *lines, ""])
