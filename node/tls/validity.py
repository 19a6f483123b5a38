"""Until when a certificate is valid. Python's ssl tells it of a peer's certificate alone, and not of our own."""

import re
import ssl
from datetime import UTC, datetime

PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_VERSION, _UTC_TIME = 0xA0, 0x17


def valid_until(pem: bytes) -> float:
    """
    Give the end of the first certificate in a PEM file, as POSIX time in seconds.

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    found = PEM_CERTIFICATE.search(pem)
    if found is None:
        raise ValueError("no certificate")
    try:
        return _not_after(ssl.PEM_cert_to_DER_cert(found.group().decode("ascii")))
    except IndexError as error:
        raise ValueError("a certificate that is cut off") from error


def _not_after(der: bytes) -> float:
    """Read notAfter of a Certificate (RFC 5280 4.1)."""
    _, place, _ = _element(der, 0)  # Certificate
    _, place, _ = _element(der, place)  # TBSCertificate
    tag, _, end = _element(der, place)
    place = end if tag == _VERSION else place
    for _ in ("serialNumber", "signature", "issuer"):
        _, _, place = _element(der, place)
    _, place, _ = _element(der, place)  # Validity
    _, _, place = _element(der, place)  # notBefore
    tag, start, end = _element(der, place)
    text = der[start:end].decode("ascii")
    if tag == _UTC_TIME:  # RFC 5280 4.1.2.5.1
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _element(der: bytes, place: int) -> tuple[int, int, int]:
    """Give tag, begin and end of the value of an element (X.690 8.1)."""
    tag, length, start = der[place], der[place + 1], place + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    return tag, start, start + length
