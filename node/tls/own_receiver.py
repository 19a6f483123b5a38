"""How the node itself reaches its receiver under TLS, to see whether senders get an answer."""

import ssl

from node.tls.profile import Files, client_context
from sgseg_dicom.config import Receive


def own_context(settings: Receive) -> ssl.SSLContext | None:
    """
    Give the context for a connection to our own receiver on this machine; None where that has no TLS.

    It shows our certificate, which the receiver takes from whoever has its key (`node.tls.profile.server_context`).
    That of the receiver is not checked: it is ours, and its name need not be the address that is called.

    Raises:
        ConfigError: a file cannot be used.
    """
    if settings.certificate_file is None:
        return None
    files = Files(certificate=settings.certificate_file, key=settings.key_file)
    context = client_context(files, check_name=False)
    context.verify_mode = ssl.CERT_NONE
    return context
