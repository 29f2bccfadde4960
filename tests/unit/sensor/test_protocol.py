from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import SensorError
from vedette.sensor.protocol import LINE_MAX, Answer, Conversation, Outcome, encode, fits

ADD = {"setname": "names", "settype": "string", "datavalue": ""}


def add_of_length(length: int) -> dict[str, str]:
    empty = len(encode("dataset-add", ADD))
    return {**ADD, "datavalue": "A" * (length - empty)}


def test_a_command_is_one_line_of_json() -> None:
    assert encode("version") == b'{"command":"version"}\n'
    line = encode("dataset-add", {**ADD, "datavalue": "eA=="})
    assert msgspec.json.decode(line) == {
        "command": "dataset-add",
        "arguments": {"setname": "names", "settype": "string", "datavalue": "eA=="},
    }


def test_a_line_of_4094_bytes_is_sent_and_4095_never() -> None:
    assert len(encode("dataset-add", add_of_length(LINE_MAX))) == 4094
    assert fits("dataset-add", add_of_length(LINE_MAX))
    assert not fits("dataset-add", add_of_length(LINE_MAX + 1))
    with pytest.raises(SensorError, match="4,095 bytes is over the engine's 4,094") as caught:
        encode("dataset-add", add_of_length(LINE_MAX + 1))
    assert "reload" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (b'{"message":"data added","return":"OK"}', Outcome.ADDED),
        (b'{"message":"data already in set","return":"OK"}', Outcome.ALREADY_THERE),
        (b'{"message":"data is busy, try again","return":"OK"}', Outcome.BUSY),
        (b'{"message":"item not found in set","return":"NOK"}', Outcome.NOT_FOUND),
        (b'{"message":"item found in set","return":"NOK"}', Outcome.OTHER),
        (b'{"message":[{"id":0}],"return":"OK"}', Outcome.OTHER),
        (b'{"return":"OK"}', Outcome.OTHER),
    ],
)
def test_ok_is_not_what_counts_but_the_text(line: bytes, outcome: Outcome) -> None:
    assert msgspec.json.decode(line, type=Answer).outcome is outcome


@given(st.lists(st.integers(1, 60), max_size=8))
def test_an_answer_may_arrive_in_any_pieces(cuts: list[int]) -> None:
    line = b'{"message":[{"id":0,"rules_loaded":2,"rules_failed":1}],"return":"OK"}\n'
    edges = sorted({0, len(line), *(c for c in cuts if c < len(line))})
    talk = Conversation()
    talk.ask("ruleset-stats")
    answers = [talk.receive(line[a:b]) for a, b in pairwise(edges)]
    assert answers[:-1] == [None] * (len(answers) - 1)
    assert answers[-1] is not None
    assert answers[-1].decode(list[dict[str, int]])[0]["rules_failed"] == 1


def test_a_second_command_before_the_answer_is_refused() -> None:
    talk = Conversation()
    talk.greet()
    with pytest.raises(SensorError, match="version was asked before the answer to the greeting"):
        talk.ask("version")
    talk.receive(b'{"return":"OK"}\n')
    assert talk.ask("version") == b'{"command":"version"}\n'


def test_a_refused_command_does_not_take_the_turn() -> None:
    talk = Conversation()
    with pytest.raises(SensorError):
        talk.ask("dataset-add", add_of_length(5000))
    assert talk.ask("version")


def test_an_answer_that_nobody_asked_for_is_an_error() -> None:
    with pytest.raises(SensorError, match="not asked"):
        Conversation().receive(b'{"return":"OK"}\n')
    talk = Conversation()
    talk.ask("version")
    with pytest.raises(SensorError, match="not asked"):
        talk.receive(b'{"return":"OK"}\n{"return":"OK"}\n')


def test_hanging_up_names_the_command() -> None:
    talk = Conversation()
    talk.ask("dataset-add", ADD)
    with pytest.raises(SensorError, match="hung up in the middle of dataset-add") as caught:
        talk.receive(b"")
    assert "suricata.log" in caught.value.hint
    with pytest.raises(SensorError, match=r"hung up$"):
        Conversation().receive(b"")


@pytest.mark.parametrize(
    "line",
    [
        b"220 mail.example ESMTP\n",
        b"[]\n",
        b'{"message":1}\n',
        b'{"message":1,"return":"\xac"}\n',
    ],
)
def test_another_program_behind_the_socket_is_named(line: bytes) -> None:
    talk = Conversation()
    talk.greet()
    with pytest.raises(SensorError, match="is not Suricata"):
        talk.receive(line)


def test_what_is_no_text_in_a_message_is_shown_as_far_as_it_is() -> None:
    talk = Conversation()
    talk.greet()
    answer = talk.receive(b'{"message":["alert \xac"],"return":"OK"}\n')
    assert answer is not None
    assert answer.decode(list[str]) == ["alert \ufffd"]
    assert answer.text == '["alert \ufffd"]'
    assert answer.outcome is Outcome.OTHER


def test_a_message_of_another_shape_is_shown() -> None:
    answer = msgspec.json.decode(b'{"message":"No string value","return":"OK"}', type=Answer)
    assert answer.ok
    with pytest.raises(SensorError, match="No string value"):
        answer.decode(list[int])
