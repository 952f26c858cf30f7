"""Where a token comes from, and what is said when none does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_service.media_tokens import verify
from runtime.clock import SystemClock
from runtime.keyring import keyring_file
from tests.unit.trunkline.fake_rest import Rest, fake_rest
from trunkline.admittance import Admit, admittance, by_key_of, from_rest, with_token, without_token
from trunkline.caller import Dialling
from trunkline.errors import BadOption, CallFailed

DIALLING = Dialling("ws://x/media/twilio", "+15550100", "+15550123", "CA1")
CLOCK = SystemClock()


@pytest.fixture
def rest() -> Iterator[tuple[str, type[Rest]]]:
    with fake_rest(b'{"token": "a.b.c", "url": "ws://there"}') as served:
        yield served


async def test_rest_is_asked_for_each_call(rest: tuple[str, type[Rest]]) -> None:
    url, kind = rest
    assert await from_rest(url, "key")(DIALLING) == "a.b.c"
    assert kind.asked == [("/v1/media-tokens", "key", {"to": "+15550100", "from": "+15550123"})]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b'{"detail": "there is no number"}'), "404, there is no number"),
        ((500, b"oops"), "gave no token: 500"),
        ((201, b"{}"), "gave no token"),
        ((201, b'{"token": "a.b.c"}'), "gave no token"),
        ((201, b"[]"), "gave no token"),
        ((201, b"oops"), "gave no token"),
    ],
)
async def test_a_refusal_of_rest_is_passed_on(
    rest: tuple[str, type[Rest]], answer: tuple[int, bytes], said: str
) -> None:
    url, kind = rest
    kind.answer = answer
    with pytest.raises(CallFailed, match=said):
        await from_rest(url, "key")(DIALLING)


async def test_nobody_at_the_address_is_said() -> None:
    with pytest.raises(CallFailed, match=r"127\.0\.0\.1:1/v1/media-tokens gave no token"):
        await from_rest("http://127.0.0.1:1", "key")(DIALLING)


async def test_the_keys_of_a_home_make_one_for_each_call(tmp_path: Path) -> None:
    admit = by_key_of(tmp_path, CLOCK, random.Random(1))
    first, second = await admit(DIALLING), await admit(DIALLING)
    ring = keyring_file(tmp_path / "gateway" / "token-keyring")
    claims = [verify(ring, token or "", CLOCK.now_us(), returns_s=0) for token in (first, second)]
    assert [(one.called, one.caller) for one in claims] == [("+15550100", "+15550123")] * 2
    assert claims[0].call != claims[1].call


async def test_what_was_asked_for_comes_first(tmp_path: Path) -> None:
    assert await admittance(token="t", home=tmp_path, clock=CLOCK)(DIALLING) == "t"
    assert await with_token("t")(DIALLING) == "t"
    assert admittance(home=None, clock=CLOCK) is without_token
    nothing: Admit = without_token
    assert await nothing(DIALLING) is None
    assert await admittance(home=tmp_path, clock=CLOCK)(DIALLING)


@pytest.mark.parametrize("options", [{"api_key": "k"}, {"rest_url": "http://x"}])
def test_a_key_and_an_address_go_together(options: dict[str, str]) -> None:
    with pytest.raises(BadOption, match="go together"):
        admittance(**options, home=None, clock=CLOCK)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(BadOption, match="no address of REST"):
        from_rest("file:///etc/passwd", "key")
