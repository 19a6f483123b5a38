"""config.toml -> validated settings. A missing, unknown or impossible key stops the start."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from sgseg_dicom.destinations import (
    DESTINATIONS,
    AETitle,
    Host,
    OptionalFile,
    Port,
    conflict,
)
from sgseg_dicom.destinations import AnyDestination as AnyDestination
from sgseg_dicom.destinations import Destination as Destination
from sgseg_dicom.destinations import WebDestination as WebDestination
from sgseg_dicom.errors import ConfigError
from sgseg_dicom.picture_style import PictureStyle
from sgseg_dicom.senders import Sender as Sender
from sgseg_dicom.toml_table import Place, Section, problems
from sgseg_dicom.watching import Notify as Notify
from sgseg_dicom.watching import Trouble as Trouble
from sgseg_dicom.watching import Watch as Watch

PACKAGED_WEIGHTS = "packaged"

_ASCII = b"A^B=1\\2"
"""Text with the separators of DICOM: of names, components and values."""

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


def require_text_encoding(name: str) -> str:
    """
    Give *name* back if it is "" or one of Python's encodings that reads ASCII, as DICOM's separators are written.

    Raises:
        ValueError: it is none.
    """
    try:
        if name and _ASCII.decode(name) != _ASCII.decode("ascii"):
            raise ValueError(f"{name} is no superset of ASCII")
    except LookupError as error:
        raise ValueError(f"{name} is no text encoding of Python") from error
    return name


class Receive(Section):
    """[receive]: the listening side."""

    ae_title: AETitle = "SGSEG"
    host: Host = "127.0.0.1"
    port: Port = 11112
    calling_ae_titles: tuple[AETitle, ...] = Field(
        default=(), strict=False, description="be a list of AE titles, 1 to 16 ASCII characters each"
    )
    check_called_ae_title: bool = Field(default=True, description="be true or false")
    max_associations: Count = 32
    max_associations_per_address: Count = 24
    max_pdu_bytes: Annotated[int, _number(4096, 16777216)] = 1048576
    opening_seconds: Seconds = 5.0
    max_silent_connections: Count = 16
    pdu_seconds: Seconds = 10.0
    idle_seconds: Seconds = 60.0
    answer_seconds: Seconds = 10.0
    certificate_file: OptionalFile = None
    key_file: OptionalFile = None
    client_ca_file: OptionalFile = None
    max_object_megabytes: Annotated[int, _number(1, 1e6)] = 1024
    undeclared_character_set: Annotated[str, AfterValidator(require_text_encoding)] = Field(
        default="", description='be "" or one of Python\'s text encodings, "gb18030" or "cp1251" for example'
    )

    @model_validator(mode="after")
    def _tls_has_a_certificate(self) -> "Receive":
        if self.certificate_file is None and (self.key_file or self.client_ca_file):
            raise conflict("key_file or client_ca_file without certificate_file; set it, or take them out")
        return self

    def anchored(self, folder: Path) -> "Receive":
        """Make the names of files relative to *folder*."""
        files = {key: getattr(self, key) for key in ("certificate_file", "key_file", "client_ca_file")}
        return self.model_copy(update={key: folder / file for key, file in files.items() if file})


class Store(Section):
    """[store]: images, results and the queue on disk."""

    folder: Annotated[Path, AfterValidator(_own_folder)] = Field(
        default=Path("sgseg-store"), strict=False, description="be a folder's name, of its own and without ~"
    )
    min_free_megabytes: Annotated[int, _number(0, 1e9)] = 1024
    keep_days: Annotated[int, _number(0, 36500)] = 30
    keep_measurements_days: Annotated[int, _number(0, 36500)] = 365
    make_room_below_megabytes: Annotated[int, _number(0, 1e9)] = 0

    @property
    def room_bytes(self) -> int:
        """Below so much free space, delivered jobs are deleted; 0: never. Else images would be refused before."""
        wanted = self.make_room_below_megabytes
        return max(wanted, self.min_free_megabytes) << 20 if wanted else 0


class Queue(Section):
    """[queue]: how the worker takes images."""

    jobs_at_once: Annotated[int, _number(1, 256)] = 8
    polling_seconds: Annotated[float, _number(0.005, 60)] = 1.0
    attempts: Count = 4
    retry_seconds: Seconds = 2.0
    priority_places: Annotated[int, _number(0, 1e6)] = 100
    max_restarts: Count = 3
    processes: Annotated[int, _number(1, 64)] = 2
    image_seconds: Seconds = 60.0
    inference_seconds: Seconds = 15.0
    memory_megabytes: Annotated[int, _number(64, 1e6)] = 1024
    max_megapixels: Annotated[int, _number(1, 100)] = 64


class Model(Section):
    """[model]: what judges the images, and where it runs."""

    weights: str = Field(
        default=PACKAGED_WEIGHTS, description=f'be "{PACKAGED_WEIGHTS}" or the name of a folder with weights'
    )
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$")] = Field(
        default="auto", description='be "auto", "cpu", "cuda" or one GPU, "cuda:0" for example'
    )
    runtime: Literal["auto", "openvino", "torch"] = Field(
        default="auto", description='be "auto", "openvino" or "torch"'
    )
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto", description='be "auto", "float32", "float16" or "bfloat16"'
    )
    threads: Annotated[int, _number(0, 1024)] = 0
    compiled_folder: str = Field(default="", description="be the name of a folder")
    image_check: bool = Field(default=True, description="be true or false")


class Report(Section):
    """[report]: the language of what readers see, how pictures mark regions, and what is said of earlier films."""

    language: str = Field(
        default="en", description='be "en", "es", "de" or the name of a language file ending ".toml"'
    )
    plain_ascii: bool = Field(default=False, description="be true or false")
    picture_style: PictureStyle = Field(default="outline", description='be "outline" or "fill"')
    compare: bool = Field(default=True, description="be true or false")


class Page(Section):
    """[page]: the status page."""

    host: Host = "127.0.0.1"
    port: Port = 11180
    names: tuple[Host, ...] = Field(
        default=(), strict=False, description="be a list of this machine's names, as browsers ask for it"
    )


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


class Audit(Section):
    """[audit]: the trail of who sent what, and what became of it."""

    enabled: bool = Field(default=True, description="be true or false")
    keep_days: Annotated[int, _number(183, 36500)] = 190


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Entry = TypeVar("_Entry", bound=_Named)


def _names_differ(entries: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError
    return entries


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
    audit: Audit = Audit()
    watch: Watch = Watch()
    notify: Notify = Notify()
    sender: Annotated[tuple[Sender, ...], AfterValidator(_names_differ)] = Field(
        default=(), strict=False, description="be tables, each with a name of its own"
    )
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
        lines = problems(error.errors(), fields=_fields, rule=_rule, hint=_hint)
        raise ConfigError("\n".join(lines)) from error


def _anchored(config: Config, folder: Path) -> Config:
    """Make relative folders relative to *folder*."""
    store = config.store.model_copy(update={"folder": folder / config.store.folder})
    model = config.model
    if model.weights != PACKAGED_WEIGHTS:
        model = model.model_copy(update={"weights": str(folder / model.weights)})
    if model.compiled_folder:
        model = model.model_copy(update={"compiled_folder": str(folder / model.compiled_folder)})
    report = config.report
    if report.language.endswith(".toml"):
        report = report.model_copy(update={"language": str(folder / report.language)})
    peers = tuple(peer.anchored(folder) for peer in config.destination)
    changed = {
        "receive": config.receive.anchored(folder),
        "store": store,
        "model": model,
        "report": report,
        "notify": config.notify.anchored(folder),
        "destination": peers,
    }
    return config.model_copy(update=changed)


def _hint(place: Place, keys: list[str]) -> str:
    """Name the other protocol of a destination that has all of the unknown *keys*; "" where there is none."""
    if place[:1] != ("destination",):
        return ""
    for protocol, other in DESTINATIONS.items():
        if protocol != place[2] and set(keys) <= set(other.model_fields):
            return f'keys {keys} of protocol "{protocol}"; set protocol = "{protocol}", or take them out'
    return ""


def _fields(place: Place) -> Mapping[str, FieldInfo]:
    """Give the known keys of a table."""
    sections = Config.model_fields
    if not place:
        return sections
    if place[0] == "destination":
        return DESTINATIONS[str(place[2])].model_fields
    if place[0] == "sender":
        return Sender.model_fields
    table: Any = sections[str(place[0])].annotation
    fields: Mapping[str, FieldInfo] = table.model_fields
    return fields


def _rule(place: Place) -> str:
    """Describe what would be right at *place*."""
    depth = {"destination": 3, "sender": 2}.get(str(place[0]), 1)
    table, keys = place[:depth], place[depth:]
    field = _fields(table)[str(keys[0])] if keys else Config.model_fields[str(place[0])]
    return field.description or "be a table"
