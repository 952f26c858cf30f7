"""What must hold of every call, whatever was killed meanwhile; judged by the stream, not by anybody's word.

Pure: events in, faults out. An event is stale when its role had been given to another process before it, in
stream order. Stale events may be in the stream (a frozen worker wakes and finishes its sentence), but nothing
may have been made of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, TypeVar

from contracts.identities import CallRef
from contracts.messages import (
    CallEnded,
    CallReassigned,
    CallRejected,
    CallStarted,
    Event,
    LegEnded,
    Message,
    Next,
    Outcome,
    PlayoutEnded,
    ReplyCompleted,
    ReplySentence,
    Role,
    SpeechDismissed,
    SpeechStarted,
    TurnEnded,
)
from contracts.wire import channel_of

_ROLES: Final = {role.value: role for role in Role}

_Body = TypeVar("_Body")


@dataclass(frozen=True, slots=True)
class Fault:
    """A promise that was broken: which, in which call, and by what."""

    promise: str
    call: str
    detail: str


@dataclass(slots=True)
class Story:
    """One call as the stream tells it: what counts, in order, and what was stale. `places` are those of its
    events in the stretch of the stream, by id; from the stream's beginning they are its sequence numbers.
    """

    ref: CallRef
    events: list[Event[Any]] = field(default_factory=list)
    stale: list[Event[Any]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    since: dict[Role, int] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)

    def bodies(self, kind: type[_Body]) -> Iterator[_Body]:
        """Bodies of one kind that count, in order."""
        return (event.body for event in self.events if isinstance(event.body, kind))

    @property
    def accepted(self) -> bool:
        """Whether it was answered at all."""
        return any(True for _ in self.bodies(CallStarted))

    @property
    def over(self) -> bool:
        """Whether its end is told."""
        return any(True for _ in self.bodies(CallEnded))


def stories(events: Iterable[Event[Any]]) -> list[Story]:
    """The calls in a stretch of the stream, each with its stale events set apart."""
    found: dict[CallRef, Story] = {}
    for place, event in enumerate(events, start=1):
        story = found.setdefault(event.ref, Story(event.ref))
        story.places.setdefault(event.id, place)
        role = role_of(event)
        if role is not None and 0 < event.epoch < story.since.get(role, 1):
            story.stale.append(event)
            continue
        if isinstance(event.body, CallReassigned):
            story.since[event.body.role] = event.body.epoch
            story.epochs.append(event.body.epoch)
        story.events.append(event)
    return list(found.values())


def role_of(event: Event[Any]) -> Role | None:
    """The role that says this kind of event; None where more than one may, or none of the roles."""
    roles = [_ROLES[name] for name in channel_of(event.body).producers if name in _ROLES]
    return roles[0] if len(roles) == 1 else None


def faults_of(story: Story) -> list[Fault]:
    """Every promise that this call broke."""
    if not story.accepted:
        return []
    return [
        Fault(promise, story.ref.call, detail)
        for promise, check in PROMISES.items()
        for detail in check(story)
    ]


def _ends_once(story: Story) -> Iterator[str]:
    ends = sum(1 for _ in story.bodies(CallEnded))
    if ends != 1:
        yield f"call.ended {ends} times"


def _starts_once(story: Story) -> Iterator[str]:
    starts = sum(1 for _ in story.bodies(CallStarted))
    if starts != 1:
        yield f"call.started {starts} times"
    if any(True for _ in story.bodies(CallRejected)):
        yield "answered and rejected"


def _epochs_grow(story: Story) -> Iterator[str]:
    if any(later <= earlier for earlier, later in zip(story.epochs, story.epochs[1:], strict=False)):
        yield f"epochs {story.epochs}"


def _nothing_came_of_stale(story: Story) -> Iterator[str]:
    stale = {event.id: event for event in story.stale}
    for event in story.events:
        if event.cause in stale:
            because = stale[event.cause]
            yield f"{channel_of(event.body).name} followed from stale {channel_of(because.body).name}"


def _each_turn_decided_once(story: Story) -> Iterator[str]:
    decided = Counter(body.turn for body in _decisions(story))
    for turn, times in decided.items():
        if times != 1:
            yield f"turn {turn} was decided {times} times"
    if decided and sorted(decided) != list(range(min(decided), max(decided) + 1)):
        yield f"turns {sorted(decided)}"


def _each_speech_decided(story: Story) -> Iterator[str]:
    decided = {body.turn for body in _decisions(story)}
    begun = {body.turn for body in story.bodies(SpeechStarted)}
    missing = begun - decided
    if missing and missing != {max(begun)}:  # the last one may be cut off by the end of the call
        yield f"turns {sorted(missing)} began and were never decided"


def _decisions(story: Story) -> Iterator[TurnEnded | SpeechDismissed]:
    for event in story.events:
        if isinstance(event.body, TurnEnded | SpeechDismissed):
            yield event.body


def _each_turn_answered(story: Story) -> Iterator[str]:
    answers: dict[int | None, list[Event[ReplyCompleted]]] = defaultdict(list)
    for event in story.events:
        if isinstance(event.body, ReplyCompleted):
            answers[event.body.turn].append(event)
    turns = [body.turn for body in story.bodies(TurnEnded)]
    for turn in turns[:-1]:  # the end of the call may come before the last answer
        if not answers[turn]:
            yield f"turn {turn} was not answered"
    for answered, given in answers.items():
        again = [event for before, event in pairwise(given) if not _resumes(event, before.body, story)]
        if again:
            yield f"turn {answered} was answered {1 + len(again)} times"


def _resumes(event: Event[ReplyCompleted], before: ReplyCompleted, story: Story) -> bool:
    """Whether this is the rest of the same answer: something interrupted `before` and was no words, and the
    caller had not heard all of it.
    """
    if event.body.reply == before.reply:
        return False
    match _cause_of(event, story):
        case SpeechDismissed():
            no_words = True
        case TurnEnded(text_pii=text):
            no_words = not text.strip()
        case _:
            no_words = False
    heard = (body for body in story.bodies(PlayoutEnded) if body.reply == before.reply)
    return no_words and not any(_is_all_of(before, body) for body in heard)


def _is_all_of(reply: ReplyCompleted, heard: PlayoutEnded) -> bool:
    """Whether nothing was left to say of it. A goodbye that was cut is said again, for the line to end."""
    whole = reply.outcome is Outcome.DONE and heard.heard_sentences >= reply.sentences
    return heard.outcome is Outcome.DONE or (whole and reply.then is Next.LISTEN)


def _cuts_have_a_cause(story: Story) -> Iterator[str]:
    turn, over = 0, False
    for event in story.events:
        match event.body:
            case SpeechStarted():
                turn = max(turn, event.body.turn)
            case LegEnded() | CallEnded():
                over = True
            case ReplyCompleted(outcome=Outcome.CANCELLED) as body if not over and turn <= (body.turn or 0):
                yield f"reply {body.reply} was cut, and nobody had spoken"


def _cause_of(event: Event[Any], story: Story) -> Message | None:
    """What led to a reply: a replacement goes on with it because of what was said of it before."""
    by_id = {one.id: one for one in story.events}
    cause = by_id.get(event.cause or "")
    while cause is not None and isinstance(cause.body, ReplySentence | ReplyCompleted):
        cause = by_id.get(cause.cause or "")
    return cause.body if cause is not None else None


def _nothing_said_twice(story: Story) -> Iterator[str]:
    said: dict[tuple[int, int], str] = {}
    for body in story.bodies(ReplySentence):
        key = (body.reply, body.index)
        if key in said:
            same = "again" if said[key] == body.text_pii else "in other words"
            yield f"sentence {body.index} of reply {body.reply} was said {same}"
        said[key] = body.text_pii
    by_reply: dict[int, list[int]] = defaultdict(list)
    for reply, index in said:
        by_reply[reply].append(index)
    for reply, indexes in by_reply.items():
        if sorted(indexes) != list(range(len(indexes))):
            yield f"reply {reply} has sentences {sorted(indexes)}"


def _replies_are_complete(story: Story) -> Iterator[str]:
    said = Counter(body.reply for body in story.bodies(ReplySentence))
    for body in story.bodies(ReplyCompleted):
        if body.outcome is Outcome.DONE and said[body.reply] != body.sentences:
            yield f"reply {body.reply} announced {body.sentences} sentences and said {said[body.reply]}"


def _each_reply_played_once(story: Story) -> Iterator[str]:
    played = Counter(body.reply for body in story.bodies(PlayoutEnded))
    for reply, times in played.items():
        if times != 1:
            yield f"playout of reply {reply} ended {times} times"
    said = {body.reply for body in story.bodies(ReplySentence)}
    missing = said - played.keys()
    if missing and missing != {max(said)}:
        yield f"playout of replies {sorted(missing)} never ended"


Check = Callable[[Story], Iterator[str]]

PROMISES: Final[dict[str, Check]] = {
    "a call ends once": _ends_once,
    "a call starts once": _starts_once,
    "epochs grow": _epochs_grow,
    "nothing follows from a stale event": _nothing_came_of_stale,
    "a turn is decided once": _each_turn_decided_once,
    "what began as speech is decided": _each_speech_decided,
    "a turn is answered once": _each_turn_answered,
    "an answer is cut by the caller alone": _cuts_have_a_cause,
    "no sentence is said twice": _nothing_said_twice,
    "a reply has the sentences that it announces": _replies_are_complete,
    "a reply is played once": _each_reply_played_once,
}


def judge(events: Sequence[Event[Any]]) -> list[Fault]:
    """Every promise that any call in this stretch of the stream broke."""
    return [fault for story in stories(events) for fault in faults_of(story)]
