"""The node asks its own receiver by C-ECHO (PS3.4 A): files do not show whether a sender gets an answer."""

import ssl

from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from sgseg_dicom.config import Receive

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def why_no_echo(
    settings: Receive, port: int, *, seconds: float = 2.0, tls: ssl.SSLContext | None = None
) -> str:
    """
    Say in a sentence why the receiver does not answer; "" where it does.

    Args:
        settings: section [receive]: the receiver lets us in as its own AE title (`node.receive.admission`).
        port: on which it listens.
        seconds: limit for each step: connection, association, response.
        tls: with which it is asked; None: without TLS.
    """
    ae = AE(settings.ae_title)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = seconds
    ae.add_requested_context(Verification)
    host = _EVERYWHERE.get(settings.host, settings.host)
    association = ae.associate(
        host, port, ae_title=settings.ae_title, tls_args=(tls, settings.host) if tls else None
    )
    if not association.is_established:
        how = "rejects us" if association.is_rejected else "does not answer"
        return f"the receiver {how} on {host}:{port}: senders get no association; see its log, or restart the node"
    try:
        status = association.send_c_echo().get("Status")
    finally:
        association.release()
    if status == 0x0000:
        return ""
    said = "nothing" if status is None else f"{status:04X}"
    return f"the receiver answers C-ECHO with {said} on {host}:{port}; see its log, or restart the node"
