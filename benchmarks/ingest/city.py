"""The local stack with certificates and a database of nodes, for the benchmarks of ingest."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from contract.ids import is_server_id
from provisioning.localstack import BrokerTls, LocalStack
from server.db.migrate import migrate
from server.identity import ca
from server.identity.ca import Credential, CredentialFiles
from server.ingest.broker_access import BrokerAccess

DATABASE = "bench"


class City:
    """A stack, nodes that the registry knows, and a certificate for whoever asks."""

    def __init__(
        self, stack: LocalStack, authority: Credential, folder: Path, nodes_n: int
    ) -> None:
        self.stack = stack
        self.nodes: Sequence[str] = [f"bench-{n:03}" for n in range(nodes_n)]
        self._authority = authority
        self._folder = folder
        stack.postgres.create_database(DATABASE)
        self.superuser = stack.postgres.dsn(dbname=DATABASE)
        migrate(self.superuser)
        for role in ("msl_ingest", "msl_api", "msl_worker"):
            stack.postgres.allow_login(role)
        with psycopg.connect(self.superuser, autocommit=True) as conn:
            conn.execute("INSERT INTO lab (lab_id, name) VALUES ('bench', 'Benchmark')")
            conn.execute(
                "INSERT INTO node (node_id, lab_id, state, created_at)"
                " SELECT n, 'bench', 'commissioned', '2000-01-01Z' FROM unnest(%s::text[]) AS n",
                [list(self.nodes)],
            )

    def dsn(self, role: str = "msl_ingest") -> str:
        """The database as one of its roles."""
        return self.stack.postgres.dsn(user=role, dbname=DATABASE)

    def files(self, name: str) -> CredentialFiles:
        """A certificate for a node or a process, by its name."""
        give = ca.issue_process if is_server_id(name) else ca.issue_node
        return give(self._authority, name).save(self._folder)

    def access(self, name: str) -> BrokerAccess:
        """The broker as `name`."""
        files, broker = self.files(name), self.stack.broker
        return BrokerAccess(
            host="127.0.0.1", port=broker.port, ca_file=broker.ca_file,
            cert_file=files.certificate, key_file=files.key,
        )  # fmt: skip

    def empty(self) -> None:
        """Begin anew, so that no run pays for the rows of another."""
        with psycopg.connect(self.superuser, autocommit=True) as conn:
            conn.execute("TRUNCATE light_raw, noise_raw, rollup_mark, ledger CASCADE")
            conn.execute("CHECKPOINT")


@contextlib.contextmanager
def city(nodes_n: int) -> Iterator[City]:
    """Running until the block ends; everything is thrown away then."""
    authority = ca.create_root("benchmark")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = authority.save(folder)
        server = ca.issue_server(authority, "broker").save(folder)
        tls = BrokerTls(ca_file=root.certificate, cert_file=server.certificate, key_file=server.key)
        with LocalStack(folder / "stack", tls=tls) as stack:
            yield City(stack, authority, folder, nodes_n)
