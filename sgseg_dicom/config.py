"""config.toml -> validated settings. A missing, unknown or impossible key stops the start."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from sgseg_dicom.errors import ConfigError
from sgseg_dicom.forms import Kind, Segmentation, SrClass, Wanted

PACKAGED_WEIGHTS = "packaged"

_INTERNAL = {"free_ports": True}
"""Validation context of settings that did not come from a file: port 0 is any free port."""


def _ae_title(value: str) -> str:
    title = value.strip(" ")
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", title):
        raise ValueError
    return title


def _port(value: int, info: ValidationInfo) -> int:
    if value == 0 and not (info.context or {}).get("free_ports"):
        raise ValueError
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[\w.:-]+", value):
        raise ValueError
    return value


def _base_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
        raise ValueError
    if "@" in url.netloc or url.query or url.fragment or not re.fullmatch(r"[!-~]+", value):
        raise ValueError
    return value.rstrip("/")


def _number(minimum: float, maximum: float) -> Any:
    return Field(ge=minimum, le=maximum, description=f"lie between {minimum:g} and {maximum:g}")


# Each description ends the sentence "<key> is <value>; it must ...".
AETitle = Annotated[
    str,
    AfterValidator(_ae_title),
    Field(description="be 1 to 16 ASCII characters, not all spaces, without backslash (PS3.5 6.2, AE)"),
]
Host = Annotated[str, AfterValidator(_host), Field(description="be a host name or an IP address")]
Port = Annotated[int, AfterValidator(_port), Field(ge=0, le=65535, description="lie between 1 and 65535")]
BaseUrl = Annotated[
    str,
    AfterValidator(_base_url),
    Field(description="be an http or https address of a DICOMweb service, without user, password, ? and #"),
]
_PROTOCOL = Field(description='be "dimse" or "dicomweb"')
_FILE = Field(default=None, strict=False, description="be a file's name")
Seconds = Annotated[float, _number(0.01, 86400)]
Count = Annotated[int, _number(1, 1000)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Receive(_Section):
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


class Store(_Section):
    """[store]: images, results and the queue on disk."""

    folder: Path = Field(default=Path("sgseg-store"), strict=False, description="be a folder's name")
    min_free_megabytes: Annotated[int, _number(0, 1e9)] = 1024
    keep_days: Annotated[int, _number(0, 36500)] = 30


class Queue(_Section):
    """[queue]: how the worker takes images."""

    jobs_at_once: Annotated[int, _number(1, 256)] = 8
    polling_seconds: Annotated[float, _number(0.005, 60)] = 0.05
    attempts: Count = 4
    retry_seconds: Seconds = 2.0
    max_restarts: Count = 5


class Model(_Section):
    """[model]: what judges the images, and where it runs."""

    weights: str = Field(
        default=PACKAGED_WEIGHTS, description=f'be "{PACKAGED_WEIGHTS}" or the name of a folder with weights'
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description='be "auto", "cpu" or "cuda"')


class Page(_Section):
    """[page]: the status page."""

    host: Host = "127.0.0.1"
    port: Port = 11180


class Deliver(_Section):
    """[deliver]: patience with the destinations."""

    attempts: Count = 50
    backoff_seconds: Seconds = 5.0
    backoff_limit_seconds: Seconds = 600.0
    connect_seconds: Seconds = 5.0
    answer_seconds: Seconds = 30.0


class Log(_Section):
    """[log]: what is written down."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description='be "debug", "info", "warning" or "error"'
    )


_Kind = Annotated[Kind, Field(strict=False)]


def _each_once(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    if not kinds or len(set(kinds)) < len(kinds):
        raise ValueError
    return kinds


class _Recipient(_Section):
    """What every [[destination]] has, however results travel to it."""

    name: Annotated[
        str,
        Field(pattern=r"^[\w .-]{1,64}$", description="be 1 to 64 letters, digits, spaces, dots or dashes"),
    ]
    results: Annotated[tuple[_Kind, ...], AfterValidator(_each_once)] = Field(
        default=Wanted().results,
        strict=False,
        description=f"be a list of one or more of {[kind.value for kind in Kind]}, each once",
    )
    segmentation: Segmentation = Field(default="auto", description='be "auto", "binary" or "fractional"')
    sr_class: SrClass = Field(
        default="comprehensive-3d", description='be "comprehensive-3d" or "comprehensive"'
    )
    not_judged: bool = Field(default=False, description="be true or false")

    @property
    def wanted(self) -> Wanted:
        """What it gets of an image."""
        return Wanted(
            results=self.results,
            segmentation=self.segmentation,
            sr_class=self.sr_class,
            not_judged=self.not_judged,
        )


class Destination(_Recipient):
    """[[destination]] with protocol "dimse": a peer that takes results by C-STORE."""

    protocol: Annotated[Literal["dimse"], _PROTOCOL] = "dimse"
    ae_title: AETitle
    host: Host
    port: Port

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return f"{self.ae_title} at {self.host}:{self.port}"


class WebDestination(_Recipient):
    """[[destination]] with protocol "dicomweb": a service that takes results by STOW-RS."""

    protocol: Annotated[Literal["dicomweb"], _PROTOCOL]
    url: BaseUrl
    username: Annotated[str, Field(pattern=r"^[^:\x00-\x1f]+$")] | None = Field(
        default=None, description="be a user's name without colon (RFC 7617)"
    )
    password_file: Path | None = _FILE
    token_file: Path | None = _FILE
    ca_file: Path | None = _FILE

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return self.url

    @model_validator(mode="after")
    def _one_secret_under_tls(self) -> "WebDestination":
        if (self.username is None) != (self.password_file is None):
            raise _conflict("one of username and password_file; set both, or neither")
        if self.username and self.token_file:
            raise _conflict("both username and token_file; take out one of them")
        if self.url.startswith("https:"):
            return self
        if self.ca_file:
            raise _conflict("a ca_file, and a url without TLS; make it https, or take out ca_file")
        if (self.username or self.token_file) and urlsplit(self.url).hostname not in _THIS_MACHINE:
            raise _conflict(
                "a secret, and a url without TLS that would show it to the network; make it https"
            )
        return self


_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_DESTINATIONS: dict[str, type[Destination | WebDestination]] = {
    "dimse": Destination,
    "dicomweb": WebDestination,
}


def _conflict(what: str) -> PydanticCustomError:
    """Keys that are each right and do not go together; the message ends "[[destination]] number 1 has ..."."""
    return PydanticCustomError("conflict", "{what}", {"what": what})


def _protocol(value: Any) -> str:
    """Tell the kinds of destination apart; what is neither is complained of as the usual one."""
    protocol = value.get("protocol") if isinstance(value, dict) else getattr(value, "protocol", None)
    return "dicomweb" if protocol == "dicomweb" else "dimse"


AnyDestination = Annotated[
    Annotated[Destination, Tag("dimse")] | Annotated[WebDestination, Tag("dicomweb")],
    Discriminator(_protocol),
]


def _names_differ(destinations: tuple[AnyDestination, ...]) -> tuple[AnyDestination, ...]:
    names = [destination.name for destination in destinations]
    if len(set(names)) < len(names):
        raise ValueError
    return destinations


class Config(_Section):
    """All settings; the defaults are those of config.toml."""

    receive: Receive = Receive()
    store: Store = Store()
    queue: Queue = Queue()
    model: Model = Model()
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
    peers = tuple(_anchored_files(peer, folder) for peer in config.destination)
    return config.model_copy(update={"store": store, "model": model, "destination": peers})


def _anchored_files(peer: AnyDestination, folder: Path) -> AnyDestination:
    if isinstance(peer, Destination):
        return peer
    files = {key: getattr(peer, key) for key in ("password_file", "token_file", "ca_file")}
    return peer.model_copy(update={key: folder / file for key, file in files.items() if file})


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
        if set(keys) <= set(_DESTINATIONS[other].model_fields):
            return f'keys {keys} of protocol "{other}"; set protocol = "{other}", or take them out'
    kind = "keys" if where else "sections"
    return f"unknown {kind} {keys}; known: {sorted(_fields(where))}"


def _shown(value: object) -> str:
    """Quote a wrong value, but never the password of an address."""
    return re.sub(r"//.*@", "//...@", repr(value))


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
        return _DESTINATIONS[str(where[2])].model_fields
    return sections[str(where[0])].annotation.model_fields  # type: ignore[union-attr]


def _rule(loc: tuple[int | str, ...]) -> str:
    """Say what would be right at *loc*."""
    where, keys = (loc[:3], loc[3:]) if loc[0] == "destination" else (loc[:1], loc[1:])
    field = _fields(where)[str(keys[0])] if keys else Config.model_fields[str(loc[0])]
    return field.description or "be a table"
