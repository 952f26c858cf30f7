import re
from dataclasses import replace
from typing import Any

import pytest

from contracts.channel import Channel, Plane
from contracts.channels import CHANNELS, HANG_UP, RECORD_READERS
from contracts.errors import ContractError
from contracts.generate.diagram import BEGIN, END, diagram, with_diagram

TEXT = diagram()
EDGES = re.findall(r"^    (\w+) (-->|==>|-\.->)\|(.+)\| (\w+)$", TEXT, flags=re.MULTILINE)
NAMES_BY_EDGE = {(sender, receiver, arrow): names.split("<br>") for sender, arrow, names, receiver in EDGES}


def drawn(sender: str, receiver: str) -> set[str]:
    return {
        name for (a, b, _), names in NAMES_BY_EDGE.items() if (a, b) == (sender, receiver) for name in names
    }


@pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
def test_every_channel_is_drawn_from_who_says_it_to_who_hears_it(row: Channel[Any]) -> None:
    workers = {"stt", "llm", "tts"}
    for sender in row.producers:
        for receiver in row.consumers:
            if sender == receiver or (row.plane is Plane.RECORD and receiver in RECORD_READERS):
                continue
            senders = {sender, "workers"} if sender in workers else {sender}
            receivers = {receiver, "workers"} if receiver in workers else {receiver}
            assert any(row.name in drawn(a, b) for a in senders for b in receivers)


def test_nothing_is_drawn_that_is_not_in_the_table() -> None:
    assert {name for names in NAMES_BY_EDGE.values() for name in names} - {row.name for row in CHANNELS} == {
        "every call event"
    }


def test_the_arrow_tells_audio_events_and_requests_apart() -> None:
    assert NAMES_BY_EDGE["gateway", "stt", "==>"] == ["audio.caller"]
    assert "turn.ended" in NAMES_BY_EDGE["stt", "llm", "-->"]
    assert "session.open" in NAMES_BY_EDGE["gateway", "session", "-.->"]


def test_what_goes_to_all_three_workers_is_one_arrow_to_their_box() -> None:
    assert drawn("session", "workers") == {
        "call.ended",
        "call.reassigned",
        "call.detached",
        "assign",
        "release",
    }
    assert drawn("session", "stt") == set()
    assert drawn("workers", "session") == {"heartbeat"}


def test_the_record_reaches_its_readers_through_the_stream() -> None:
    assert drawn("gateway", "stream") == drawn("workers", "stream") == {"every call event"}
    for reader in RECORD_READERS:
        assert f"    stream --> {reader}\n" in TEXT
        assert not drawn("gateway", reader) & {row.name for row in CHANNELS if row.plane is Plane.RECORD}


def test_a_new_row_is_drawn_at_once() -> None:
    new: Channel[Any] = replace(HANG_UP, name="mute", producers=("console",))

    assert "    console -.->|mute| gateway\n" in diagram([*CHANNELS, new])


def test_the_diagram_replaces_what_stood_between_the_marks() -> None:
    text = f"# Title\n\n{BEGIN}\nold\n{END}\nThe end.\n"
    once = with_diagram(text)

    assert once.startswith(f"# Title\n\n{BEGIN}\n```mermaid\nflowchart LR\n")
    assert once.endswith(f"{END}\nThe end.\n")
    assert "old" not in once
    assert with_diagram(once) == once


@pytest.mark.parametrize("text", ["", "# Title\n", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n"])
def test_a_text_without_both_marks_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="diagram:begin"):
        with_diagram(text)
