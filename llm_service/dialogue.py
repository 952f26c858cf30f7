"""The conversation of one call: who may speak, what is remembered, and what the agent says next.

No bus and no engine in here. Events of the call go in and a `Step` comes out: whether to stop the reply that
is being made, and which one to make next. `speak` makes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from contracts.messages import (
    AssistantSnapshot,
    CallEnded,
    CallStarted,
    DtmfReceived,
    EngineFailed,
    Next,
    Outcome,
    PlayoutEnded,
    ReplyCompleted,
    ReplySentence,
    SentenceSynthesized,
    SpeechDismissed,
    SpeechStarted,
    TurnEnded,
)
from llm_service.chain import Answered, Asked, Chain, Part, Sentence, Unanswered
from llm_service.errors import OutOfOrder
from llm_service.fillers import Waiting, noticing_silence
from llm_service.goodbye import says_goodbye
from llm_service.ports import Line, Prompt, Speaker
from llm_service.replies import SCRIPT, Plan, Reply, Words
from llm_service.sentences import SentenceSplitter
from llm_service.states import Text
from runtime.clock import Clock

_REMEMBERED_REPLIES: Final = 16

Said = ReplySentence | EngineFailed | ReplyCompleted


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from an event: first stop making the reply `stop`, then begin to make `reply`."""

    stop: Reply | None = None
    reply: Reply | None = None


@dataclass(slots=True)
class _Exchange:
    """A turn of the caller and what was replied to it; the greeting answers nothing."""

    keys: str = ""
    caller: str = ""
    replies: list[Reply] = field(default_factory=list)

    def asked(self) -> list[Line]:
        """The caller's part."""
        keys = [Line(Speaker.KEYPAD, self.keys)] if self.keys else []
        return [*keys, Line(Speaker.CALLER, self.caller)] if self.caller else keys

    def lines(self) -> list[Line]:
        """Both parts, as far as they were heard."""
        answer = " ".join(heard for reply in self.replies if (heard := reply.heard))
        return [*self.asked(), Line(Speaker.AGENT, answer)] if answer else self.asked()


class Dialogue:
    """One call's conversation with one assistant."""

    def __init__(self, assistant: AssistantSnapshot, chain: Chain, clock: Clock, *, tenant: str = "") -> None:
        self._tenant = tenant
        self._assistant = assistant
        self._chain = chain
        self._clock = clock
        self._exchanges: deque[_Exchange] = deque(maxlen=assistant.memory_turns + 1)
        self._replies: deque[Reply] = deque(maxlen=_REMEMBERED_REPLIES)
        self._numbered = 0
        self._keys = ""
        self._last_turn = 0
        self._last_speech = 0
        self._floor: int | None = None  # the turn with which the caller took the floor

    @property
    def lines(self) -> tuple[Line, ...]:
        """The conversation as it was heard, as far back as the assistant remembers."""
        return tuple(line for exchange in self._exchanges for line in exchange.lines())

    @property
    def memory_turns(self) -> int:
        """So many turns before the current one are remembered."""
        return self._assistant.memory_turns

    @property
    def growing(self) -> Reply | None:
        """The reply that is being made; at most one is."""
        last = self._replies[-1] if self._replies else None
        return last if last is not None and last.text is Text.GROWING else None

    # -- events --------------------------------------------------------------------------------------

    def take_in(self, body: object) -> Step:
        """Let an event in through its door; what none is for changes nothing. Raises OutOfOrder."""
        step = Step()
        match body:
            case CallStarted():
                step = self.begin()
            case TurnEnded():
                step = self.turn_ended(body)
            case SpeechStarted():
                step = self.speech_started(body)
            case SpeechDismissed():
                step = self.speech_dismissed(body)
            case PlayoutEnded():
                step = self.playout_ended(body)
            case SentenceSynthesized():
                self.sentence_synthesized(body)
            case DtmfReceived():
                self.key_pressed(body)
            case CallEnded():
                step = Step(stop=self.growing)
            case _:
                pass
        return step

    def begin(self) -> Step:
        """The call is answered: greet. Nothing when the conversation is already on."""
        if self._exchanges:
            return Step()
        return self._reply_in(_Exchange(), Plan(turn=None, script=_script(self._assistant.greeting)))

    def turn_ended(self, turn: TurnEnded) -> Step:
        """The caller has spoken: answer. A turn that was answered before is ignored; one without a word
        counts as dismissed.
        """
        if turn.turn <= self._last_turn:
            return Step()
        text = turn.text_pii.strip()
        if not text:
            return self._resume(turn.turn)
        self._last_turn, self._floor = turn.turn, None
        exchange = _Exchange(self._keys, text)
        self._keys = ""
        if says_goodbye(text, self._assistant.goodbye_phrases):
            plan = Plan(turn.turn, script=_script(self._assistant.farewell), then=Next.HANG_UP)
        else:
            plan = Plan(turn.turn, ask=True)
        return self._reply_in(exchange, plan)

    def speech_started(self, speech: SpeechStarted) -> Step:
        """The caller begins to speak: if they may interrupt, what is being said is over. Said again for the
        same turn, as by a replacement of stt, it changes nothing.
        """
        known = max(self._last_turn, self._last_speech)
        if speech.turn <= known or not self._assistant.barge_in:
            return Step()
        self._last_speech = self._floor = speech.turn
        if not self._replies:
            return Step()
        self._replies[-1].talked_over()
        return Step(stop=self.growing)

    def speech_dismissed(self, speech: SpeechDismissed) -> Step:
        """It was no speech: what it interrupted goes on."""
        return self._resume(speech.turn)

    def playout_ended(self, report: PlayoutEnded) -> Step:
        """The gateway reports what was heard of a reply; raises OutOfOrder for a reply nobody gave."""
        reply = self._reply(report.reply)
        reply.played(report)
        return Step(stop=reply if reply.text is Text.GROWING else None)

    def sentence_synthesized(self, sentence: SentenceSynthesized) -> None:
        """A sentence's length in time is known; raises OutOfOrder for a reply nobody gave."""
        if sentence.outcome is Outcome.DONE:
            self._reply(sentence.reply).sounds(sentence.index, sentence.audio_ms)

    def key_pressed(self, key: DtmfReceived) -> None:
        """The caller pressed a key: remembered, and told to the engines with the next turn."""
        self._keys += key.digit_pii

    # -- speaking ------------------------------------------------------------------------------------

    async def speak(self, reply: Reply) -> AsyncGenerator[Said, None]:
        """Make a reply: its sentences as they are ready, the failures on the way, its completion at the end.

        Closed or cancelled before its end, it leaves the reply to `cut`.
        """
        for words in reply.left_of_script():
            yield reply.say(words, self._clock.monotonic_s())
        if not reply.plan.ask:
            yield reply.complete(Outcome.DONE, self._clock.monotonic_s())
            return
        if excused := self._rest_of_excuse(reply):
            for said in excused:
                yield said
            return
        after_s = self._assistant.filler_after_ms / 1000
        async with (
            aclosing(self._chain.answer(self._prompt(reply))) as answer,
            aclosing(noticing_silence(answer, after_s, self._clock)) as parts,
        ):
            async for part in parts:
                for said in self._tell(reply, part):
                    yield said

    def pass_over(self, replies: int) -> None:
        """So many replies were given before the first that it hears of: what follows counts on from there."""
        self._numbered = replies

    def recalled(self, body: ReplySentence | ReplyCompleted, at_s: float) -> Reply:
        """What a worker before this one said, as the record has it, said at `at_s`; the reply it is of.

        Nobody hears of it again: it is what this dialogue goes on from.
        """
        reply = self._recorded(body.reply, body.turn)
        if isinstance(body, ReplyCompleted):
            reply.recall_completed(body)
        else:
            filler = body.engine == SCRIPT and reply.plan.ask and body.text_pii in self._assistant.fillers
            reply.recall_sentence(body, at_s, filler=filler)
        return reply

    def _tell(self, reply: Reply, part: Part | Waiting) -> list[Said]:
        """What is to be said of a part of the answer."""
        now_s = self._clock.monotonic_s()
        match part:
            case Asked(engine):
                reply.engine = engine
            case Waiting():
                return [reply.say(words, now_s) for words in self._filler(reply)]
            case Sentence(text, engine):
                return [] if reply.repeats(text) else [reply.say(Words(text, engine), now_s)]
            case EngineFailed():
                return [part]
            case Answered(_, prompt_tokens, completion_tokens):
                tokens = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
                return [reply.complete(Outcome.DONE, now_s, **tokens)]
            case Unanswered(failed):
                return self._give_up(reply, failed=failed)
        return []

    def _filler(self, reply: Reply) -> tuple[Words, ...]:
        """Something to say while an answer is made; in turn, so that nobody hears the same each time."""
        fillers = self._assistant.fillers
        if not fillers or reply.plan.script or reply.begun:
            return ()
        return (Words(fillers[reply.number % len(fillers)], filler=True),)

    def cut(self, reply: Reply) -> ReplyCompleted | None:
        """Nothing more is made of `reply`; None when it was complete before it could be stopped."""
        return reply.cut(self._clock.monotonic_s())

    def _give_up(self, reply: Reply, *, failed: bool) -> list[Said]:
        """No engine answers. With nothing said yet: apologize and end the call when they failed, admit not to
        know when none knew. In the middle of an answer: leave it at what was said.
        """
        said: list[Said] = []
        if not reply.said:
            excuse = self._assistant.apology if failed else self._assistant.unanswered
            said.extend(reply.say(words, self._clock.monotonic_s()) for words in _script(excuse))
            reply.then = Next.HANG_UP if failed else reply.then
        outcome = Outcome.FAILED if failed else Outcome.DONE
        return [*said, reply.complete(outcome, self._clock.monotonic_s())]

    def _rest_of_excuse(self, reply: Reply) -> list[Said]:
        """The rest of the excuse with which a worker before this one gave up, and the reply's end."""
        for excuse, failed in ((self._assistant.apology, True), (self._assistant.unanswered, False)):
            left = reply.excuse_left(_script(excuse))
            if left is not None:
                now_s = self._clock.monotonic_s()
                reply.then = Next.HANG_UP if failed else reply.then
                outcome = Outcome.FAILED if failed else Outcome.DONE
                return [*(reply.say(words, now_s) for words in left), reply.complete(outcome, now_s)]
        return []

    def _prompt(self, reply: Reply) -> Prompt:
        *earlier, current = self._exchanges
        lines = [line for exchange in earlier for line in exchange.lines()]
        return Prompt(self._assistant, (*lines, *current.asked()), reply.said, self._tenant)

    # -- state ---------------------------------------------------------------------------------------

    def _reply_in(self, exchange: _Exchange, plan: Plan) -> Step:
        stop = self.growing
        if not self._exchanges or self._exchanges[-1] is not exchange:
            self._exchanges.append(exchange)
        self._numbered += 1
        reply = Reply(self._numbered, plan, SCRIPT, self._clock.monotonic_s())
        exchange.replies.append(reply)
        self._replies.append(reply)
        return Step(stop, reply)

    def _resume(self, turn: int) -> Step:
        if self._floor != turn:
            return Step()
        self._floor = None
        if not self._replies or not self._replies[-1].interrupted:
            return Step()
        plan = self._replies[-1].resumption()
        return Step() if plan is None else self._reply_in(self._exchanges[-1], plan)

    def _recorded(self, number: int, turn: int | None) -> Reply:
        """The reply of that number in the record. Where it answers another turn than the one that has the
        number here, the record is right: the order of events may have looked different to who gave it.
        """
        here = next((reply for reply in self._replies if reply.number == number), None)
        if here is not None and here.plan.turn == turn:
            return here
        if here is not None:
            self._forget(here)
        later = (reply for reply in self._replies if reply.plan.turn == turn and not reply.begun)
        reply = next((reply for reply in later if reply.number > number), None)
        if reply is None:
            reply = Reply(number, Plan(turn, ask=turn is not None), SCRIPT, self._clock.monotonic_s())
            self._exchange_of(turn).replies.append(reply)
            self._replies.append(reply)
        reply.number = number
        self._numbered = max(known.number for known in self._replies)
        self._last_turn = max(self._last_turn, turn or 0)
        return reply

    def _forget(self, reply: Reply) -> None:
        self._replies.remove(reply)
        for exchange in self._exchanges:
            exchange.replies = [kept for kept in exchange.replies if kept is not reply]

    def _exchange_of(self, turn: int | None) -> _Exchange:
        """The exchange in which that turn was answered before, else the latest."""
        for exchange in self._exchanges:
            if any(reply.plan.turn == turn for reply in exchange.replies):
                return exchange
        if not self._exchanges:
            self._exchanges.append(_Exchange())
        return self._exchanges[-1]

    def _reply(self, number: int) -> Reply:
        for reply in self._replies:
            if reply.number == number:
                return reply
        raise OutOfOrder(
            f"reply {number} is not one of the last of this call", mend="see which process sent the event"
        )


@lru_cache(maxsize=256)  # every turn asks for what it would say if no engine answered
def _script(text: str) -> tuple[Words, ...]:
    splitter = SentenceSplitter()
    return tuple(Words(sentence) for sentence in (*splitter.feed(text), *splitter.flush()))
