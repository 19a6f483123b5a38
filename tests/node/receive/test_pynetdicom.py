"""What the receiver replaces of pynetdicom, or calls though its name is private, is as it was when we read it."""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pynetdicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_ECHO_RSP, C_STORE_RSP, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import create_file_meta
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import StateMachine
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.transport import AssociationSocket, RequestHandler

from node.receive.command_sets import encoded_response
from node.receive.file_head import file_head
from tests.node.raw_peer import DX, EXPLICIT

ONE_THREAD, LISTENER = "node/receive/one_thread.py", "node/receive/listener.py"
READER, COMMANDS, DATA_SETS = (
    "node/receive/pdu_reader.py",
    "node/receive/command_sets.py",
    "node/receive/data_sets.py",
)

AS_READ: dict[Callable[..., Any], tuple[str, str]] = {
    Association.run_reactor: (ONE_THREAD, "ed8bbbe3b3d6ddae"),
    Association._run_reactor: (ONE_THREAD, "f28838c5559e462a"),
    Association.kill: (ONE_THREAD, "8f9713666a7f4cff"),
    Association._abort_blocking: (ONE_THREAD, "10b43ef8c63c6764"),
    Association._serve_request: (ONE_THREAD, "2f24c1759cdf6c8c"),
    Association._bind_defaults: (ONE_THREAD, "4cada43c3a193724"),
    DULServiceProvider.run_reactor: (ONE_THREAD, "e3a10eb3a0931e48"),
    DULServiceProvider._process_recv_primitive: (ONE_THREAD, "4c0ebbb3e646e35e"),
    DULServiceProvider._is_transport_event: (ONE_THREAD, "8725ed03bb8fbdef"),
    DULServiceProvider._read_pdu_data: (READER, "19f2d4e38c13c835"),
    AssociationSocket.recv: (READER, "6bc20a33b1b7cfe7"),
    StateMachine.do_action: (ONE_THREAD, "9a883f44c7f31641"),
    ACSE._negotiate_as_acceptor: (ONE_THREAD, "fffd360957c42a8e"),
    DIMSEServiceProvider.receive_primitive: (COMMANDS, "5f99c86b14a15cef"),
    DIMSEServiceProvider.send_msg: (COMMANDS, "a839cf2fb46976d9"),
    DIMSEMessage.decode_msg: (DATA_SETS, "f51c777e841a76be"),
    StorageServiceClass.SCP: (DATA_SETS, "63afca7fc6c6e7ee"),
    RequestHandler._create_association: (LISTENER, "05c8d12b79863cdb"),
    RequestHandler.handle: (LISTENER, "034823fb4df3a874"),
}
"""Functions of pynetdicom, the file of ours that replaces them or counts on them, and a digest of their source."""


@pytest.mark.parametrize("function", AS_READ, ids=lambda function: function.__qualname__)
def test_what_we_replace_of_pynetdicom_has_not_changed(function: Callable[..., Any]) -> None:
    """Its names are private: a new version may do something else under them, and say nothing."""
    ours, known = AS_READ[function]
    digest = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]

    assert known == digest, (
        f"pynetdicom {pynetdicom.__version__} has another {function.__qualname__}; read what changed, do the same in "
        f"{ours} if the receiver needs it, run tests/node/receive, and then write {digest} here"
    )


@pytest.mark.parametrize("instance", ["1.2.3", "1.2.3.4", "2.25." + "1" * 59])
def test_the_head_of_a_file_is_what_pynetdicom_writes(instance: str) -> None:
    """Images of earlier versions have it, and tools know it: preamble, prefix, File Meta Information (PS3.10 7.1)."""
    meta = create_file_meta(
        sop_class_uid=UID(DX), sop_instance_uid=UID(instance), transfer_syntax=UID(EXPLICIT)
    )
    written = DicomBytesIO()
    write_file_meta_info(written, meta)

    assert bytes(128) + b"DICM" + written.getvalue() == file_head(DX, instance, EXPLICIT)


def stored(status: int, *, instance: str | None = "1.2.3.4", comment: str | None = None) -> C_STORE:
    response = C_STORE()
    response.MessageIDBeingRespondedTo, response.Status = 65535, status
    response.ErrorComment = comment  # type: ignore[assignment]
    response.AffectedSOPClassUID, response.AffectedSOPInstanceUID = UID(DX), instance  # type: ignore[assignment]
    return response


def echoed() -> C_ECHO:
    response = C_ECHO()
    response.MessageIDBeingRespondedTo, response.Status = 7, 0
    response.AffectedSOPClassUID = UID("1.2.840.10008.1.1")
    return response


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (stored(0), C_STORE_RSP),
        (stored(0xA700, instance=None), C_STORE_RSP),
        (stored(0x0111, comment="UID already stored with other content: quarantined"), C_STORE_RSP),
        (stored(0x0111, comment="odd"), C_STORE_RSP),
        (echoed(), C_ECHO_RSP),
    ],
)
def test_a_response_is_what_pynetdicom_sends(response: Any, message: type[DIMSEMessage]) -> None:
    """Byte for byte: it only costs less."""
    encoded = message()
    encoded.primitive_to_message(response)
    (primitive,) = encoded.encode_msg(1, 0)
    ((_, sent),) = primitive.presentation_data_value_list

    assert sent == b"\x03" + encoded_response(response)


def test_responses_with_more_in_them_are_left_to_pynetdicom() -> None:
    """b"" says so: requests, other services, and elements that an error names."""
    request, offended = C_STORE(), stored(0xA900)
    request.MessageID = 1
    offended.OffendingElement = [0x00100010]  # type: ignore[assignment]

    assert [encoded_response(one) for one in (request, offended)] == [b"", b""]
