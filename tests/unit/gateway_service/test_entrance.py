import pytest

from gateway_service.entrance import Entrance
from gateway_service.errors import GatewayError, NumberMissing, TokenMissing, TokenRefused
from gateway_service.media_tokens import MediaClaims, issue
from gateway_service.ports import LegOffered, LegStarted
from runtime.keyring import Keyring

CALL = "01997d1e-0000-7000-8000-000000000001"
RING = Keyring({"now": b"\x01" * 32})
TOKEN = issue(
    RING,
    MediaClaims(call=CALL, called="+1555", caller="+1666", tenant="acme", issued_s=100, expires_s=200),
)
SHUT = Entrance(RING, open_loopback=False, returns_s=50)
OPEN = Entrance(RING, open_loopback=True, returns_s=50)


def at(second: int) -> int:
    return second * 1_000_000


@pytest.mark.parametrize("entrance", [SHUT, OPEN])
@pytest.mark.parametrize(("to", "from_"), [(None, None), ("+1555", "+1666"), ("+1555", None)])
def test_the_token_says_which_call_it_is_and_who_calls_whom(
    entrance: Entrance, to: str | None, from_: str | None
) -> None:
    started = entrance.admit(LegOffered("CA1", to, from_, "twilio", TOKEN), at(150))
    assert started == LegStarted("CA1", "+1555", "+1666", "twilio", CALL, "acme")


def test_after_its_time_it_is_good_only_for_a_call_that_goes_on() -> None:
    offered = LegOffered("CA1", None, None, "twilio", TOKEN)
    assert not SHUT.admit(offered, at(199)).late
    assert SHUT.admit(offered, at(201)).late
    with pytest.raises(TokenRefused, match="expired"):
        SHUT.admit(offered, at(251))


@pytest.mark.parametrize(("to", "from_", "named"), [("+1777", None, "to"), ("+1555", "+1777", "from")])
def test_other_numbers_than_the_tokens_are_refused(to: str | None, from_: str | None, named: str) -> None:
    with pytest.raises(TokenRefused, match=f"customParameters.{named} is not the number"):
        OPEN.admit(LegOffered("CA1", to, from_, "twilio", TOKEN, local=True), at(150))


def test_a_caller_of_this_machine_may_come_without_where_that_is_allowed() -> None:
    offered = LegOffered("CA1", "+1555", "+1666", "twilio", local=True)
    assert OPEN.admit(offered, at(0)) == LegStarted("CA1", "+1555", "+1666", "twilio")


REFUSED: list[tuple[Entrance, LegOffered, type[GatewayError], str]] = [
    (SHUT, LegOffered("CA1", "+1555", "+1666", "twilio", local=True), TokenMissing, "no media token"),
    (OPEN, LegOffered("CA1", "+1555", "+1666", "twilio"), TokenMissing, "no media token"),
    (OPEN, LegOffered("CA1", None, "+1666", "twilio", local=True), NumberMissing, "to is missing"),
    (OPEN, LegOffered("CA1", "+1555", None, "twilio", local=True), NumberMissing, "from is missing"),
    (OPEN, LegOffered("CA1", "+1555", "+1666", "twilio", "junk", local=True), TokenRefused, "not valid"),
]


@pytest.mark.parametrize(("entrance", "offered", "error", "said"), REFUSED)
def test_everybody_else_is_refused(
    entrance: Entrance, offered: LegOffered, error: type[GatewayError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        entrance.admit(offered, at(150))
    assert caught.value.close_code == 1008
