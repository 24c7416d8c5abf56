"""Topics and names: what is written is what is read, and nobody poses as a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import topics
from contract.ids import NODE_ID_PATTERN, is_node_id, is_server_id, new_spool_id
from contract.streams import Stream

NODE_IDS = st.from_regex(NODE_ID_PATTERN, fullmatch=True).filter(
    lambda name: not is_server_id(name)
)
UP_KINDS = [*(s.value for s in Stream), topics.STATUS, topics.WALKTEST]


@given(node_id=NODE_IDS, kind=st.sampled_from(UP_KINDS))
def test_up_topic_round_trips(node_id: str, kind: str) -> None:
    parsed = topics.parse_up(topics.up(node_id, kind))
    assert parsed == topics.UpTopic(node_id=node_id, kind=kind)
    assert parsed.stream == (Stream(kind) if kind in set(Stream) else None)


@given(node_id=NODE_IDS, stream=st.sampled_from(Stream))
def test_ack_topic_round_trips(node_id: str, stream: Stream) -> None:
    assert topics.parse_ack(topics.ack(node_id, stream)) is stream


@given(node_id=NODE_IDS)
def test_down_topics_are_under_the_nodes_own_filter(node_id: str) -> None:
    prefix = topics.down_filter(node_id).removesuffix("#")
    for topic in (
        topics.config(node_id),
        topics.command(node_id),
        topics.ack(node_id, Stream.LIGHT),
    ):
        assert topic.startswith(prefix)
        assert topics.parse_up(topic) is None


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "msl/v1",
        "msl/v1/n01/up",
        "msl/v1/n01/up/lights",
        "msl/v1/n01/up/light/",
        "msl/v1/n01/up/light\n",
        "msl/v2/n01/up/light",
        "/msl/v1/n01/up/light",
        "msl/v1/n01/down/light",
        "msl/v1//up/light",
        "msl/v1/+/up/light",
        "msl/v1/N01/up/light",
        "msl/v1/n01\n/up/light",
        "msl/v1/srv-api/up/light",
        "msl/v1/n1/up/light",
        f"msl/v1/{'n' * 33}/up/light",
        "$SYS/broker/up/light",
    ],
)
def test_foreign_topic_is_not_ours(topic: str) -> None:
    assert topics.parse_up(topic) is None


@given(topic=st.text(max_size=60))
def test_any_text_is_a_topic_or_none(topic: str) -> None:
    topics.parse_up(topic)
    topics.parse_ack(topic)


@pytest.mark.parametrize(
    "topic",
    ["msl/v1/n01/down/ack/lights", "msl/v1/n01/down/ack", "msl/v1/n01/up/ack/light", "a/b/c/d/e/f"],
)
def test_foreign_ack_topic_is_not_ours(topic: str) -> None:
    assert topics.parse_ack(topic) is None


@pytest.mark.parametrize("name", ["srv-api", "srv-ingest-light", "srv-"])
def test_server_prefix_is_reserved(name: str) -> None:
    assert is_server_id(name)
    assert not is_node_id(name)


@pytest.mark.parametrize(
    "name", ["n01\n", "ab", "n" * 33, "n01 ", "N01", "n/1", "n+1", "n#1", "é01"]
)
def test_unfit_name_is_no_node(name: str) -> None:
    assert not is_node_id(name)


def test_new_spool_id_is_valid_in_a_header() -> None:
    drawn = {new_spool_id() for _ in range(50)}
    assert len(drawn) == 50
    assert all(
        len(spool) == 8 and set(spool) <= set("abcdefghijklmnopqrstuvwxyz234567") for spool in drawn
    )
