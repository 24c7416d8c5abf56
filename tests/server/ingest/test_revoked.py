"""A node whose certificates are all revoked: dropped before the broker knows of it."""

import pytest

from tests.server.ingest.test_writer import HandReceiver, counted, eventually, running
from tests.server.ingest.testlab import NODE, Lab, Wire

pytestmark = pytest.mark.db


def _certificate(lab: Lab, serial: str, *, revoked: bool) -> None:
    """A certificate of the node, by an enrolment of its own."""
    lab.admin.execute(
        "WITH e AS (INSERT INTO enrolment (node_id, kind, csr, key_sha256, state)"
        " VALUES (%(node)s, 'renewal', 'x', sha256(%(serial)s::text::bytea), 'issued')"
        " RETURNING enrolment_id)"
        " INSERT INTO certificate (serial, node_id, enrolment_id, pem, not_before, not_after,"
        " revoked_at, revoked_why) SELECT %(serial)s::text, %(node)s, enrolment_id, 'x', now(),"
        " now() + interval '1 day', CASE WHEN %(revoked)s THEN now() END,"
        " CASE WHEN %(revoked)s THEN 'stolen' END FROM e",
        {"node": NODE, "serial": serial, "revoked": revoked},
    )


def test_it_is_neither_stored_nor_acknowledged_end_to_end(lab: Lab, wire: Wire) -> None:
    _certificate(lab, "0a", revoked=True)
    receiver = HandReceiver()
    with running(lab, receiver):
        receiver.queue.append(wire.lights(1, 2))
        eventually(lambda: len(receiver.acked) == 1)
    assert (lab.seqs(), receiver.published) == ([], [])
    assert lab.rows("SELECT node_id, reason, count FROM refused_node") == [
        (NODE, "every certificate of this node is revoked", 1)
    ]


def test_an_older_certificate_that_is_revoked_doesnt_matter(lab: Lab, wire: Wire) -> None:
    _certificate(lab, "0a", revoked=True)
    _certificate(lab, "0b", revoked=False)
    receiver = HandReceiver()
    with running(lab, receiver) as metrics:
        receiver.queue.append(wire.lights(1, 2))
        eventually(lambda: receiver.last_ack == 2)
    assert lab.seqs() == [1, 2]
    assert counted(metrics, "msl_ingest_records_total", stream="light", outcome="stored") == 2


def test_what_a_person_brings_on_a_stick_is_taken(lab: Lab, wire: Wire) -> None:
    _certificate(lab, "0a", revoked=True)
    lab.store(wire.lights(1, 2))
    assert lab.seqs() == [1, 2]
