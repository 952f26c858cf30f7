"""One call to Bright Smile, a dental practice, told in messages: at least one example of every channel.

The docs, the AsyncAPI file and the released snapshots show these; the tests decode them.
"""

from __future__ import annotations

from typing import Final

from contracts.examples.administration import administration
from contracts.examples.conversation import disturbances, greeting, question
from contracts.examples.ending import ending, questions_of_people, questions_through_rest, replacement
from contracts.examples.opening import before_answer, opening, refusal
from contracts.examples.story import Example, Story

__all__ = ["EXAMPLES", "Example"]

_CHAPTERS: Final = (
    administration,
    before_answer,
    opening,
    refusal,
    greeting,
    question,
    disturbances,
    replacement,
    ending,
    questions_of_people,
    questions_through_rest,
)


def _tell() -> tuple[Example, ...]:
    story = Story()
    for chapter in _CHAPTERS:
        chapter(story)
    return tuple(story.told)


EXAMPLES: Final[tuple[Example, ...]] = _tell()
