"""The currencies that prices may be in: the codes of ISO 4217 for money that people pay with.

Neither funds nor metals nor the code for tests are among them.
"""

from __future__ import annotations

from typing import Final

from contracts.messages import Price
from router_service.errors import BadValue

_CODES: Final = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD
HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES: Final = frozenset(_CODES.split())


def check_price(price: Price | None) -> None:
    """Raise BadValue for a price in a currency that there is not."""
    if price is not None and price.currency not in CURRENCIES:
        raise BadValue(
            f"price.currency {price.currency!r} is no currency of ISO 4217",
            mend="use a code such as USD or EUR",
        )
