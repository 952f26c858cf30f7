"""What can be said to `trunkline load`, option by option."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkline.load.plan import LONGEST_S, MOST_CALLS, Arrival

Files = Annotated[list[Path] | None, typer.Argument(help="WAV files to say, in turn; else the pattern.")]
Calls = Annotated[int, typer.Option("--calls", min=1, max=MOST_CALLS, help="How many calls in all.")]
To = Annotated[
    list[str] | None,
    typer.Option("--to", help="A number to call; several with weights: +15550199=3. Default: synthetic."),
]
Curve = Annotated[Arrival, typer.Option("--arrival", help="All at once, evenly, or ever faster.")]
Over = Annotated[
    float, typer.Option("--over", min=0, max=LONGEST_S, help="Seconds within which calls arrive.")
]
Talk = Annotated[float, typer.Option("--talk", min=1, max=LONGEST_S, help="Seconds that each caller talks.")]
Pattern = Annotated[str, typer.Option("--pattern", help="Seconds of noise and silence, repeated.")]
Pause = Annotated[
    float, typer.Option("--pause", min=0.1, max=60, help="Seconds of silence after each WAV file.")
]
Together = Annotated[bool, typer.Option("--together", help="Nobody talks before all calls are up.")]
AtOnce = Annotated[
    bool, typer.Option("--at-once", help="Talk into the greeting instead of waiting for its end.")
]
Require = Annotated[
    list[str] | None,
    typer.Option("--require", help="What must be reached, such as p95<=650; exit status 1 if it is not."),
]
Out = Annotated[Path, typer.Option("--out", help="The report; a page of the same name lies beside it.")]
Url = Annotated[
    list[str] | None,
    typer.Option(
        "--url",
        help="A gateway's media stream; of several, each in turn. Default: the platform of this home.",
    ),
]
AllowRemote = Annotated[bool, typer.Option("--allow-remote", help="Load a gateway on another machine.")]
