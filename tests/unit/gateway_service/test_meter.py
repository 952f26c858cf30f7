"""Frames counted."""

from contracts.telemetry import FRAMES_DROPPED, FRAMES_IN, FRAMES_OUT, STALE_EPOCH
from gateway_service.meter import Meter
from runtime.telemetry import Telemetry


def test_frames_are_counted_and_stale_ones_twice() -> None:
    telemetry = Telemetry("gateway")
    metrics = telemetry.metrics("gateway")
    meter = Meter(metrics)
    meter.came_in()
    meter.went_out(1)
    meter.dropped("stale_epoch")
    meter.dropped("codec")
    counts = [
        metrics.counter(metric).total() for metric in (FRAMES_IN, FRAMES_OUT, FRAMES_DROPPED, STALE_EPOCH)
    ]
    telemetry.close()
    assert counts == [1, 1, 2, 1]
