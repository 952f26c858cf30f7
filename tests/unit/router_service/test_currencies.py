import pytest

from contracts.messages import Price
from router_service.currencies import CURRENCIES, check_price
from router_service.errors import BadValue


def test_every_code_is_one_that_a_price_can_hold() -> None:
    for code in CURRENCIES:
        check_price(Price(per_minute_micros=1, currency=code))
    assert {"USD", "EUR", "GBP", "JPY", "CHF", "INR"} <= CURRENCIES


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "DEM", "USS"])
def test_what_nobody_pays_with_is_refused(code: str) -> None:
    with pytest.raises(BadValue, match=code):
        check_price(Price(per_minute_micros=1, currency=code))


def test_no_price_is_as_good_as_any() -> None:
    check_price(None)
