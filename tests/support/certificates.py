"""Certificates for tests, made when they are needed by the program `openssl`."""

import ssl
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


@dataclass(frozen=True)
class Site:
    """
    The certificates of a site.

    Attributes:
        folder: of all files.
        authority: that both sides know.
        node: the receiver's certificate.
        modality: a sender's.
    """

    folder: Path
    authority: Certificate
    node: Certificate
    modality: Certificate

    @property
    def settings(self) -> dict[str, str]:
        """Keys of [receive]: TLS, and no certificate asked for."""
        return {"certificate_file": str(self.node.certificate), "key_file": str(self.node.key)}

    @property
    def strict(self) -> dict[str, str]:
        """Keys of [receive]: who sends needs a certificate."""
        return {**self.settings, "client_ca_file": str(self.authority.certificate)}

    def client(self, shown: Certificate | None = None) -> ssl.SSLContext:
        """Give the context of a peer that shows a certificate, or none."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if shown:
            context.load_cert_chain(shown.certificate, shown.key)
        return context


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
    more: str = "",
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
        more: extensions, as openssl.cnf has them.
    """
    made = _files(folder, name)
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={names}\n{more}\n")
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
