"""Peers whose associations and commands are odd in what says nothing of the image: they are let in, and answered."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import generate_uid
from structlog.testing import capture_logs

from node.association_requests import tidied
from node.jobs import Entry, Job
from node.receive import scp
from node.receive.listener import Listener, listen
from node.store.store import Store
from sgseg_dicom.config import Receive
from tests.node.raw_peer import (
    CONTEXTS,
    DX,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    connected,
    echo_message,
    elements_of,
    item,
    p_data,
    play,
    read_pdu,
    request,
    store_command,
    store_message,
    ui,
)
from tests.support.builders import chest_radiograph, synthetic_chest

GOOD = ["accepted", "0x0000", "released"]


class Notebook:
    """Stands where the queue stands and remembers the jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def enqueue(self, job: Job) -> bool:
        is_new = self.get(job.id) is None
        self.jobs.append(job)
        return is_new

    def get(self, job_id: str) -> Entry | None:
        return next((Entry(job=job, state="waiting") for job in self.jobs if job.id == job_id), None)

    def again(self, job: Job) -> None:
        raise NotImplementedError


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def port(tmp_path: Path, notebook: Notebook) -> Iterator[int]:
    """Give the port of a receiver that takes any AE title."""
    listener = _listening(tmp_path, notebook)
    yield listener.port
    listener.stop(patience_seconds=0)


def _listening(folder: Path, notebook: Notebook, **settings: object) -> Listener:
    store = Store(folder / "store")
    store.prepare()
    given = {"port": 0, "idle_seconds": 8.0, "check_called_ae_title": False, **settings}
    return listen(
        Receive.model_validate(given, context={"free_ports": True}),
        contexts=scp.contexts(),
        handlers=scp.handlers(store, notebook),
        spool=store.incoming,
    )


def image() -> tuple[str, bytes]:
    """Give the SOP Instance UID and the data set, Explicit VR Little Endian, of a new image."""
    ds = chest_radiograph(pixels=synthetic_chest((96, 80)), SOPInstanceUID=generate_uid())
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = True, False
    write_dataset(encoded, ds)
    return str(ds.SOPInstanceUID), encoded.getvalue()


ODD_REQUESTS = {
    "an unknown user information sub-item": request(user={0x5A: b"abcdef"}),
    "an unknown one without a value": request(user={0x60: b""}),
    "an unknown item": request(items=item(0x77, b"anything")),
    "an unknown sub-item of a context": request(in_context=item(0x41, b"anything")),
    "a long implementation version name": request(user={0x55: b"A NAME OF MORE THAN SIXTEEN"}),
    "an implementation version name in Latin-1": request(user={0x55: "RÖNTGEN".encode("latin-1")}),
    "an empty implementation version name": request(user={0x55: b""}),
    "an implementation version name of NULs": request(user={0x55: bytes(16)}),
    "no implementation version name": request(user={0x55: None}),
    "an implementation class UID that is none": request(user={0x52: b"1." + b"2" * 80}),
    "an implementation class UID with NULs": request(user={0x52: b"1.2.3\0\0"}),
    "no implementation class UID": request(user={0x52: None}),
    "no maximum length": request(user={0x51: None}),
    "a maximum length of two bytes": request(user={0x51: b"\x40\0"}),
    "a maximum length of one byte": request(user={0x51: struct.pack(">L", 1)}),
    "a malformed role selection": request(user={0x54: b"\0\x40abc"}),
    "malformed asynchronous operations": request(user={0x53: b"\0"}),
    "a malformed user identity": request(user={0x58: b"\1\1\0\xff"}),
    "a user identity": request(user={0x58: b"\1\1" + b"\0\4USER" + b"\0\0"}),
    "a malformed extended negotiation": request(user={0x56: b"\0\x40abc", 0x57: b"\0\x40abc"}),
    "protocol versions beside the first": request(version=3),
    "all protocol versions": request(version=0xFFFF),
    "titles padded with NUL": request(called=b"SGSEG".ljust(16, b"\0"), calling=b"EFILM".ljust(16, b"\0")),
    "titles with a rest behind the NUL": request(calling=b"EFILM\0" + bytes(range(0xF0, 0xFA))),
    "a title in Latin-1": request(called="RÖNTGEN".encode("latin-1").ljust(16)),
    "an empty called title": request(called=b" " * 16),
    "an empty calling title": request(calling=bytes(16)),
    "UIDs padded with NUL": request({1: (VERIFICATION + "\0", [IMPLICIT + "\0\0"])}),
    "UIDs padded with blanks": request({1: (VERIFICATION + " ", [IMPLICIT + " "])}),
    "a context with a UID of 65 characters": request({**CONTEXTS, 5: ("1." + "2" * 63, [IMPLICIT])}),
    "a context without an abstract syntax": request({**CONTEXTS, 5: ("", [IMPLICIT])}),
    "a context without a transfer syntax": request({**CONTEXTS, 5: (DX, [])}),
    "a transfer syntax that is no UID": request({1: (VERIFICATION, ["1." + "2" * 70, IMPLICIT])}),
    "a context with an even number": request({**CONTEXTS, 4: (DX, [EXPLICIT])}),
    "padding at the end": request()[:2]
    + struct.pack(">L", len(request()) - 6 + 4)
    + request()[6:]
    + bytes(4),
}


@pytest.mark.parametrize("asked", ODD_REQUESTS.values(), ids=ODD_REQUESTS)
def test_what_says_nothing_of_the_images_is_no_reason_to_abort(port: int, asked: bytes) -> None:
    """The association is accepted and a C-ECHO answered (PS3.8 9.3.1, D.2: what is not known is ignored)."""
    assert play(port, asked, echo_message(), answers=1) == GOOD


@pytest.mark.parametrize("asked", list(ODD_REQUESTS.values())[:6], ids=list(ODD_REQUESTS)[:6])
def test_an_image_is_taken_over_an_odd_association(port: int, asked: bytes, notebook: Notebook) -> None:
    """What a C-ECHO promises holds for an image."""
    uid, data = image()

    assert play(port, asked, store_message(uid, data), answers=1) == GOOD
    assert [uid] == [job.sop_instance_uid for job in notebook.jobs]


def test_a_padded_title_is_the_title(tmp_path: Path, notebook: Notebook) -> None:
    """A sender that is let in by name is let in with NULs behind it, and one that is not is rejected."""
    listener = _listening(tmp_path, notebook, calling_ae_titles=["EFILM"])
    known, strange = (request(calling=title.ljust(16, b"\0")) for title in (b"EFILM", b"OTHER"))

    answers = [play(listener.port, asked, echo_message(), answers=1) for asked in (known, strange)]
    listener.stop(patience_seconds=0)

    assert answers == [GOOD, ["rejected"]]


@pytest.mark.parametrize(
    "asked",
    [
        request(version=2),
        request()[:-4] + b"\xffRAW",  # the last item is longer than what it stands in
        request()[:2] + struct.pack(">L", 80) + request()[6:86],
    ],
    ids=["another protocol version", "wrong lengths", "cut off"],
)
def test_who_is_turned_away_is_named(port: int, asked: bytes) -> None:
    """One warning has the sender's title and address, and the cause."""
    with capture_logs() as lines:
        answer = play(port, asked)

    warnings = [line for line in lines if line["log_level"] == "warning"]
    assert answer in (["aborted"], ["rejected"], ["closed"])
    assert [(line["peer"], line["address"]) for line in warnings] == [("ODD", "127.0.0.1")]
    assert "association request" in warnings[0]["detail"]


def test_a_request_that_is_in_order_is_not_changed() -> None:
    """What pynetdicom reads of an ordinary request is what its sender wrote."""
    assert tidied(request()) == request()


ODD_COMMANDS = {
    "a UID of 65 characters": {0x1000: b"1.2." + b"3" * 61 + b"\0"},
    "a UID with letters": {0x1000: b"1.2.ABC\0"},
    "an empty UID": {0x1000: b""},
    "no UID": {0x1000: None},
    "two UIDs": {0x1000: b"1.2.3\\1.2.4\0"},
    "a UID that is no ASCII": {0x1000: b"1.2.\xff\xfe"},
    "a class UID of 65 characters": {0x0002: b"1.2." + b"3" * 61 + b"\0"},
    "no class": {0x0002: None},
    "an unknown class": {0x0002: ui("1.2.3.4")},
    "no data set": {0x0800: struct.pack("<H", 0x0101)},
}


@pytest.mark.parametrize("changes", ODD_COMMANDS.values(), ids=ODD_COMMANDS)
def test_a_command_that_names_no_image_is_answered_and_the_next_goes_through(
    port: int, changes: dict[int, bytes | None], notebook: Notebook
) -> None:
    """C000, as the conformance statement says; the association and the images behind it live on."""
    images = [image() for _ in range(3)]
    messages = [
        message
        for number, (uid, data) in enumerate(images, start=1)
        for message in store_message(uid, data, changes if number == 2 else {}, message=number)
    ]
    if changes.get(0x0800):
        del messages[3]

    answers = play(port, request(), messages, answers=3)

    assert answers == ["accepted", "0x0000", "0xC000", "0x0000", "released"]
    assert [images[0][0], images[2][0]] == [job.sop_instance_uid for job in notebook.jobs]


HARMLESS = {
    "no priority": {0x0700: None},
    "a priority that is none": {0x0700: b"\7\0"},
    "an originator's title that is none": {0x1030: b"A TITLE THAT IS TOO LONG", 0x1031: b"\1\0"},
    "an originator's title with NULs": {0x1030: b"PACS".ljust(16, b"\0")},
    "an originator's title in Latin-1": {0x1030: "RÖNTGEN ".encode("latin-1")},
    "numbers of four bytes": {0x0110: b"\1\0\0\0", 0x0700: b"\0\0\0\0", 0x0800: b"\1\0\0\0"},
    "a data set type that is another number": {0x0800: b"\xfe\xff"},
    "no data set type": {0x0800: None},
    "an element of a maker": {0x5555: b"abcd"},
    "a length that is too much": {0x5555: None},
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS)
def test_what_nobody_asks_for_in_a_command_does_no_harm(
    port: int, changes: dict[int, bytes | None], notebook: Notebook
) -> None:
    """A command that names its image is answered for that image, whatever its other elements are."""
    uid, data = image()

    assert play(port, request(), store_message(uid, data, changes), answers=1) == GOOD
    assert [uid] == [job.sop_instance_uid for job in notebook.jobs]


@pytest.mark.parametrize("pad", [b" ", b"\0\0", b""], ids=["a blank", "two NULs", "nothing"])
def test_a_uid_counts_without_its_padding(port: int, pad: bytes, notebook: Notebook) -> None:
    """A blank, several NULs, or an odd length: the UID is what stands before."""
    _, data = image()
    changes: dict[int, bytes | None] = {0x1000: b"1.2.345" + pad}

    assert play(port, request(), store_message("", data, changes), answers=1) == GOOD
    assert [job.sop_instance_uid for job in notebook.jobs] == ["1.2.345"]


def test_a_command_in_pieces_is_one(port: int, notebook: Notebook) -> None:
    """A command set may come in any number of fragments (PS3.8 E.2)."""
    uid, data = image()
    whole = store_command(uid, {})
    messages = [
        *(p_data(3, whole[at : at + 7], is_command=True, last=False) for at in range(0, len(whole), 7)),
        p_data(3, b"", is_command=True),
        p_data(3, data[:1000], is_command=False, last=False),
        p_data(3, data[1000:], is_command=False),
    ]

    assert play(port, request(), messages, answers=1) == GOOD
    assert [uid] == [job.sop_instance_uid for job in notebook.jobs]


def test_the_answer_about_no_image_names_none(port: int) -> None:
    """A response repeats the UIDs of its request or none (PS3.7 table 9.1-1): never one that we made up."""
    uid, data = image()
    with connected(port) as connection:
        connection.sendall(request())
        read_pdu(connection)
        for message in store_message(uid, data, {0x1000: b""}, message=77):
            connection.sendall(message)
        _, body = read_pdu(connection)

    answer = elements_of(body)
    assert answer[0x0120] == struct.pack("<H", 77)
    assert 0x1000 not in answer
    assert answer.get(0x0002) in (None, ui(DX))


@pytest.mark.parametrize("changes", [{0x0002: None}, {0x0002: b""}, {0x0800: None}, {0x0110: None}], ids=str)
def test_an_echo_needs_no_more_than_its_field(port: int, changes: dict[int, bytes | None]) -> None:
    """A C-ECHO without class, message or data set type is answered."""
    assert play(port, request(), echo_message(changes), answers=1) == GOOD


def test_a_command_without_end_is_broken_off(port: int) -> None:
    """No command set fills the memory: the association is aborted, and the log says so."""
    with capture_logs() as lines:
        answers = play(port, request(), [p_data(3, bytes(8192), is_command=True, last=False)] * 9, answers=1)

    assert answers == ["accepted", "aborted"]
    assert any(line["event"] == "not_understood" and "too long" in line["detail"] for line in lines)


def test_a_command_on_a_context_that_was_not_accepted_is_broken_off(port: int) -> None:
    """PS3.8 knows no other answer; nobody waits."""
    uid, data = image()
    messages = [p_data(99, store_command(uid, {}), is_command=True), p_data(99, data, is_command=False)]

    assert play(port, request(), messages, answers=1) == ["accepted", "aborted"]


@pytest.mark.parametrize("changes", [{0x0100: b"\1\2"}, {0x0100: None}, {0x0100: b"\x20\0", 0x0800: None}])
def test_a_command_that_nobody_knows_ends_the_association_with_a_line(port, changes):
    """
    Its field is that of no command, or it does not say whether a data set follows: one bit of it was flipped.
    """
    with capture_logs() as logs:
        answers = play(
            port, request(), [p_data(3, store_command("1.2.3", changes), is_command=True)], answers=1
        )

    assert answers == ["accepted", "aborted"]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == []
    assert any("names no command" in str(line) for line in logs)
