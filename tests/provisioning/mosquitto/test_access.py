"""Who may do what, asked of the real broker with the generated configuration."""

import queue
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from contract.limits import MAX_PAYLOAD_BYTES
from contract.streams import Stream
from contract.topics import ack, command, config, down_filter, up, up_filter
from provisioning.localstack import Broker
from provisioning.mosquitto.config import PACKET_OVERHEAD_BYTES
from server.identity import ca
from server.identity.ca import Credential, CredentialFiles
from tests.provisioning.mosquitto.conftest import Open, Session, user_properties

pytestmark = pytest.mark.mqtt

NOBODY_LISTENS = "No matching subscribers"
REFUSED = "Not authorized"
QUIET_S = 0.5


def test_a_node_publishes_to_its_own_topic(open_session: Open) -> None:
    assert open_session("lamp-01").publish(up("lamp-01", Stream.LIGHT)) == NOBODY_LISTENS


@pytest.mark.parametrize(
    "topic",
    [
        up("lamp-02", Stream.LIGHT),
        ack("lamp-01", Stream.LIGHT),
        config("lamp-01"),
        "msl/v1/lamp-01",
        "msl/v2/lamp-01/up/light",
        "$CONTROL/dynamic-security/v1",
    ],
)
def test_a_node_is_refused_everywhere_else(open_session: Open, topic: str) -> None:
    assert open_session("lamp-01").publish(topic) == REFUSED


def test_a_node_that_subscribes_to_everything_gets_only_its_own(open_session: Open) -> None:
    node, ingest = open_session("lamp-01"), open_session("srv-ingest")
    node.subscribe("#")
    node.subscribe("msl/v1/+/down/#")
    open_session("lamp-02").publish(up("lamp-02", Stream.NOISE))
    ingest.publish(ack("lamp-02", Stream.NOISE), b"not yours")
    ingest.publish(ack("lamp-01", Stream.NOISE), b"yours")
    assert node.inbox.get(timeout=5) == (ack("lamp-01", Stream.NOISE), b"yours")
    # Two subscriptions match, so it may come twice; nothing of the other node's ever does.
    rest = set(node.drain(QUIET_S))
    assert rest <= {(ack("lamp-01", Stream.NOISE), b"yours")}


@pytest.mark.parametrize("name", ["srv-ingest", *(f"srv-ingest-{s}" for s in Stream)])
def test_an_ingester_reads_every_node_and_acknowledges(open_session: Open, name: str) -> None:
    ingest, node = open_session(name), open_session("lamp-01")
    ingest.subscribe(up_filter(Stream.LIGHT))
    node.subscribe(down_filter("lamp-01"))
    assert node.publish(up("lamp-01", Stream.LIGHT), b"batch") == "Success"
    assert ingest.inbox.get(timeout=5) == (up("lamp-01", Stream.LIGHT), b"batch")
    assert ingest.publish(ack("lamp-01", Stream.LIGHT), b"ack") == "Success"
    assert node.inbox.get(timeout=5) == (ack("lamp-01", Stream.LIGHT), b"ack")


@pytest.mark.parametrize("topic", [config("lamp-01"), command("lamp-01"), up("lamp-01", "light")])
def test_an_ingester_neither_commands_nor_measures(open_session: Open, topic: str) -> None:
    assert open_session("srv-ingest").publish(topic) == REFUSED


def test_the_api_commands_but_never_acknowledges(open_session: Open) -> None:
    api = open_session("srv-api")
    assert api.publish(config("lamp-01")) == NOBODY_LISTENS
    assert api.publish(command("lamp-01")) == NOBODY_LISTENS
    assert api.publish(ack("lamp-01", Stream.LIGHT)) == REFUSED


def test_the_probe_sees_the_brokers_counters_and_writes_nothing(open_session: Open) -> None:
    probe = open_session("srv-probe")
    # Nothing is retained, so a counter comes when it changes; the uptime always does.
    probe.subscribe("$SYS/broker/uptime")
    assert probe.inbox.get(timeout=15)[0] == "$SYS/broker/uptime"
    assert probe.publish(up("lamp-01", Stream.LIGHT)) == REFUSED


def test_another_nodes_client_id_does_not_end_its_session(open_session: Open) -> None:
    node = open_session("lamp-01")
    thief = open_session("lamp-02", client_id="lamp-01")
    assert thief.publish(up("lamp-01", Stream.LIGHT)) == REFUSED
    assert node.publish(up("lamp-01", Stream.LIGHT)) == NOBODY_LISTENS
    assert node.ended.empty()


@pytest.mark.parametrize("common_name", ["+", "#", "lamp-01/up", "+/down", ""])
def test_a_name_that_is_a_topic_filter_opens_nothing(
    broker: Broker, authority: Credential, tmp_path: Path, open_session: Open, common_name: str
) -> None:
    # The authority never issues such a name; if it did, `%u` would turn into a wildcard.
    session = Session(broker, _issue_anyway(authority, common_name, tmp_path), "x")
    try:
        reason, _ = session.connect()
    except (queue.Empty, OSError):
        session.close()
        return  # turned away at the door, which is just as well
    if not reason.is_failure:
        assert session.publish(up("lamp-01", Stream.LIGHT)) == REFUSED
        session.subscribe("msl/v1/+/down/#")
        open_session("srv-ingest").publish(ack("lamp-01", Stream.LIGHT))
        with pytest.raises(queue.Empty):
            session.inbox.get(timeout=QUIET_S)
    session.close()


def test_no_certificate_no_connection(broker: Broker) -> None:
    assert_turned_away(Session(broker, None, "lamp-01"))


def test_another_authoritys_certificate_is_refused(broker: Broker, tmp_path: Path) -> None:
    stranger = ca.issue_node(ca.create_root("somebody else"), "lamp-01").save(tmp_path)
    assert_turned_away(Session(broker, stranger, "lamp-01"))


def test_an_expired_certificate_is_refused(
    broker: Broker, authority: Credential, tmp_path: Path
) -> None:
    long_ago = authority.certificate.not_valid_before_utc - 2 * ca.CERTIFICATE_LIFE
    assert_turned_away(
        Session(broker, ca.issue_node(authority, "lamp-01", now=long_ago).save(tmp_path), "lamp-01")
    )


def test_a_servers_certificate_is_no_client(
    broker: Broker, authority: Credential, tmp_path: Path
) -> None:
    # Else whoever holds the web server's key could speak as a node of that name.
    files = ca.issue_server(authority, "lamp-01").save(tmp_path)
    assert_turned_away(Session(broker, files, "lamp-01"))


def test_plain_tcp_is_not_served(broker: Broker) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    answers: list[object] = []
    client.on_connect = lambda *answer: answers.append(answer)
    client.connect("127.0.0.1", broker.port)
    client.loop(timeout=QUIET_S)
    client.loop(timeout=QUIET_S)
    assert answers == []
    client.disconnect()


def test_the_largest_batch_passes_with_its_properties(open_session: Open) -> None:
    payload = b"x" * MAX_PAYLOAD_BYTES
    beside = user_properties(spool="k" * 8, first=str(2**63), last=str(2**63), low=str(2**63))
    node = open_session("n" * 32)
    assert node.publish(up("n" * 32, Stream.FOOTFALL), payload, properties=beside) == NOBODY_LISTENS


def test_an_oversized_packet_ends_the_connection_and_reaches_nobody(open_session: Open) -> None:
    ingest, node = open_session("srv-ingest"), open_session("lamp-01")
    ingest.subscribe(up_filter(Stream.LIGHT))
    node.client.publish(
        up("lamp-01", Stream.LIGHT), b"x" * (MAX_PAYLOAD_BYTES + PACKET_OVERHEAD_BYTES), qos=1
    )
    # "Packet too large", unless the link is cut before the node reads it: it can't rely on that.
    assert node.ended.get(timeout=5).is_failure
    assert ingest.drain(QUIET_S) == []


def test_the_broker_tells_its_packet_limit(
    broker: Broker, client_certificate: Callable[[str], CredentialFiles]
) -> None:
    session = Session(broker, client_certificate("lamp-01"), "lamp-01")
    _, properties = session.connect()
    session.close()
    assert properties["MaximumPacketSize"] == MAX_PAYLOAD_BYTES + PACKET_OVERHEAD_BYTES
    assert properties["RetainAvailable"] == 0


def test_a_retained_message_is_not_taken(open_session: Open) -> None:
    node = open_session("lamp-01")
    node.client.publish(up("lamp-01", "status"), b"{}", qos=1, retain=True)
    assert str(node.ended.get(timeout=5)) == "Retain not supported"


def assert_turned_away(session: Session) -> None:
    """The TLS handshake fails or, since TLS 1.3 tells the client later, the link is cut."""
    try:
        session.client.connect("127.0.0.1", session.port)
    except OSError:
        return
    session.client.loop_start()
    session.ended.get(timeout=5)
    session.close()
    assert session.answer_to_connect.empty()


def _issue_anyway(authority: Credential, common_name: str, folder: Path) -> CredentialFiles:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.certificate.not_valid_before_utc)
        .not_valid_after(authority.certificate.not_valid_after_utc)
        .sign(authority.key, hashes.SHA256())
    )
    named = Credential(certificate=certificate, key=key)
    (folder / "odd.pem").write_bytes(named.certificate_pem())
    return CredentialFiles(
        certificate=folder / "odd.pem", key=ca.write_key(folder / "odd.key", key)
    )
