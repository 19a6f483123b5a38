"""Why a TLS connection did not come about, and what an administrator can do: OpenSSL's reasons in plain words."""

import ssl

_EXPIRED, _NOT_YET = 10, 9
_SELF_SIGNED = (18, 19)
_UNKNOWN_ISSUER = (2, 20, 21)
_WRONG_PURPOSE = (26, 79)
_WRONG_NAME = (62, 63, 64)
# Codes of X509_verify_cert_error_string; Python has no names for them.
_OF_CERTIFICATE = {
    _EXPIRED: "its certificate has expired; give it a new one",
    _NOT_YET: "its certificate is not valid yet; compare the clocks of both machines",
    **dict.fromkeys(
        _SELF_SIGNED, "nobody that we trust signed its certificate; put its authority into {trust}"
    ),
    **dict.fromkeys(
        _UNKNOWN_ISSUER, "its certificate is of an authority that we do not know; put that into {trust}"
    ),
    **dict.fromkeys(
        _WRONG_PURPOSE, "its certificate is for another purpose; give it one for this end of a connection"
    ),
    **dict.fromkeys(
        _WRONG_NAME,
        "its certificate has another name; set host, or tls_host_name, to a name in the certificate",
    ),
}

_NOTHING_IN_COMMON = (
    "it has no TLS version or cipher in common with us; let it use TLS 1.2 or 1.3 with ECDHE and AES-GCM"
)
_WANTS_OURS = "it wants a certificate of ours; set certificate_file and key_file"
_REFUSES_OURS = "it does not accept our certificate; make our authority known there, and look at its log"
_SPEAKS_NO_TLS = "what it sends is no TLS; turn TLS on at the other side too, or off at both"
_HUNG_UP = "it closed the connection during the TLS handshake; see its log"
_OF_REASON = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate, and {trust} asks for one; give it one",
    "UNSUPPORTED_PROTOCOL": _NOTHING_IN_COMMON,
    "NO_SHARED_CIPHER": _NOTHING_IN_COMMON,
    "NO_PROTOCOLS_AVAILABLE": _NOTHING_IN_COMMON,
    "TLSV1_ALERT_PROTOCOL_VERSION": _NOTHING_IN_COMMON,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": f"{_NOTHING_IN_COMMON}; or {_WANTS_OURS}",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _NOTHING_IN_COMMON,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTS_OURS,
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of our certificate; make that known there",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired; put a new one in its place",
    "SSLV3_ALERT_BAD_CERTIFICATE": _REFUSES_OURS,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _REFUSES_OURS,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _REFUSES_OURS,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": _REFUSES_OURS,
    "TLSV1_ALERT_ACCESS_DENIED": _REFUSES_OURS,
    "TLSV1_ALERT_DECRYPT_ERROR": _REFUSES_OURS,
    "WRONG_VERSION_NUMBER": _SPEAKS_NO_TLS,
    "HTTP_REQUEST": _SPEAKS_NO_TLS,
    "RECORD_LAYER_FAILURE": _SPEAKS_NO_TLS,
    "UNEXPECTED_EOF_WHILE_READING": _HUNG_UP,
}


def describe(error: OSError, *, trust: str) -> str:
    """
    Give the cause and the cure of an error of a connection's TLS.

    Args:
        error: of Python's ssl, or of the socket below.
        trust: the setting that names the authorities whose certificates we accept.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _OF_CERTIFICATE.get(error.verify_code)
        return known.format(trust=trust) if known else f"its certificate is refused ({error.verify_message})"
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        return _HUNG_UP
    if isinstance(error, TimeoutError):
        return "it did not finish the TLS handshake in time; check that it speaks TLS at this port"
    reason = getattr(error, "reason", None)
    return _OF_REASON.get(
        str(reason), f"TLS failed ({reason or error.strerror or type(error).__name__})"
    ).format(trust=trust)
