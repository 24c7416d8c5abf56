"""The demo's own authority and a certificate for everybody, made anew at each start."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contract.ids import is_server_id
from server.identity import ca
from server.identity.ca import CredentialFiles

_ROOT = "Municipal Safety Lab demo root"


@dataclass(frozen=True)
class Credentials:
    """Files of the authority's certificate, the broker's and every client's."""

    ca_file: Path
    broker: CredentialFiles
    clients: dict[str, CredentialFiles]


def make_credentials(folder: Path, clients: Iterable[str]) -> Credentials:
    """Issue certificates into `folder`; the authority's key is thrown away.

    Args:
        clients: Node ids and names of server processes (`srv-…`).
    """
    root = ca.create_root(_ROOT)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(root.certificate_pem())
    issued = {
        name: ca.issue_process(root, name) if is_server_id(name) else ca.issue_node(root, name)
        for name in clients
    }
    return Credentials(
        ca_file=ca_file,
        broker=ca.issue_server(root, "broker").save(folder),
        clients={name: credential.save(folder) for name, credential in issued.items()},
    )
