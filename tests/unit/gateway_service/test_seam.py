"""Two workers, one after the other, say the same sentences: the caller hears each sample of them once."""

from collections.abc import Iterable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from contracts.frames import Codec, Frame, FrameFlag
from contracts.messages import Message, Outcome, PlayoutEnded
from gateway_service.playout import Pace, Playout
from gateway_service.seam import Seam
from tests.unit.gateway_service.agent_audio import frame, reply_end, sentence, whole_reply

SAMPLES = st.lists(st.integers(1, 700), min_size=1, max_size=4)


def words(index: int, samples: int) -> bytes:
    """Samples that tell the sentence and their place in it."""
    return bytes((index * 64 + n % 61) % 256 for n in range(samples))


def said(
    epoch: int, lengths: list[int], *, first: int = 0, step: int = 160, reply: int = 1
) -> Iterator[Frame]:
    """A worker's frames from one sentence on; its frames need not be cut where another's are."""
    for index in range(first, len(lengths)):
        sound = words(index, lengths[index])
        for at in range(0, len(sound), step):
            flags = FrameFlag.SENTENCE_END if at + step >= len(sound) else FrameFlag.NONE
            yield Frame(Codec.MULAW, 8_000, 0, 0, sound[at : at + step], epoch, reply, index, flags)
    yield reply_end(reply, len(lengths), epoch=epoch)


def played(playout: Playout, puts: Iterable[Frame | None]) -> tuple[bytes, list[Message]]:
    """All samples that the caller hears, ticks of 20 ms in between, and what was told."""
    now_us, sound, news = 1_000_000, b"", []
    for one in puts:
        if one is not None:
            playout.put(one)
        now_us += 20_000
        sound += b"".join(due.payload for due in playout.due(now_us))
        news += playout.news(now_us)
    for _ in range(400):
        now_us += 20_000
        sound += b"".join(due.payload for due in playout.due(now_us))
        news += playout.news(now_us)
    return sound, news


@given(st.data(), SAMPLES, st.integers(1, 160), st.booleans())
def test_every_sample_is_heard_once_and_in_order(
    data: st.DataObject, lengths: list[int], step: int, announced: bool
) -> None:
    """Split anywhere; the second says any sentence of its choice from the first unfinished one backwards; the
    first one's late frames come at any moment after that.
    """
    old = list(said(1, lengths))
    split = data.draw(st.integers(0, len(old)), "frames of the first")
    late = old[split:] + data.draw(st.lists(st.sampled_from(old), max_size=10), "late")
    playout = Playout(Pace(), since=1)
    order = [*old[:split]]
    whole = Seam()
    for one in order:
        whole.join(one)
    first = data.draw(st.integers(0, min(whole.whole, len(lengths))), "where the second begins")
    new = list(said(2, lengths, first=first, step=step))
    for one in late:
        new.insert(data.draw(st.integers(0 if announced else 1, len(new)), "when"), one)

    sound, news = played(playout, order)
    if announced:
        playout.replaced(2, 1_000_000)
    more, later = played(playout, new)
    assert sound + more == b"".join(words(n, length) for n, length in enumerate(lengths))
    ended = [body for body in news + later if isinstance(body, PlayoutEnded)]
    assert [(one.outcome, one.heard_sentences) for one in ended] == [(Outcome.DONE, len(lengths))]


def test_what_is_held_is_told() -> None:
    playout = Playout(Pace(), since=1)
    assert playout.held == (0, 0)
    frames = [*sentence(1, 0, 200), *sentence(1, 1, 200)]
    for one in frames[:-1]:
        playout.put(one)
    assert playout.held == (1, 1)
    playout.put(frames[-1])
    assert playout.held == (1, 2)
    playout.put(frame(2))
    assert playout.held == (2, 0)


def test_after_a_reply_that_is_over_nothing_before_the_next_is_needed() -> None:
    playout = Playout(Pace(), since=1)
    _, news = played(playout, whole_reply(1, 100))
    assert news
    assert playout.held == (2, 0)


def test_a_third_epoch_goes_on_where_the_second_did() -> None:
    seam, lengths = Seam(), [1000]
    heard = b""
    for epoch, frames in ((1, 3), (2, 5), (3, 9)):
        for one in list(said(epoch, lengths))[:frames]:
            news = seam.join(one)
            heard += news.payload if news else b""
    assert heard == words(0, 1000)
    assert seam.whole == 1


def test_a_sentence_that_is_shorter_the_second_time_still_ends() -> None:
    seam = Seam()
    for one in list(said(1, [800, 160]))[:4]:
        seam.join(one)
    told = [seam.join(one) for one in said(2, [320, 160])]
    assert [bool(one and one.payload) for one in told] == [False, False, True, False]
    assert told[1] is not None
    assert told[1].flags is FrameFlag.SENTENCE_END


def test_a_reply_whose_end_alone_was_lost_is_ended_by_the_second() -> None:
    seam = Seam()
    for one in list(said(1, [320]))[:-1]:
        seam.join(one)
    told = [seam.join(one) for one in said(2, [320])]
    assert told[:-1] == [None, None]
    assert told[-1] is not None
    assert told[-1].flags is FrameFlag.REPLY_END
    assert [seam.join(one) for one in said(3, [320])] == [None, None, None]
