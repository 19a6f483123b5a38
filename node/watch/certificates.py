"""Until when our certificates are valid."""

from contextlib import suppress

from node.tls.validity import valid_until
from sgseg_dicom.config import Config, Destination


def ends_of_certificates(config: Config) -> dict[str, float]:
    """Give POSIX times: of "receiver", and of each destination to which we show one. Unreadable ones are left out."""
    files = {"receiver": config.receive.certificate_file}
    files |= {one.name: one.certificate_file for one in config.destination if isinstance(one, Destination)}
    ends = {}
    for name, file in files.items():
        with suppress(OSError, ValueError):
            if file is not None:
                ends[name] = valid_until(file.read_bytes())
    return ends
