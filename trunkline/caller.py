"""A caller: one telephone that dials the platform over Twilio Media Streams, speaks and listens in real time.

Frames of 20 ms leave on an absolute schedule, speech or silence, so that a late one does not make the next
one late. What was said and what was heard lie on one clock, whose zero is the moment the call began. The
demo, `trunkline call` and the load tool are all made of this.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import picows
from numpy.typing import NDArray
from pybase64 import b64decode

from audio.g711 import decode_mulaw
from runtime.clock import Clock
from runtime.tasks import TaskOwner
from trunkline.admittance import Admit, without_token
from trunkline.earpiece import Earpiece
from trunkline.errors import CallFailed, CallRefused
from trunkline.media_messages import StreamMessages
from trunkline.media_socket import Receiver, connect_media
from trunkline.metronome import Metronome
from trunkline.utterance import LINE_RATE_HZ, Utterance

FRAME_SAMPLES: Final = LINE_RATE_HZ // 50
_FRAME_S: Final = FRAME_SAMPLES / LINE_RATE_HZ
_SILENCE: Final = b"\xff" * FRAME_SAMPLES
_CLOSED_AS_AGREED: Final = (picows.WSCloseCode.OK.value, picows.WSCloseCode.NO_INFO.value)
_LOST: Final = frozenset({1001, 1006, 1012})
# The platform may not know yet that the gateway of before is lost (1008), or have no room for a moment.
_NOT_YET: Final = frozenset({*_LOST, 1008, 1011, 4503})
RETURN_WITHIN_S: Final = 15.0
_FIRST_TRY_AFTER_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 1.0
_BACK_AGAIN_S: Final = 2.0
_FAREWELL_S: Final = 2.0


class Wire(Protocol):
    """The way to the platform."""

    def send(self, message: bytes) -> None:
        """Send one message, at once and without blocking."""
        ...

    def close(self) -> None:
        """Close it; the receiver is told."""
        ...


Connect = Callable[[str, Receiver], Awaitable[Wire]]


@dataclass(frozen=True, slots=True)
class Dialling:
    """Who calls whom, where. The carrier's call id is how the platform's own record finds this call.

    `others` are gateways of the same platform, to come back through when the one at `url` is lost.
    """

    url: str
    called: str
    caller: str
    carrier_call_id: str
    token: str | None = None
    others: tuple[str, ...] = ()


def new_carrier_call_id(rng: random.Random) -> str:
    """A call id as Twilio's look."""
    return f"CA{rng.getrandbits(128):032x}"


class Ending(NamedTuple):
    """How the call ended: the WebSocket's close code and reason, and whether the caller hung up."""

    code: int
    reason: str
    by_caller: bool

    @property
    def agreed(self) -> bool:
        """Whether one side hung up, rather than refused or lost the call."""
        return self.by_caller or self.code in _CLOSED_AS_AGREED


@dataclass(slots=True)
class _Outage:
    """The socket was lost, and the call is not given up yet."""

    since_s: float
    ending: Ending
    tries: int = 0


@dataclass(slots=True)
class Said:
    """An utterance on its way. Positions are samples on the call's clock, None until they have left."""

    utterance: Utterance
    began: int | None = None
    left: int | None = None
    """When the frame with the last sample of speech really left; a late one leaves after `speech_ended`."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def speech_began(self) -> int | None:
        """When the frame with the first sample of speech left."""
        return None if self.began is None else self.began + _frame_start(self.utterance.speech_start)

    @property
    def speech_ended(self) -> int | None:
        """When the frame with the last sample of speech left."""
        return None if self.began is None else self.began + _frame_start(self.utterance.speech_end - 1)


@dataclass(slots=True)
class Away:
    """A stretch without a socket, on the call's clock; what is said then reaches nobody."""

    since: int
    until: int | None = None


def _frame_start(sample: int) -> int:
    return max(sample, 0) // FRAME_SAMPLES * FRAME_SAMPLES


class Caller:
    """One call from `async with` to its end. Every wait raises CallFailed or CallRefused when it is lost.

    A socket that is lost, or closed because its gateway goes away, is opened anew for `reattach_within_s`, at
    the same gateway and its others in turn, and the call goes on: with the same token, or else the same
    carrier call id. Meanwhile frames go nowhere and time passes, as on a telephone.
    """

    def __init__(
        self,
        dialling: Dialling,
        clock: Clock,
        *,
        connect: Connect = connect_media,
        keep_audio: bool = True,
        admit: Admit = without_token,
        reattach_within_s: float = RETURN_WITHIN_S,
        metronome: Metronome | None = None,
    ) -> None:
        """`metronome`, which somebody else runs, is for who has many callers."""
        self.dialling = dialling
        self.ear = Earpiece(keep=keep_audio)
        self.said: list[Said] = []
        self.frames_sent = 0
        self.worst_lateness_ms = 0.0
        self.began_us = 0
        self.ending: Ending | None = None
        self.returns = 0
        self.aways: list[Away] = []
        self._clock = clock
        self._admit = admit
        self._token = dialling.token
        self._reattach_within_s = reattach_within_s
        self._outage: _Outage | None = None
        self._attached_s = 0.0
        self._connect = connect
        self._keep = keep_audio
        self._wire: Wire | None = None
        self._messages = StreamMessages(
            f"MZ{dialling.carrier_call_id.removeprefix('CA')}", dialling.carrier_call_id
        )
        self._tasks = TaskOwner("caller", on_failure=self._broke)
        self._metronome = metronome
        self._hung_up = False
        self._fault: BaseException | None = None
        self._zero_s = 0.0
        self._waiting: deque[Said] = deque()
        self._speaking: Said | None = None
        self._spoken = bytearray()
        self._tick = asyncio.Event()
        self._over = asyncio.Event()
        self._hanging_up = False

    # -- the call ------------------------------------------------------------------------------------

    async def dial(self) -> None:
        """Connect and say who calls whom; sound flows from now on. Raises CallFailed."""
        if self._token is None:
            self._token = await self._admit(self.dialling)
        await self._attach(self.dialling.url)
        self._zero_s, self.began_us = self._clock.monotonic_s(), self._clock.now_us()
        metronome = self._metronome
        if metronome is None:
            metronome = Metronome(self._clock)
            self._tasks.spawn(metronome.run(), "metronome")
        metronome.join(self._beat)

    async def _attach(self, url: str) -> None:
        """Bring the leg to a gateway. With a token, that alone says who calls whom."""
        wire = await self._connect(url, self)
        numbers = {"to": self.dialling.called, "from": self.dialling.caller}
        wire.send(self._messages.connected())
        wire.send(self._messages.start({"token": self._token} if self._token else numbers))
        self._wire, self._attached_s = wire, self._clock.monotonic_s()

    async def hang_up(self) -> None:
        """Say that the call is over, and close the socket."""
        if self.ending is None and self._wire is not None and not self._hanging_up:
            self._hanging_up = True
            self._wire.send(self._messages.stop())
            self._wire.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), _FAREWELL_S)
        elif self.ending is None and self._outage is not None:
            self._end(self._outage.ending._replace(by_caller=True))
        self._hung_up = True
        await self._tasks.close()

    async def __aenter__(self) -> Caller:
        await self.dial()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    # -- what the script says and waits for ----------------------------------------------------------

    @property
    def now(self) -> int:
        """The call's clock, in samples at 8 kHz."""
        return round((self._clock.monotonic_s() - self._zero_s) * LINE_RATE_HZ)

    def say(self, utterance: Utterance) -> Said:
        """Begin to say it with the next frame, or after what is being said."""
        said = Said(utterance)
        self.said.append(said)
        self._waiting.append(said)
        return said

    def press(self, digit: str) -> None:
        """Press a key of the telephone, now."""
        self._send(self._messages.dtmf(digit))

    async def until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Wait until `holds()`, looking once a frame; False when it does not within `within_s`.

        Raises CallRefused or CallFailed when the call is over before.
        """
        deadline_s = self._clock.monotonic_s() + within_s
        while not holds():
            self.check()
            if self._clock.monotonic_s() >= deadline_s:
                return False
            self._tick.clear()
            await self._tick.wait()
        return True

    async def until_answered(self, after: int, quiet_s: float, within_s: float) -> bool:
        """Wait until the agent has spoken after the sample `after` and then kept quiet for `quiet_s`."""

        def answered() -> bool:
            silent_since = self.ear.silent_since(self.now)
            spoke = any(spurt.heard_until > after for spurt in self.ear.spurts)
            return spoke and silent_since is not None and self.now - silent_since >= quiet_s * LINE_RATE_HZ

        return await self.until(answered, within_s)

    def check(self) -> None:
        """Raise CallRefused or CallFailed when the call is over, and whatever broke this caller."""
        if self._fault is not None:
            raise self._fault
        if self.ending is None:
            return
        if self.ending.agreed:
            raise CallFailed("the call is over", mend="the agent hung up before the caller was done")
        if self.ending.code == picows.WSCloseCode.ABNORMAL_CLOSURE.value:
            raise CallFailed("the connection was lost", mend="does the gateway still run? its log says more")
        raise CallRefused(self.ending.code, self.ending.reason)

    def waited_ms(self, arrived: int) -> float | None:
        """From the last sample said before `arrived` to then: what the caller waited for an answer."""
        ends = [said.speech_ended for said in self.said if said.finished.is_set()]
        before = [end for end in ends if end is not None and end <= arrived]
        return (arrived - max(before)) * 1000 / LINE_RATE_HZ if before else None

    # -- the two sides of the recording ----------------------------------------------------------------

    def spoken(self) -> NDArray[np.int16]:
        """All that was said, from the call's beginning."""
        return decode_mulaw(bytes(self._spoken))

    def last_said(self, samples: int) -> bytes:
        """The mu-law of the last `samples` that were said."""
        return bytes(self._spoken[-samples:])

    def heard(self) -> NDArray[np.int16]:
        """All that was heard, on the same clock."""
        return self.ear.heard()

    # -- 50 times a second -----------------------------------------------------------------------------

    def _beat(self) -> float | None:
        """What is due now; when the next frame is."""
        if self._hung_up or self.ending is not None or self._fault is not None:
            return None
        try:
            self._speak()
        except Exception as fault:  # noqa: BLE001 - one caller's fault is not that of the others
            self._broke(fault)
        return self._due_s

    def _speak(self) -> None:
        late_ms = (self._clock.monotonic_s() - self._due_s) * 1000
        self.worst_lateness_ms = max(self.worst_lateness_ms, late_ms)
        self._send_frame()
        for name in self.ear.passed(self.now):
            self._send(self._messages.mark(name))
        self._tick.set()

    @property
    def _due_s(self) -> float:
        return self._zero_s + self.frames_sent * _FRAME_S

    def _send_frame(self) -> None:
        payload = self._next_payload()
        self._send(self._messages.media(self.frames_sent + 1, self.frames_sent * 20, payload))
        self.frames_sent += 1
        if self._keep:
            self._spoken += payload

    def _next_payload(self) -> bytes:
        at = self.frames_sent * FRAME_SAMPLES
        if self._speaking is None and self._waiting:
            self._speaking = self._waiting.popleft()
            self._speaking.began = at
        speaking = self._speaking
        if speaking is None or speaking.began is None:
            return _SILENCE
        done = at - speaking.began
        payload = speaking.utterance.mulaw[done : done + FRAME_SAMPLES]
        if at == speaking.speech_ended:
            speaking.left = self.now
        if done + FRAME_SAMPLES >= len(speaking.utterance.mulaw):
            self._speaking = None
            speaking.finished.set()
        return payload.ljust(FRAME_SAMPLES, b"\xff")

    def _send(self, message: bytes) -> None:
        if self._wire is not None and self.ending is None:
            self._wire.send(message)

    # -- what comes over the wire ----------------------------------------------------------------------

    def on_message(self, message: dict[str, Any]) -> None:
        """One message of the platform; one of another kind is left alone, as a carrier does."""
        self._outage = None
        match message.get("event"):
            case "media":
                self.ear.play(b64decode(message["media"]["payload"]), self.now)
            case "mark":
                self.ear.mark(message["mark"]["name"], self.now)
            case "clear":
                for name in self.ear.clear(self.now):
                    self._send(self._messages.mark(name))

    def _broke(self, fault: BaseException) -> None:
        self._fault = fault
        self._tick.set()

    def on_closed(self, code: int, reason: str) -> None:
        """The socket is gone; the call with it, unless the leg may come again."""
        self._wire = None
        self.aways.append(Away(self.now))
        ending = Ending(code, reason, self._hanging_up)
        if self._hanging_up or not self._may_return(ending):
            self._end(ending)
        else:
            self._tasks.spawn(self._return(), "return")

    def _end(self, ending: Ending) -> None:
        self.ending, self._outage = ending, None
        self._over.set()
        self._tick.set()

    # -- the leg comes again ---------------------------------------------------------------------------

    def _may_return(self, ending: Ending) -> bool:
        """Whether it was the gateway that was lost, and not the call that ended."""
        now_s = self._clock.monotonic_s()
        if self._outage is not None and now_s - self._attached_s >= _BACK_AGAIN_S:
            self._outage = None  # it was back for a while, without anything to hear
        if self._outage is None and ending.code in _LOST and self._reattach_within_s > 0:
            self._outage = _Outage(now_s, ending)
        return self._outage is not None and ending.code in _NOT_YET

    async def _return(self) -> None:
        """Try once more after a pause, longer each time; give the call up when its time is over."""
        urls = (self.dialling.url, *self.dialling.others)
        while (outage := self._outage) is not None:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_TRY_AFTER_S * 2**outage.tries)
            if self._clock.monotonic_s() + pause_s > outage.since_s + self._reattach_within_s:
                self._end(outage.ending)
                return
            await self._clock.sleep(pause_s)
            outage.tries += 1
            with suppress(CallFailed):
                await self._attach(urls[outage.tries % len(urls)])
                self.returns += 1
                self.aways[-1].until = self.now
                return
