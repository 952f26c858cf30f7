"""One reply of the agent: what was said of it, what the caller heard of it, and what is left to say.

The text grows here; what was heard is reported by the gateway, and how long each sentence sounds by tts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from contracts.messages import Next, Outcome, PlayoutEnded, ReplyCompleted, ReplySentence
from llm_service.sentences import left_to_say
from llm_service.states import Ear, Happened, Text, next_ear, next_text

SCRIPT: Final = "script"
"""The engine's name for words that the assistant's own configuration holds: greeting, farewell, apology."""

_MS_PER_CHARACTER: Final = 65.0
"""How long a character sounds, about, where tts has not said how long the sentence is."""


@dataclass(frozen=True, slots=True)
class Words:
    """One speakable sentence, and the engine that made it. A filler is spoken, but says nothing."""

    text: str
    engine: str = SCRIPT
    filler: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reply will say: `script` first, then, with `ask`, what the engines answer.

    `said_before` is what earlier replies said of the same answer.
    """

    turn: int | None
    script: tuple[Words, ...] = ()
    ask: bool = False
    then: Next = Next.LISTEN
    said_before: str = ""


class Reply:
    """A reply, from the event that caused it until the caller has heard it."""

    def __init__(self, number: int, plan: Plan, engine: str, now_s: float) -> None:
        self.number = number
        self.plan = plan
        self.engine = engine
        self.text = Text.GROWING
        self.ear = Ear.EXPECTED
        self.then = plan.then
        self._said: list[Words] = []
        self._recalled: list[Words] = []
        self._audio_ms: dict[int, float] = {}
        self.begun_s = now_s
        self._first_sentence_ms: float | None = None
        self._heard_sentences = 0
        self._partial_ms = 0.0

    @property
    def said(self) -> str:
        """All that was said of this answer so far, whether heard or not."""
        return _joined([self.plan.said_before, *_meant(self._said)])

    @property
    def begun(self) -> bool:
        """Whether the caller has been told anything of it, be it a filler."""
        return bool(self._said)

    # -- the record ----------------------------------------------------------------------------------

    def recall_sentence(self, body: ReplySentence, now_s: float, *, filler: bool) -> None:
        """A worker before this one has said this sentence, then; said again, it is the same."""
        if body.index < len(self._said):
            return
        if self._first_sentence_ms is None:
            self._first_sentence_ms = self._since_begun_ms(now_s)
        gap = [Words("", filler=True)] * (body.index - len(self._said))
        self._said += [*gap, Words(body.text_pii, body.engine, filler)]
        self._recalled = list(self._said)
        self.engine = body.engine

    def recall_completed(self, body: ReplyCompleted) -> None:
        """A worker before this one has ended it so: the record is right, however it looked from here."""
        self.text = Text.CUT if body.outcome is Outcome.CANCELLED else Text.WHOLE
        self.then = body.then

    def left_of_script(self) -> Iterator[Words]:
        """What of the script no worker before this one has said, by its letters: sentences may have been
        cut elsewhere.
        """
        spoken = _letters(_joined(_meant(self._recalled)))
        for words in self.plan.script:
            letters = _letters(words.text)
            if letters and spoken.startswith(letters):
                spoken = spoken[len(letters) :]
                continue
            left, spoken = left_to_say(words.text, spoken), ""
            if left:
                yield replace(words, text=left)
            elif left is None:
                yield words

    def repeats(self, text: str) -> bool:
        """Whether a worker before this one has said just this sentence of it."""
        letters = _letters(text).casefold()
        return any(_letters(words.text).casefold() == letters for words in self._recalled)

    def excuse_left(self, excuse: Iterable[Words]) -> list[Words] | None:
        """What is left of this excuse; None when it is not what was said instead of an answer."""
        said = [words.text for words in self._recalled if not words.filler]
        texts = list(excuse)
        begun = bool(said) and said == [words.text for words in texts[: len(said)]]
        return texts[len(said) :] if begun and self.engine == SCRIPT else None

    # -- the text ------------------------------------------------------------------------------------

    def say(self, words: Words, now_s: float) -> ReplySentence:
        """The next sentence."""
        if self._first_sentence_ms is None:
            self._first_sentence_ms = self._since_begun_ms(now_s)
        self.engine = words.engine
        self._said.append(words)
        return ReplySentence(
            reply=self.number,
            turn=self.plan.turn,
            index=len(self._said) - 1,
            text_pii=words.text,
            engine=words.engine,
        )

    def complete(
        self, outcome: Outcome, now_s: float, *, prompt_tokens: int = 0, completion_tokens: int = 0
    ) -> ReplyCompleted:
        """The text is over by itself; raises OutOfOrder when it already was."""
        self.text = next_text(self.text, Happened.LAST_WORD)
        return self._completed(outcome, self.then, now_s, prompt_tokens, completion_tokens)

    def cut(self, now_s: float) -> ReplyCompleted | None:
        """Stop the text; None when it was over already."""
        if self.text is not Text.GROWING:
            return None
        self.text = next_text(self.text, Happened.STOPPED)
        return self.cancellation(now_s)

    def cancellation(self, now_s: float) -> ReplyCompleted:
        """The word that it was stopped."""
        return self._completed(Outcome.CANCELLED, Next.LISTEN, now_s)

    def _completed(
        self,
        outcome: Outcome,
        then: Next,
        now_s: float,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
    ) -> ReplyCompleted:
        total_ms = self._since_begun_ms(now_s)
        return ReplyCompleted(
            reply=self.number,
            turn=self.plan.turn,
            outcome=outcome,
            sentences=len(self._said),
            engine=self.engine,
            first_sentence_ms=total_ms if self._first_sentence_ms is None else self._first_sentence_ms,
            total_ms=total_ms,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            then=then,
        )

    def _since_begun_ms(self, now_s: float) -> float:
        return round((now_s - self.begun_s) * 1000, 3)

    # -- the hearing ---------------------------------------------------------------------------------

    def sounds(self, index: int, audio_ms: float) -> None:
        """The sentence at `index` was synthesized and sounds for `audio_ms`."""
        self._audio_ms[index] = audio_ms

    def talked_over(self) -> None:
        """The caller began to speak. Until the gateway reports, nothing of it counts as heard: it reports
        at once if any of it was playing.
        """
        if self.ear is Ear.EXPECTED:
            self.ear = next_ear(self.ear, Happened.TALKED_OVER)

    def played(self, report: PlayoutEnded) -> None:
        """The gateway says what was heard; raises OutOfOrder when it has said so before."""
        happened = Happened.PLAYED if report.outcome is Outcome.DONE else Happened.CLEARED
        self.ear = next_ear(self.ear, happened)
        self._heard_sentences = report.heard_sentences
        self._partial_ms = report.partial_ms

    @property
    def heard(self) -> str:
        """What the caller heard: whole sentences and the beginning of the next. All of it, while nothing
        says otherwise.
        """
        if self.ear is Ear.DOUBTED:
            return ""
        if self.ear is Ear.EXPECTED or (self.ear is Ear.HEARD and self.text is Text.WHOLE):
            return _joined(_meant(self._said))
        whole = self._heard_sentences
        return _joined([*_meant(self._said[:whole]), self._beginning_of(whole)])

    def _beginning_of(self, index: int) -> str:
        """The words of a sentence that sound within the partial time."""
        if index >= len(self._said) or self._partial_ms <= 0 or self._said[index].filler:
            return ""
        text = self._said[index].text
        audio_ms = self._audio_ms.get(index) or len(text) * _MS_PER_CHARACTER
        end = int(len(text) * min(1.0, self._partial_ms / audio_ms))
        if end < len(text) and not text[end].isspace():
            end = text.rfind(" ", 0, end)  # a word that was begun was not heard
        return text[: max(0, end)].rstrip()

    @property
    def interrupted(self) -> bool:
        """Whether the caller's voice stopped its text or its sound."""
        return self.text is Text.CUT or self.ear in (Ear.DOUBTED, Ear.SILENCED)

    def resumption(self) -> Plan | None:
        """What to say after an interruption that was none: from the first sentence that was not heard to the
        end, and then whatever was still to come. None when all of it was heard.
        """
        heard = 0 if self.ear is Ear.DOUBTED else min(self._heard_sentences, len(self._said))
        unheard = (words for words in self._said[heard:] if not words.filler)
        script = (*unheard, *self.plan.script[len(self._said) :])
        ask = self.plan.ask and self.text is Text.CUT
        if not script and not ask and self.then is Next.HANG_UP:
            script = tuple(self._said[-1:])  # the line ends when this has been heard, so say it again
        if not script and not ask:
            return None
        self._partial_ms = 0.0  # that sentence is said again from its beginning
        before = _joined([self.plan.said_before, *_meant(self._said[:heard])])
        return Plan(self.plan.turn, script, ask, self.then, said_before=before)


def _meant(said: Iterable[Words]) -> Iterable[str]:
    return (words.text for words in said if not words.filler)


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def _joined(texts: Iterable[str]) -> str:
    return " ".join(text for text in texts if text)
