"""One synthetic call from its arrival to its end, and what its caller heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from runtime.clock import Clock
from trunkline.admittance import Admit, without_token
from trunkline.caller import Caller, Connect, Dialling, Said, Wire
from trunkline.errors import CallFailed, CallRefused
from trunkline.load.report import HEARD_OUT, CallRecord, Turn
from trunkline.load.script import Script
from trunkline.media_socket import Receiver, connect_media
from trunkline.metronome import Metronome
from trunkline.turn_taking import hear_greeting
from trunkline.utterance import LINE_RATE_HZ

FRAME_S: Final = 0.02
_LISTENS_ON_S: Final = 2.5
_PER_MS: Final = LINE_RATE_HZ / 1000


def connect_in_phase(clock: Clock, phase: float, connect: Connect = connect_media) -> Connect:
    """Connect so that the call's frames leave at `phase` (0 to 1) of the frame period, as they would from
    hundreds of telephones: not all in the same millisecond, and not in the order of arrival.
    """

    async def connected(url: str, receiver: Receiver) -> Wire:
        wire = await connect(url, receiver)
        await clock.sleep((phase * FRAME_S - clock.monotonic_s()) % FRAME_S)
        return wire

    return connected


@dataclass
class Talker:
    """One call by script. `may_begin` is awaited once the caller is through and has heard the greeting;
    it gives the moment of the monotonic clock at which the script begins. Instead of another utterance the
    caller hangs up where that is `enough`. `up` and `spurts`, how often the agent spoke so far, are for those
    who watch.
    """

    dialling: Dialling
    script: Script
    talk_s: float
    clock: Clock
    zero_s: float
    connect: Connect
    may_begin: Callable[[], Awaitable[float]]
    greeting: bool = True
    admit: Admit = without_token
    enough: Callable[[], bool] = lambda: False
    metronome: Metronome | None = None
    up: bool = False
    spurts: int = 0

    async def talk(self) -> CallRecord:
        """Hold the call; what breaks it is in the record."""
        began_s = self.clock.monotonic_s() - self.zero_s
        caller = Caller(
            self.dialling,
            self.clock,
            connect=self.connect,
            keep_audio=False,
            admit=self.admit,
            metronome=self.metronome,
        )
        try:
            async with caller:
                self.up = True
                await self._follow_script(caller)
            ending = HEARD_OUT
        except CallRefused as error:
            ending = f"refused_{error.close_code}"
        except CallFailed:
            ending = "lost" if self.up else "not_connected"
        finally:
            self.up = False
        return self._record(caller, began_s, ending)

    async def _follow_script(self, caller: Caller) -> None:
        if self.greeting:
            await hear_greeting(caller)
        caller.check()
        begins_s = await self.may_begin()
        for at_s, utterance in self.script.schedule(self.talk_s):
            await self._until(caller, begins_s + at_s)
            if self.enough():
                return
            caller.say(utterance)
        await self._until(caller, begins_s + self.talk_s + _LISTENS_ON_S)

    async def _until(self, caller: Caller, moment_s: float) -> None:
        while (left_s := moment_s - self.clock.monotonic_s()) > 0:
            caller.check()
            self.spurts = len(caller.ear.spurts)
            await self.clock.sleep(min(left_s, 1.0))
        caller.check()

    def _record(self, caller: Caller, began_s: float, ending: str) -> CallRecord:
        call_zero_s = caller.now / -LINE_RATE_HZ + self.clock.monotonic_s() - self.zero_s
        return CallRecord(
            called=self.dialling.called,
            carrier_call_id=self.dialling.carrier_call_id,
            began_s=round(began_s, 3),
            ended_s=round(self.clock.monotonic_s() - self.zero_s, 3),
            ending=ending,
            turns=tuple(turns_of(caller, call_zero_s)),
            away=tuple(aways_of(caller, call_zero_s)),
            expected=len(caller.said) if self.enough() else sum(1 for _ in self.script.schedule(self.talk_s)),
            frames_sent=caller.frames_sent,
            frames_heard=caller.ear.frames,
            worst_lateness_ms=round(caller.worst_lateness_ms, 1),
        )


def turns_of(caller: Caller, call_zero_s: float) -> list[Turn]:
    """What followed each utterance that was said, until the next one began."""
    begun = [said for said in caller.said if said.left is not None]
    return [_turn(caller, said, after, call_zero_s) for said, after in pairwise([*begun, None]) if said]


def _turn(caller: Caller, said: Said, after: Said | None, call_zero_s: float) -> Turn:
    assert said.left is not None
    until = after.began if after is not None and after.began is not None else caller.now
    spurts = [one for one in caller.ear.spurts if said.left < one.arrived <= until]
    return Turn(
        said_s=round(call_zero_s + said.left / LINE_RATE_HZ, 3),
        waited_ms=round((spurts[0].arrived - said.left) / _PER_MS, 2) if spurts else None,
        heard_ms=round(sum(max(0, one.heard_until - one.arrived) for one in spurts) / _PER_MS, 1),
        gaps_ms=round(sum(max(0, b.arrived - a.heard_until) for a, b in pairwise(spurts)) / _PER_MS, 1),
        audible_ms=round(sum(one.audible for one in spurts) / _PER_MS, 1),
    )


def aways_of(caller: Caller, call_zero_s: float) -> list[tuple[float, float]]:
    """When the socket of a call that was not over yet was lost, and when it was there again."""
    return [
        (round(call_zero_s + away.since / LINE_RATE_HZ, 3), round(call_zero_s + away.until / LINE_RATE_HZ, 3))
        for away in caller.aways
        if away.until is not None
    ]


class Gate:
    """Opens when everybody is there: each who comes waits for the others, and who cannot come is given up."""

    def __init__(self, expected: int, clock: Clock) -> None:
        self.opened_s: float | None = None
        self._missing = expected
        self._clock = clock
        self._open = asyncio.Event()

    async def wait(self) -> float:
        """Come, and wait for the rest; the moment at which it opened."""
        self.one_less()
        await self._open.wait()
        assert self.opened_s is not None
        return self.opened_s

    def one_less(self) -> None:
        """Nobody need wait for this one any more."""
        self._missing -= 1
        if self._missing == 0:
            self.opened_s = self._clock.monotonic_s()
            self._open.set()
