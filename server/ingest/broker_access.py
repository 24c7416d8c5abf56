"""Where the broker is, and the certificate by which it knows us."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from server.errors import MslError


class NoClientName(MslError):
    """The certificate doesn't say who this process is."""


class BrokerFilesUnusable(MslError):
    """A certificate or key for the broker connection can't be used."""


@dataclass(frozen=True, kw_only=True)
class BrokerAccess:
    """Where the broker is, and who we are to it: the common name of our certificate."""

    host: str
    port: int
    ca_file: Path
    cert_file: Path
    key_file: Path

    def client_id(self) -> str:
        """The certificate's common name; the broker takes nothing else as client id anyway.

        Raises:
            NoClientName: The file can't be read or names nobody.
        """
        try:
            certificate = x509.load_pem_x509_certificate(self.cert_file.read_bytes())
        except (OSError, ValueError) as error:
            raise NoClientName(f"certificate {self.cert_file} can't be read: {error}") from error
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not names:
            raise NoClientName(f"certificate {self.cert_file} has no common name; issue it anew")
        return str(names[0].value)

    def tls_context(self) -> ssl.SSLContext:
        """TLS with our certificate, trusting our authority alone; read anew for each connection.

        Raises:
            BrokerFilesUnusable: One of the files can't be read or doesn't fit the others.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:  # ssl.SSLError is one
            raise BrokerFilesUnusable(
                f"certificates {self.ca_file}, {self.cert_file} with {self.key_file}"
                f" can't be used: {error}"
            ) from error
        return context
