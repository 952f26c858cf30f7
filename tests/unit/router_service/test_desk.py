import random

from router_service.desk import Ids


def test_ids_sort_in_the_order_in_which_they_were_made() -> None:
    now_us = [1_767_225_600_000_000]
    ids = Ids(lambda: now_us[0], random.Random(1))

    made = []
    for step_us in (0, 0, 0, 5_000, 0, -9_000, 0):
        now_us[0] += step_us
        made.append(ids())

    assert made == sorted(set(made))
