"""Dates, times, money, telephone numbers and short forms, as they are said."""

from __future__ import annotations

import pytest

from tts_service.english import written_out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # money
        ("It costs $95.", "It costs 95 dollars."),
        ("$95.50 or $1,250", "95 dollars and 50 cents or 1,250 dollars"),
        ("$1 and $0.05 and $0.01", "1 dollar and 5 cents and 1 cent"),
        ("£20, £0.50, €30", "20 pounds, 50 pence, 30 euros"),
        ("$1.5 million", "1.5 million dollars"),
        ("$95-$120 per visit", "95 dollars to 120 dollars per visit"),
        # telephone numbers and other names of digits
        ("Call 555-0100.", "Call five five five, zero one zero zero."),
        ("(415) 555-0132", "four one five, five five five, zero one three two"),
        ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
        ("+15550100", "plus one five five five zero one zero zero"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
        ("order 48151623", "order four eight one five one six two three"),
        ("zip code 94103", "zip code nine four one zero three"),
        # dates
        ("on 12/25/2025", "on December 25th, 2025"),
        ("on 2025-12-02", "on December 2nd, 2025"),
        ("on 13/13/2025", "on 13/13/2025"),
        ("Dec. 25th, Sept 3", "December 25th, September 3"),
        ("Mon-Fri 9-5, Sat 9-1", "Monday to Friday 9 to 5, Saturday 9 to 1"),
        ("see you Tues.", "see you Tuesday."),
        # times of day
        ("at 9:00", "at 9 o'clock"),
        ("at 9:00 a.m.", "at 9 a.m."),
        ("at 7:05 pm", "at 7 oh 5 pm"),
        ("at 14:00.", "at 2 p.m."),
        ("at 00:30", "at 12:30 a.m."),
        ("10:00-12:30", "10 o'clock to 12:30"),
        ("9am-5pm", "9am to 5pm"),
        ("3:15:20", "3:15:20"),
        # ranges and slashes
        ("3-5 days, 10 - 12 weeks", "3 to 5 days, 10 to 12 weeks"),
        ("code 12-34-56", "code 12-34-56"),
        ("1/2 cup and/or 3/4", "one half cup or three quarters"),
        ("his/her, 24/7", "his or her, 24 7"),
        # short forms
        ("Dr. Smith and Mrs. Jones", "Doctor Smith and Missus Jones"),
        ("123 Main St. Suite 4", "123 Main Street Suite 4"),
        ("at 5th St.", "at 5th Street."),
        ("St. Mary's on 5th Ave.", "Saint Mary's on 5th Avenue."),
        ("No. 5 or #6", "number 5 or number 6"),
        ("10 km, 5 mg, 20 °C", "10 kilometers, 5 milligrams, 20 degrees Celsius"),
        ("555-0100, ext. 5", "five five five, zero one zero zero, extension 5"),
    ],
)
def test_written_out_as_it_is_said(text: str, said: str) -> None:
    assert written_out(text, month_first=True) == said
