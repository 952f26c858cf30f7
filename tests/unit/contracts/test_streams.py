from contracts.channel import Plane
from contracts.channels import CHANNELS
from contracts.streams import ANSWERS_BUCKET, ASSISTANTS_BUCKET, CALLS, CALLS_BUCKET, LEASES_BUCKET

DAY_S = 86_400


def test_the_stream_keeps_the_record_and_nothing_else() -> None:
    (kept,) = CALLS.subjects
    prefix = kept.removesuffix(">")

    assert all(row.pattern.startswith(prefix) == (row.plane is Plane.RECORD) for row in CHANNELS)


def test_an_event_repeated_within_the_window_is_stored_once() -> None:
    assert 0 < CALLS.dedupe_window_s < CALLS.max_age_s
    assert CALLS.max_age_s == 30 * DAY_S


def test_every_kv_channel_has_its_bucket() -> None:
    buckets = {row.pattern.split(".")[1] for row in CHANNELS if row.plane is Plane.KV}

    specs = (ANSWERS_BUCKET, ASSISTANTS_BUCKET, CALLS_BUCKET, LEASES_BUCKET)
    assert buckets == {spec.name for spec in specs}
