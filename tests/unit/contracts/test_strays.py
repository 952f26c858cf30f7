from typing import Any

import pytest

from contracts.channel import Channel
from contracts.channels import CHANNELS
from contracts.strays import ROOTS, stray_subjects

STRAYS = [
    'x = "call.>"',
    'x = "call.*.*.turn.ended"',
    'x = f"call.{tenant}.{call}.turn.ended"',
    'x = f"call.{ref.tenant}.{ref.call}.>"',
    'x = f"call.{ref}"',
    'x = "call." + tenant + ".>"',
    'x = f"audio.{process}.*.*"',
    'x = "audio.stt-1.bright-smile.019b78c9-0a80-78f1-91b7-584a2265b1f5"',
    'x = "live.{}.{}.levels".format(tenant, call)',
    'x = "cmd.%s.%s.hangup" % (tenant, call)',
    'x = "cmd.bright-smile.0190.hangup"',
    'x = f"worker.{role}.{process}.heartbeat"',
    'x = "worker.stt.stt-1.assign"',
    'x = "worker.stt.*.heartbeat"',
    'x = "rpc.session.open"',
    'x = f"rpc.{service}.{method}"',
    'x = "rpc.session.>"',
    'x = f"$KV.assistants.{number}"',
    'x = "$KV.calls.>"',
    'x = b"call.acme.0190.turn.ended"',
    'subscribe(subject="call.>")',
    '@broker.subscriber("rpc.tools.run")\ndef f(): ...',
    'x = ".".join(["call", tenant, call, "turn", "ended"])',
    'x = ".".join(("worker", role, process, "heartbeat"))',
    'x = ("call."\n     "*.*.>")',
    'help = "watch every call with `nats sub call.>`"',
    "x = f\"{bus.subscribe('call.*.*.>')}\"",
    'def f(subject: str = "cmd.*.*.hangup"): ...',
]
FINE = [
    'x = "call.started"',
    'x = "turn.ended"',
    'x = "session.open"',
    'x = "leg.ended"',
    'x = "The caller ended the call."',
    'x = f"no such call. {mend}"',
    'x = f"{name} is on a call."',
    'x = "one call... and another"',
    'open("audio.wav")',
    'x = f"recording/audio.{suffix} is missing"',
    "import audio.codec",
    'x = "audio.codec"',
    'x = "trunkline.audio.stt-1.a.b"',
    'x = "phone-call.a.b.c"',
    'x = "worker.started"',
    'x = f"{worker}.stt.stt-1.assign"',
    'x = "SELECT call.id FROM call"',
    'x = ".".join([tenant, call])',
    'x = ", ".join(["call", tenant, call, "x", "y"])',
    'def f():\n    """Hears `call.{tenant}.{call}.>`."""',
    '"""A module about `audio.*.*.*`."""',
    "x = 5",
    "# call.>",
]


@pytest.mark.parametrize("source", STRAYS)
def test_a_subject_written_out_is_found(source: str) -> None:
    assert len(stray_subjects(source)) == 1


@pytest.mark.parametrize("source", FINE)
def test_what_is_no_subject_is_left_alone(source: str) -> None:
    assert stray_subjects(source) == []


def test_a_stray_is_told_with_its_line_and_with_holes_for_what_is_filled_in() -> None:
    source = 'a = 1\nb = f"call.{tenant}.{call}.>"\n\nc = "$KV.calls.*"\n'

    assert stray_subjects(source) == [(2, "call.{}.{}.>"), (4, "$KV.calls.*")]


@pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
def test_every_pattern_of_the_table_would_be_found(row: Channel[Any]) -> None:
    pattern, wildcard = row.pattern, row.wildcard()

    assert stray_subjects(f"x = {pattern!r}")
    assert stray_subjects(f"x = f{pattern!r}")
    assert stray_subjects(f"x = {wildcard!r}")


def test_every_first_token_of_the_table_is_known() -> None:
    assert set(ROOTS) == {row.pattern.split(".")[0] for row in CHANNELS}
