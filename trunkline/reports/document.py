"""The frame of a page: one file with its style in it, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from trunkline.reports.charts import COLOURS

_RULES: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:820px;margin:2rem auto;padding:0 1rem;
color:var(--text);background:var(--page)}
h1{line-height:1.2}h2{margin:2rem 0 .5rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:1rem 0}
td,th{text-align:right;padding:.25rem .5rem;border-bottom:1px solid var(--rule);vertical-align:top}
td:first-child,th:first-child,.words td,.words th{text-align:left}
figure{margin:1.5rem 0}figcaption{font-weight:600}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--faint)}.grid{stroke:var(--rule)}
.legend span{display:inline-block;margin-right:1rem;font-size:13px}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}
.faint{color:var(--faint);font-size:13px}.bad{color:var(--bad)}.good{color:var(--good)}
"""
_LIGHT: Final = {
    "page": "#ffffff",
    "text": "#111827",
    "faint": "#4b5563",
    "rule": "#e5e7eb",
    "bad": "#b91c1c",
    "good": "#047857",
}
_DARK: Final = {
    "page": "#0f172a",
    "text": "#e5e7eb",
    "faint": "#9ca3af",
    "rule": "#334155",
    "bad": "#fca5a5",
    "good": "#6ee7b7",
}


def document(title: str, body: Iterable[str]) -> str:
    """A whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{_style()}</style></head><body>{''.join(body)}</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: bool = False) -> str:
    """Rows below their head, numbers to the right, or with `words` all to the left; nothing for no rows."""
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    if not lines:
        return ""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    kind = ' class="words"' if words else ""
    return f'<div class="wide"><table{kind}><tr>{top}</tr>{lines}</table></div>'


def listed(lines: Iterable[str], kind: str = "") -> str:
    """Lines of text, one below the other; nothing where there is none."""
    marked = f' class="{kind}"' if kind else ""
    items = "".join(f"<li{marked}>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def heading(text: str, *parts: str) -> str:
    """Parts below a heading, which goes where all of them are empty."""
    content = "".join(parts)
    return f"<h2>{escape(text)}</h2>{content}" if content else ""


def _style() -> str:
    light, dark = (_variables(colours, shade) for shade, colours in enumerate((_LIGHT, _DARK)))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}{_RULES}"


def _variables(colours: dict[str, str], shade: int) -> str:
    lines = {f"line-{index}": pair[shade] for index, pair in enumerate(COLOURS)}
    return "".join(f"--{name}:{colour};" for name, colour in {**colours, **lines}.items())
