"""
A peer's C-STORE or C-ECHO command with what we answer by, so that no malformed element of it ends the association.

pynetdicom 3.0 aborts over a UID of more than 64 characters, a missing element, a priority that is none, or a
malformed title of who moved the image here; and it answers nothing where a UID is empty. Here the command set is
written anew before pynetdicom reads it; what names no image becomes `NO_UID`, which the handler of C-STORE answers
with C000.
"""

import re
import struct
from collections.abc import Callable, Collection, Mapping
from io import BytesIO
from typing import Any

from pydicom.errors import BytesLengthException
from pynetdicom.dimse_messages import _MESSAGE_TYPES, DIMSEMessage
from pynetdicom.dimse_primitives import C_CANCEL, C_ECHO, C_STORE, N_EVENT_REPORT
from pynetdicom.pdu_primitives import P_DATA

from node.association_requests import UNDECODABLE
from node.receive.data_sets import DataSets, ObjectLimits
from node.receive.pdu_reader import Fragment
from node.receive.places import Place

NO_UID = "none"
"""Stands for the SOP Instance UID of a C-STORE command that names no image."""

LARGEST_COMMAND = 1 << 16
"""Bytes; a C-STORE command has a few hundred."""

LARGEST_REPORT = 1 << 20
"""Bytes; a report of Storage Commitment has about 150 for each object."""

MOST_UNANSWERED = 64
"""Requests of one association whose answers it has not got; it may send one at a time (PS3.7 D.3.3.3)."""

_SOP_CLASS, _INSTANCE = 0x0002, 0x1000
_FIELD, _MESSAGE, _ANSWERED, _PRIORITY, _DATA_SET_TYPE = 0x0100, 0x0110, 0x0120, 0x0700, 0x0800
_STATUS, _COMMENT = 0x0900, 0x0902
_C_STORE, _C_ECHO, _N_EVENT_REPORT, _RESPONSE = 0x0001, 0x0030, 0x0100, 0x8000
_DATA_SET, _NO_DATA_SET = 0x0001, 0x0101
_PRIORITIES = (0, 1, 2)
"""Medium, high and low (PS3.7 9.3.1.1)."""
_LAST = 2
"""The bit of a message control header for the last fragment (PS3.8 E.2)."""

_PDV_HEAD = 5
"""Bytes of a fragment's length and context id, which count for the largest PDU (PS3.8 D.1.1)."""

_UID = re.compile(r"[0-9.]{1,64}")
_ANSWERED_HERE = (C_STORE, C_ECHO, N_EVENT_REPORT)


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
        asked = _number(given.get(_PRIORITY))
        made[_PRIORITY] = struct.pack("<H", asked if asked in _PRIORITIES else 0)
        made[_INSTANCE] = _padded(_uid(given.get(_INSTANCE)) if is_known else "") or _padded(NO_UID)
    return _encoded(made)


class Messages:
    """
    Takes the messages of a pynetdicom association: commands pass through `tidied`, data sets go to files.

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
        self._awaits_data: C_STORE | None = None
        self._report_bytes = 0
        self._known = known
        self._on_refused = on_refused
        self._command = bytearray()
        self._data_sets = DataSets(limits)
        self._other = DIMSEMessage()
        self._send = association.dimse.send_msg
        association.dimse.receive_primitive, association.dimse.send_msg = self.receive, self.send

    def receive(self, primitive: Any) -> None:
        """Take the fragments of a P-DATA primitive."""
        for context_id, data in primitive.presentation_data_value_list:
            if data:
                self.take((context_id, memoryview(data)))

    def take(self, fragment: Fragment) -> None:
        """Take a fragment: those of commands are gathered, those of data sets are written at once."""
        context_id, data = fragment
        if self._place.over:
            return
        take = self._take_command if data[0] & 1 else self._take_data  # PS3.8 E.2
        take(context_id, data)
        if self._place.owed > MOST_UNANSWERED:
            self._refuse("too many are sent without waiting for an answer (PS3.7 D.3.3.3)")

    def _take_data(self, context_id: int, data: memoryview) -> None:
        request = self._awaits_data
        if self._report_bytes:
            self._take_report(context_id, data)
        elif request is None:  # pynetdicom would gather it in memory
            self._refuse("a data set comes without one that may have it")
        else:
            self._data_sets.add(data[1:])
            if self._data_sets.is_endless:
                self._refuse("its data set is far longer than [receive] max_object_megabytes")
            elif data[0] & _LAST:
                self._data_sets.end(request)
                self._pass(context_id, request)

    def _take_report(self, context_id: int, data: memoryview) -> None:
        """Gather the data set of an N-EVENT-REPORT in memory."""
        self._report_bytes += len(data)
        if self._report_bytes > LARGEST_REPORT:
            self._refuse("its report is too long")
        else:
            self._take_other(context_id, bytes(data))

    def _take_command(self, context_id: int, data: memoryview) -> None:
        self._command += data[1:]
        context = self._association._accepted_cx.get(context_id)
        if context is None:
            self._refuse("its presentation context was not accepted")
        elif len(self._command) > LARGEST_COMMAND:
            self._refuse("it is too long")
        elif data[0] & _LAST:
            whole = tidied(bytes(self._command), sop_class=str(context.abstract_syntax), known=self._known)
            self._command.clear()
            if not _is_known(whole):
                self._refuse("it names no command of PS3.7 E, or not whether a data set follows")
            else:
                self._take_whole(context_id, whole, str(context.transfer_syntax[0]))

    def _take_whole(self, context_id: int, command: bytes, transfer_syntax: str) -> None:
        """Take a whole command: pass it on, or wait for the data set that it announces."""
        given = _elements(command)
        self._place.has_spoken = True
        field = _number(given.get(_FIELD))
        has_data = _number(given.get(_DATA_SET_TYPE)) != _NO_DATA_SET
        self._awaits_data, self._report_bytes = None, int(field == _N_EVENT_REPORT and has_data)
        if field not in (_C_STORE, _C_ECHO):
            self._other = DIMSEMessage()
            self._take_other(context_id, b"\x03" + command)
            return
        request = _request(given, context_id)
        if isinstance(request, C_STORE) and has_data:
            self._awaits_data = request
            self._data_sets.begin(request, transfer_syntax)
        else:
            self._pass(context_id, request)

    def _take_other(self, context_id: int, data: bytes) -> None:
        """Let pynetdicom gather and decode a message that is neither C-STORE nor C-ECHO."""
        primitive = P_DATA()
        primitive.presentation_data_value_list = [[context_id, data]]  # type: ignore[list-item]
        try:
            if not self._other.decode_msg(primitive, self._association):
                return
            message = self._other.message_to_primitive()
        except (*UNDECODABLE, NotImplementedError, BytesLengthException):
            self._refuse("it cannot be decoded")
            return
        if not isinstance(message, C_CANCEL):  # nothing here takes so long
            self._pass(context_id, message)

    def _pass(self, context_id: int, message: Any) -> None:
        """Pass a whole message on to be served."""
        self._awaits_data, self._report_bytes = None, 0
        if type(message) in _ANSWERED_HERE and message.MessageIDBeingRespondedTo is None:
            self._place.owed += 1
        self._place.note_whole()
        self._association.dimse.msg_queue.put((context_id, message))

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
        encoded = b"\x03" + encoded_response(primitive)
        if len(encoded) == 1 or 0 < self._association.requestor.maximum_length < len(encoded) + _PDV_HEAD:
            self._send(primitive, context_id)
            return
        response = P_DATA()
        response.presentation_data_value_list = [[context_id, encoded]]  # type: ignore[list-item]
        self._association.dul.send_pdu(response)

    def _refuse(self, why: str) -> None:
        self._command.clear()
        self._place.over = True  # what else it sends is not even read
        self._on_refused(f"a command cannot be answered: {why}")
        self._association.dul.event_queue.put("Evt19")  # an invalid PDU: pynetdicom aborts (PS3.8 table 9-10)


def encoded_response(primitive: Any) -> bytes:
    """Encode a C-STORE-RSP or C-ECHO-RSP as pynetdicom does, in a hundredth of the time; b"" for other messages."""
    kind = {C_STORE: _C_STORE, C_ECHO: _C_ECHO}.get(type(primitive))
    answered = primitive.MessageIDBeingRespondedTo
    if kind is None or answered is None or getattr(primitive, "OffendingElement", None):
        return b""
    numbers = {
        _FIELD: kind | _RESPONSE,
        _ANSWERED: answered,
        _DATA_SET_TYPE: _NO_DATA_SET,
        _STATUS: primitive.Status,
    }
    texts = {
        _SOP_CLASS: (primitive.AffectedSOPClassUID, b"\0"),
        _COMMENT: (primitive.ErrorComment, b" "),
        _INSTANCE: (getattr(primitive, "AffectedSOPInstanceUID", None), b"\0"),
    }
    return _encoded(
        {
            **{number: struct.pack("<H", value) for number, value in numbers.items()},
            **{number: _padded(str(text), pad) for number, (text, pad) in texts.items() if text is not None},
        }
    )


def _request(given: Mapping[int, bytes], context_id: int) -> C_STORE | C_ECHO:
    """Make pynetdicom's request of a tidied command."""
    request = C_STORE() if _number(given[_FIELD]) == _C_STORE else C_ECHO()
    request._context_id = context_id
    request.MessageID = _number(given[_MESSAGE])
    request.AffectedSOPClassUID = given[_SOP_CLASS].decode("ascii").rstrip("\0")  # type: ignore[assignment]
    if isinstance(request, C_STORE):
        request.AffectedSOPInstanceUID = given[_INSTANCE].decode("ascii").rstrip("\0")  # type: ignore[assignment]
        request.Priority = _number(given[_PRIORITY])  # type: ignore[assignment]
        request.DataSet = BytesIO()
        request._dataset_file = request._dataset_path = None
    return request


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


def _padded(text: str, pad: bytes = b"\0") -> bytes:
    return text.encode("ascii") + pad * (len(text) % 2)
