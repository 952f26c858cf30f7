"""What passes is waited out for a while; what does not is said at once."""

from __future__ import annotations

from collections.abc import Iterator

import nats.errors
import nats.js.errors
import pytest

from runtime.patience import passes, patiently

AWAY = nats.js.errors.ServiceUnavailableError(code=503, err_code=10008, description="temporarily unavailable")
NO_ANSWER = nats.errors.TimeoutError()
TOO_FEW = nats.js.errors.BadRequestError(code=400, err_code=10005, description="no suitable peers")
SWITCHED_OFF = nats.js.errors.ServiceUnavailableError(code=503, err_code=10039, description="not enabled")
NO_CLUSTER = nats.js.errors.ServerError(code=500, err_code=10074, description="replicas > 1 not supported")
TAKEN = nats.js.errors.BadRequestError(code=400, err_code=10065, description="subjects overlap")


class Oracle:
    """Answers with one error after the other, then with yes."""

    def __init__(self, *errors: nats.errors.Error) -> None:
        self._errors: Iterator[nats.errors.Error] = iter(errors)
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        for error in self._errors:
            raise error
        return "yes"


async def test_what_passes_is_waited_out_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    oracle = Oracle(AWAY, NO_ANSWER)
    assert await patiently("the stream", oracle.ask) == "yes"
    assert oracle.asked == 3
    assert [record.message for record in caplog.records] == [
        f"the stream has to wait for JetStream, up to 15 s: {AWAY}"
    ]


async def test_patience_has_an_end() -> None:
    oracle = Oracle(AWAY, AWAY)
    with pytest.raises(nats.js.errors.ServiceUnavailableError):
        await patiently("the stream", oracle.ask, patience_s=0)
    assert oracle.asked == 1


@pytest.mark.parametrize("error", [AWAY, NO_ANSWER, TOO_FEW, nats.js.errors.ServiceUnavailableError()])
def test_these_pass(error: nats.errors.Error) -> None:
    assert passes(error)


@pytest.mark.parametrize("error", [SWITCHED_OFF, NO_CLUSTER, TAKEN, nats.errors.ConnectionClosedError()])
async def test_what_stays_is_said_at_once(error: nats.errors.Error) -> None:
    oracle = Oracle(error)
    with pytest.raises(type(error)):
        await patiently("the stream", oracle.ask)
    assert oracle.asked == 1
