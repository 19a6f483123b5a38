"""
A peer's C-STORE or C-ECHO command with what we answer by, so that no malformed element of it ends the association.

pynetdicom 3.0 aborts over a UID of more than 64 characters, a missing element, a priority that is none, or a
malformed title of who moved the image here; and it answers nothing where a UID is empty. Here the command set is
written anew before pynetdicom reads it; what names no image becomes `NO_UID`, which the handler of C-STORE answers
with C000.
"""

import re
import struct
from collections.abc import Callable, Collection
from typing import Any

from pynetdicom.dimse_messages import _MESSAGE_TYPES
from pynetdicom.pdu_primitives import P_DATA

from node.receive.data_sets import DataSets, ObjectLimits
from node.receive.places import Place

NO_UID = "none"
"""Stands for the SOP Instance UID of a C-STORE command that names no image."""

LARGEST_COMMAND = 1 << 16
"""Bytes; a C-STORE command has a few hundred."""

LARGEST_REPORT = 1 << 20
"""Bytes; a report of Storage Commitment has about 150 for each object."""

MOST_UNANSWERED = 64
"""Requests of one association whose answers it has not got; it may send one at a time (PS3.7 D.3.3.3)."""

_SOP_CLASS, _FIELD, _MESSAGE, _PRIORITY, _DATA_SET_TYPE, _INSTANCE, _ORIGINATOR_MESSAGE = (
    0x0002,
    0x0100,
    0x0110,
    0x0700,
    0x0800,
    0x1000,
    0x1031,
)
_C_STORE, _C_ECHO, _N_EVENT_REPORT = 0x0001, 0x0030, 0x0100
_DATA_SET, _NO_DATA_SET = 0x0001, 0x0101
_UID = re.compile(r"[0-9.]{1,64}")


def tidied(command: bytes, *, sop_class: str, known: Collection[str]) -> bytes:
    """
    Give a C-STORE-RQ or C-ECHO-RQ with all elements that it must have, each well-formed; other commands as they are.

    Args:
        command: a command set, Implicit VR Little Endian (PS3.7 6.3.1).
        sop_class: the abstract syntax of its presentation context.
        known: the SOP classes that images may have.
    """
    given = _elements(command)
    field = _number(given.get(_FIELD))
    if field not in (_C_STORE, _C_ECHO):
        return command
    named = _uid(given.get(_SOP_CLASS))
    is_known = named == sop_class or named in known
    made = {
        _SOP_CLASS: _padded(named if is_known else sop_class),
        _FIELD: struct.pack("<H", field),
        _MESSAGE: struct.pack("<H", _number(given.get(_MESSAGE)) or 0),
        _DATA_SET_TYPE: struct.pack("<H", _NO_DATA_SET),
    }
    if field == _C_STORE:
        stated = _number(given.get(_DATA_SET_TYPE))
        made[_DATA_SET_TYPE] = struct.pack("<H", _DATA_SET if stated is None else stated)
        made[_PRIORITY] = struct.pack("<H", 0)  # nothing here asks for it
        made[_INSTANCE] = _padded(_uid(given.get(_INSTANCE)) if is_known else "") or _padded(NO_UID)
    return _encoded(made)


def without_data_set(command: bytes) -> bytes:
    """Give a tidied C-STORE-RQ as if no data set came with it, marked as ours."""
    changed = {_DATA_SET_TYPE: struct.pack("<H", _NO_DATA_SET), _ORIGINATOR_MESSAGE: bytes(2)}
    return _encoded({**_elements(command), **changed})


class TidyCommands:
    """
    Stands between a pynetdicom association's network and its DIMSE service.

    Commands pass through `tidied`, and data sets through `node.receive.data_sets`.

    Args:
        association: of pynetdicom.
        place: what is known of the association here.
        known: the SOP classes that images may have.
        limits: of the data set of an image.
        on_refused: called with why the association is aborted.
    """

    def __init__(
        self,
        association: Any,
        place: Place,
        *,
        known: Collection[str],
        limits: ObjectLimits,
        on_refused: Callable[[str], None],
    ) -> None:
        self._association = association
        self._place = place
        self._awaits_data = False
        self._report_bytes = 0
        self._known = known
        self._on_refused = on_refused
        self._command = bytearray()
        self._data_sets = DataSets(association, limits, self._pass)
        self._receive, self._send = association.dimse.receive_primitive, association.dimse.send_msg
        association.dimse.receive_primitive, association.dimse.send_msg = self.receive, self.send

    def receive(self, primitive: Any) -> None:
        """Take a P-DATA primitive: fragments of commands are gathered, those of data sets go on at once."""
        for context_id, data in primitive.presentation_data_value_list:
            if data and not self._place.over:
                take = self._take_command if data[0] & 1 else self._take_data  # PS3.8 E.2
                take(context_id, data)
        if self._place.owed > MOST_UNANSWERED and not self._place.over:
            self._refuse("too many are sent without waiting for an answer (PS3.7 D.3.3.3)")

    def _take_data(self, context_id: int, data: bytes) -> None:
        if self._report_bytes:
            self._take_report(context_id, data)
        elif not self._awaits_data:  # pynetdicom would gather it in memory
            self._refuse("a data set comes without one that may have it")
        elif not self._data_sets.add(context_id, data):
            self._refuse("its data set is far longer than [receive] max_object_megabytes")
        elif data[0] & 2:
            self._note_request()

    def _take_report(self, context_id: int, data: bytes) -> None:
        """Pass on the data set of an N-EVENT-REPORT, which pynetdicom gathers in memory."""
        self._report_bytes += len(data)
        if self._report_bytes > LARGEST_REPORT:
            self._refuse("its report is too long")
            return
        self._pass(context_id, data)
        if data[0] & 2:
            self._report_bytes = 0
            self._note_request()

    def _take_command(self, context_id: int, data: bytes) -> None:
        self._command += data[1:]
        context = self._association._accepted_cx.get(context_id)
        if context is None:
            self._refuse("its presentation context was not accepted")
        elif len(self._command) > LARGEST_COMMAND:
            self._refuse("it is too long")
        elif data[0] & 2:
            whole = tidied(bytes(self._command), sop_class=str(context.abstract_syntax), known=self._known)
            self._command.clear()
            if not _is_known(whole):
                self._refuse("it names no command of PS3.7 E, or not whether a data set follows")
                return
            self._note_command(whole)
            if self._awaits_data:
                instead = b"\x03" + without_data_set(whole)
                self._data_sets.begin(context_id, b"\x03" + whole, instead=instead)
            else:
                self._pass(context_id, b"\x03" + whole)

    def _pass(self, context_id: int, data: bytes) -> None:
        """Pass one fragment on to pynetdicom, which looks no further in a primitive than to the end of a message."""
        primitive = P_DATA()
        primitive.presentation_data_value_list = [[context_id, data]]  # type: ignore[list-item]
        self._receive(primitive)

    def drop(self) -> None:
        """The association has ended: nothing stays of an object that was on its way."""
        self._place.over = True
        self._data_sets.drop()

    def send(self, primitive: Any, context_id: int) -> None:
        """Send a response; without UIDs where the request named no image: they are optional (PS3.7 9.1.1.1)."""
        if getattr(primitive, "AffectedSOPInstanceUID", None) == NO_UID:
            primitive.AffectedSOPInstanceUID = primitive.AffectedSOPClassUID = None
        self._place.owed = max(0, self._place.owed - 1)
        self._place.note_whole()
        self._send(primitive, context_id)

    def _note_command(self, command: bytes) -> None:
        """Note what a command says will follow: a data set, or our answer."""
        given = _elements(command)
        self._place.has_spoken = True
        field = _number(given.get(_FIELD))
        has_data = _number(given.get(_DATA_SET_TYPE)) != _NO_DATA_SET
        self._awaits_data = field == _C_STORE and has_data
        self._report_bytes = int(field == _N_EVENT_REPORT and has_data)
        if field in (_C_STORE, _C_ECHO) and not self._awaits_data:
            self._note_request()

    def _note_request(self) -> None:
        self._awaits_data = False
        self._place.owed += 1
        self._place.note_whole()

    def _refuse(self, why: str) -> None:
        self._command.clear()
        self._place.over = True  # what else it sends is not even read
        self._on_refused(f"a command cannot be answered: {why}")
        self._association.dul.event_queue.put("Evt19")  # an invalid PDU: pynetdicom aborts (PS3.8 table 9-10)


def _is_known(command: bytes) -> bool:
    """Whether pynetdicom can find out what a command is; it raises KeyError or AttributeError where it cannot."""
    given = _elements(command)
    return _number(given.get(_FIELD)) in _MESSAGE_TYPES and _number(given.get(_DATA_SET_TYPE)) is not None


def _elements(command: bytes) -> dict[int, bytes]:
    """Give the values of group 0000 by element number, up to where the lengths stop to fit."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 8 <= len(command):
        group, element, length = struct.unpack_from("<HHL", command, place)
        place += 8
        if place + length > len(command):
            break
        if group == 0:
            found.setdefault(element, command[place : place + length])
        place += length
    return found


def _encoded(elements: dict[int, bytes]) -> bytes:
    data = b"".join(
        struct.pack("<HHL", 0, number, len(value)) + value for number, value in sorted(elements.items())
    )
    return struct.pack("<HHLL", 0, 0, 4, len(data)) + data


def _number(value: bytes | None) -> int | None:
    return None if value is None or len(value) < 2 else int.from_bytes(value[:2], "little")


def _uid(value: bytes | None) -> str:
    """Give a UID without its padding; "" where it is none."""
    text = (value or b"").decode("latin-1").strip("\0 ")
    return text if _UID.fullmatch(text) else ""


def _padded(uid: str) -> bytes:
    return uid.encode("ascii") + b"\0" * (len(uid) % 2)
