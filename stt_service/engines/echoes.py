"""What Whisper said the first time.

On a window much shorter than the 30 s that it was trained on, the model often begins again when it has said
all there is, until its tokens run out. Asked for timestamps it does so less, and it puts the second telling
after the end of the audio, which is how the two are told apart. Where it gives no timestamp between them, the
second telling is known by breaking off at the cap with the words that the first one began with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

_NEAR_END_S: Final = 0.25
_LEAST: Final = 2  # words; fewer may well be said twice


class Utterance(NamedTuple):
    """What stands between two timestamps."""

    start_s: float
    tokens: tuple[int, ...]


def utterances(
    tokens: Sequence[int], end_of_text: int, timestamp_begin: int, timestamp_s: float
) -> list[Utterance]:
    """The decoder's tokens, cut at its timestamps: ids from `timestamp_begin` on, `timestamp_s` apart."""
    found: list[Utterance] = []
    start_s, words = 0.0, list[int]()
    for token in (*tokens, timestamp_begin):
        if token < end_of_text:
            words.append(token)
        elif token >= timestamp_begin:
            if words:
                found.append(Utterance(start_s, tuple(words)))
            start_s, words = (token - timestamp_begin) * timestamp_s, []
    return found


def first_telling(
    told: Sequence[Utterance],
    spell: Callable[[list[int]], str],
    duration_s: float,
    *,
    cut_off: bool,
) -> list[int]:
    """The tokens of `told` without what was told again.

    An utterance is dropped where it starts at the end of the audio and repeats the beginning, or after it;
    `cut_off` says that the decoder was stopped at its cap.
    """
    tokens: list[int] = []
    for utterance in told:
        again = spell(list(utterance.tokens))
        near_end = utterance.start_s >= duration_s - _NEAR_END_S
        if tokens and near_end and _begins_with(spell(tokens), again, whole=not cut_off):
            break
        if tokens and utterance.start_s >= duration_s:
            break
        tokens.extend(utterance.tokens)
    return _up_to_echo(tokens, spell) if cut_off else tokens


def _begins_with(text: str, again: str, *, whole: bool) -> bool:
    """Whether `again` are the first words of `text`; the last of them may be a torso unless `whole`."""
    words, repeated = _words(text), _words(again)
    if not repeated or len(repeated) > len(words):
        return False
    settled = len(repeated) if whole else len(repeated) - 1
    return repeated[:settled] == words[:settled] and words[len(repeated) - 1].startswith(repeated[-1])


def _up_to_echo(tokens: list[int], spell: Callable[[list[int]], str]) -> list[int]:
    """Cut where everything that follows is what the text began with, once or more often."""
    text = spell(tokens)
    for at in range(1, len(tokens)):
        again = spell(tokens[at:])
        if len(_words(again)) < _LEAST:
            break
        if again[:1].isspace() and _begins_with(text, again, whole=False):
            return tokens[:at]
    return tokens


def _words(text: str) -> list[str]:
    bare = ("".join(character for character in word if character.isalnum()) for word in text.lower().split())
    return [word for word in bare if word]
