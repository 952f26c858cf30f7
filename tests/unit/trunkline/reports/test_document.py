from __future__ import annotations

from trunkline.reports.charts import COLOURS
from trunkline.reports.document import document, heading, listed, table


def luminance(colour: str) -> float:
    """Relative luminance, by WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colours(page: str, dark: bool) -> dict[str, str]:
    """The variables that the page defines for light, or dark."""
    block = page.split(":root{")[1 + dark].split("}", maxsplit=1)[0]
    return dict(line.removeprefix("--").split(":") for line in block.split(";") if line)


def test_text_and_lines_can_be_told_from_the_page_in_light_and_in_dark() -> None:
    page = document("x", [])
    assert "@media (prefers-color-scheme:dark)" in page
    for dark in (False, True):
        found = colours(page, dark)
        for name in ("text", "faint", "bad", "good"):
            assert contrast(found[name], found["page"]) >= 4.5, (name, dark)
        for index in range(len(COLOURS)):
            assert contrast(found[f"line-{index}"], found["page"]) >= 3, (index, dark)


def test_what_has_nothing_in_it_is_not_there() -> None:
    assert (table(("a",), []), listed([]), heading("A", "", "")) == ("", "", "")
    assert heading("A", "", "b") == "<h2>A</h2>b"


def test_what_is_put_in_is_text() -> None:
    for made in (table(("<a>",), [("<b>",)]), listed(["<b>"]), heading("<b>", "x")):
        assert "&lt;b&gt;" in made
        assert "<b>" not in made
