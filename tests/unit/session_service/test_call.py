"""A call as it is kept in KV and found again by the next session."""

from __future__ import annotations

import pytest

from contracts.messages import CallChannel, Direction, OpenCall
from session_service.call import begun, restored
from tests.unit.session_service.stage import a_number


@pytest.mark.parametrize("channel", CallChannel)
@pytest.mark.parametrize("direction", Direction)
def test_a_restored_call_is_as_it_was_recorded(channel: CallChannel, direction: Direction) -> None:
    number = a_number(tenant_share=7)
    request = OpenCall(
        call="01997d1e-0000-7000-8000-000000000001",
        called=number.number,
        caller="front desk",
        carrier_call_id="CA1",
        gateway="gateway-1",
        attach=False,
        channel=channel,
        direction=direction,
    )
    kept = begun(request, number, 1_000_000).record()

    assert (kept.channel, kept.direction) == (channel, direction)
    assert restored(kept, {}).record() == kept
    assert restored(kept, {}).assignment(2, resumed=True).share == 7
