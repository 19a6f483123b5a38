"""config.toml -> validated settings. A missing, unknown or impossible key stops the start."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from sgseg_dicom.destinations import (
    DESTINATIONS,
    AETitle,
    Host,
    Port,
    anchored,
)
from sgseg_dicom.destinations import AnyDestination as AnyDestination
from sgseg_dicom.destinations import Destination as Destination
from sgseg_dicom.destinations import WebDestination as WebDestination
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.reading.character_sets import require_text_encoding
from sgseg_dicom.toml_table import Section

PACKAGED_WEIGHTS = "packaged"

_INTERNAL = {"free_ports": True}
"""Validation context of settings that did not come from a file: port 0 is any free port."""


def _number(minimum: float, maximum: float) -> Any:
    return Field(ge=minimum, le=maximum, description=f"lie between {minimum:g} and {maximum:.9g}")


Seconds = Annotated[float, _number(0.01, 86400)]
Count = Annotated[int, _number(1, 1000)]


def _own_folder(folder: Path) -> Path:
    """The settings' own folder would be filled with ours; ~ is a shell's, and would be a folder of this name."""
    if folder == Path() or folder.parts[0].startswith("~"):
        raise ValueError
    return folder


class Receive(Section):
    """[receive]: the listening side."""

    ae_title: AETitle = "SGSEG"
    host: Host = "127.0.0.1"
    port: Port = 11112
    calling_ae_titles: tuple[AETitle, ...] = Field(
        default=(), strict=False, description="be a list of AE titles, 1 to 16 ASCII characters each"
    )
    max_associations: Count = 32
    max_pdu_bytes: Annotated[int, _number(4096, 16777216)] = 1048576
    opening_seconds: Seconds = 5.0
    max_silent_connections: Count = 16
    idle_seconds: Seconds = 60.0
    undeclared_character_set: Annotated[str, AfterValidator(require_text_encoding)] = Field(
        default="", description='be "" or one of Python\'s text encodings, "gb18030" or "cp1251" for example'
    )


class Store(Section):
    """[store]: images, results and the queue on disk."""

    folder: Annotated[Path, AfterValidator(_own_folder)] = Field(
        default=Path("sgseg-store"), strict=False, description="be a folder's name, of its own and without ~"
    )
    min_free_megabytes: Annotated[int, _number(0, 1e9)] = 1024
    keep_days: Annotated[int, _number(0, 36500)] = 30


class Queue(Section):
    """[queue]: how the worker takes images."""

    jobs_at_once: Annotated[int, _number(1, 256)] = 8
    polling_seconds: Annotated[float, _number(0.005, 60)] = 0.05
    attempts: Count = 4
    retry_seconds: Seconds = 2.0
    max_restarts: Count = 5


class Model(Section):
    """[model]: what judges the images, and where it runs."""

    weights: str = Field(
        default=PACKAGED_WEIGHTS, description=f'be "{PACKAGED_WEIGHTS}" or the name of a folder with weights'
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description='be "auto", "cpu" or "cuda"')
    image_check: bool = Field(default=True, description="be true or false")


class Report(Section):
    """[report]: the language of what readers see."""

    language: str = Field(
        default="en", description='be "en", "es", "de" or the name of a language file ending ".toml"'
    )
    plain_ascii: bool = Field(default=False, description="be true or false")


class Page(Section):
    """[page]: the status page."""

    host: Host = "127.0.0.1"
    port: Port = 11180


class Deliver(Section):
    """[deliver]: patience with the destinations."""

    attempts: Count = 50
    backoff_seconds: Seconds = 5.0
    backoff_limit_seconds: Seconds = 600.0
    connect_seconds: Seconds = 5.0
    answer_seconds: Seconds = 30.0


class Log(Section):
    """[log]: what is written down."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description='be "debug", "info", "warning" or "error"'
    )


def _names_differ(destinations: tuple[AnyDestination, ...]) -> tuple[AnyDestination, ...]:
    names = [destination.name for destination in destinations]
    if len(set(names)) < len(names):
        raise ValueError
    return destinations


class Config(Section):
    """All settings; the defaults are those of config.toml."""

    receive: Receive = Receive()
    store: Store = Store()
    queue: Queue = Queue()
    model: Model = Model()
    report: Report = Report()
    page: Page = Page()
    deliver: Deliver = Deliver()
    log: Log = Log()
    destination: Annotated[tuple[AnyDestination, ...], AfterValidator(_names_differ)] = Field(
        default=(), strict=False, description="be tables, each with a name of its own"
    )

    @property
    def weights_folder(self) -> Path | None:
        """The folder with manifest and weights; None for those that come with the software."""
        return None if self.model.weights == PACKAGED_WEIGHTS else Path(self.model.weights)

    def to_json(self) -> str:
        """Write down for another process of ours."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Read what `to_json` wrote; port 0 is any free port."""
        return cls.model_validate_json(text, context=_INTERNAL)

    @classmethod
    def internal(cls, **sections: Mapping[str, Any] | list[Mapping[str, Any]]) -> "Config":
        """Build without a file, for the demo and the tests; port 0 is any free port."""
        return cls.model_validate(sections, context=_INTERNAL)


def load(path: Path | None) -> Config:
    """
    Read *path*; None gives the defaults. Relative folders are relative to the file.

    Raises:
        ConfigError: one line for each problem, all of them at once.
    """
    if path is None:
        return Config()
    try:
        return _anchored(
            Config.model_validate(tomllib.loads(path.read_text("utf-8"))), path.absolute().parent
        )
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); give the file with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}; see https://toml.io") from error
    except ValidationError as error:
        raise ConfigError("\n".join(_problems(error.errors()))) from error


def _anchored(config: Config, folder: Path) -> Config:
    """Make relative folders relative to *folder*."""
    store = config.store.model_copy(update={"folder": folder / config.store.folder})
    model = config.model
    if model.weights != PACKAGED_WEIGHTS:
        model = model.model_copy(update={"weights": str(folder / model.weights)})
    report = config.report
    if report.language.endswith(".toml"):
        report = report.model_copy(update={"language": str(folder / report.language)})
    peers = tuple(anchored(peer, folder) for peer in config.destination)
    return config.model_copy(update={"store": store, "model": model, "report": report, "destination": peers})


def _problems(errors: list[ErrorDetails]) -> Iterator[str]:
    """Say each problem in one line; unknown keys of one section in one line together."""
    unknown: dict[tuple[int | str, ...], list[str]] = defaultdict(list)
    for error in errors:
        loc = error["loc"]
        while len(loc) > 2 and isinstance(loc[-1], int):  # an item of a list: its key is to blame
            loc = loc[:-1]
        where, key = loc[:-1], str(loc[-1])
        if error["type"] == "extra_forbidden":
            unknown[where].append(key)
        elif error["type"] == "conflict":
            yield f"{_heading(loc)} has {error['msg']}"
        elif error["type"] == "missing":
            yield f"{_heading(where)} has no {key}; it must {_rule(loc)}"
        elif where:
            yield f"{_heading(where)} {key} is {_shown(error['input'])}; it must {_rule(loc)}"
        else:
            yield f"{_heading(loc)} must {_rule(loc)}"
    for where, keys in unknown.items():
        yield f"{_heading(where)} has {_unknown(where, keys)}"


def _unknown(where: tuple[int | str, ...], keys: list[str]) -> str:
    """Say what is wrong with *keys*, and which would be right."""
    if where[:1] == ("destination",):
        other = "dimse" if where[2] == "dicomweb" else "dicomweb"
        if set(keys) <= set(DESTINATIONS[other].model_fields):
            return f'keys {keys} of protocol "{other}"; set protocol = "{other}", or take them out'
    kind = "keys" if where else "sections"
    return f"unknown {kind} {keys}; known: {sorted(_fields(where))}"


def _shown(value: object) -> str:
    """Quote a wrong value, but never the password of an address."""
    return re.sub(r"[^'\"]*@", "...@", repr(value))


def _heading(where: tuple[int | str, ...]) -> str:
    """Name a place as the file does: "[receive]", "[[destination]] number 2"."""
    match where:
        case ():
            return "the file"
        case ("destination", int(index), *_):
            return f"[[destination]] number {index + 1}"
        case ("destination",):
            return "[[destination]]"
        case _:
            return f"[{where[0]}]"


def _fields(where: tuple[int | str, ...]) -> Mapping[str, Any]:
    """Give the known keys of a place."""
    sections = Config.model_fields
    if not where:
        return sections
    if where[0] == "destination":
        return DESTINATIONS[str(where[2])].model_fields
    section: Any = sections[str(where[0])].annotation
    fields: Mapping[str, Any] = section.model_fields
    return fields


def _rule(loc: tuple[int | str, ...]) -> str:
    """Say what would be right at *loc*."""
    where, keys = (loc[:3], loc[3:]) if loc[0] == "destination" else (loc[:1], loc[1:])
    field = _fields(where)[str(keys[0])] if keys else Config.model_fields[str(loc[0])]
    return field.description or "be a table"
