"""Certificates for tests, made when they are needed by the program `openssl`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Two PEM files, and a third with both."""

    certificate: Path
    key: Path

    @property
    def both(self) -> Path:
        """The key, and the certificate behind it."""
        file = self.certificate.with_suffix(".both.pem")
        file.write_bytes(self.key.read_bytes() + self.certificate.read_bytes())
        return file


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def authority(folder: Path, name: str = "authority") -> Certificate:
    """Make an authority that signs its own certificate."""
    made = _files(folder, name)
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", f"/CN={name}", "-days", "30", "-keyout", made.key, "-out", made.certificate),
        *("-addext", "keyUsage=critical,keyCertSign"),
    )
    return made


def certificate(
    folder: Path,
    signer: Certificate,
    name: str,
    *,
    days: int = 365,
    names: str = "IP:127.0.0.1,DNS:localhost",
    kind: str = "ec",
) -> Certificate:
    """
    Make a certificate that *signer* signs.

    Args:
        folder: where its files go.
        signer: an authority.
        name: of the files, and of the subject.
        days: until it ends; a negative number is in the past.
        names: subject alternative names.
        kind: "ec" or "rsa".
    """
    made = _files(folder, name)
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={names}\n")
    key = ("rsa:2048",) if kind == "rsa" else ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    _openssl(
        *("req", "-new", "-newkey", *key, "-nodes", "-subj", f"/CN={name}"),
        *("-keyout", made.key, "-out", request),
    )
    _openssl(
        *("x509", "-req", "-in", request, "-CA", signer.certificate, "-CAkey", signer.key, "-CAcreateserial"),
        *("-days", str(days), "-extfile", extensions, "-out", made.certificate),
    )
    return made


def _files(folder: Path, name: str) -> Certificate:
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    made.key.touch(mode=0o600)
    return made
