"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from trunkline.errors import BadOption

HOME: Final = Path(".trunkline")

Home = Annotated[
    Path, typer.Option("--home", envvar="TRUNKLINE_HOME", help="Where data, logs and joined models lie.")
]
Tenants = Annotated[
    Path,
    typer.Option(
        "--tenants",
        envvar="TRUNKLINE_ROUTER_TENANTS_FILE",
        help="Tenants, numbers and assistants (YAML); changes reach the next call.",
    ),
]
VoiceEngine = Annotated[
    str,
    typer.Option("--voice", help="piper or kokoro for every assistant; default: what its file says."),
]
Nats = Annotated[
    str,
    typer.Option(
        "--nats", help="The platform's bus; default: the platform of this home.", envvar="TRUNKLINE_NATS_URL"
    ),
]
Token = Annotated[
    str,
    typer.Option("--token", envvar="TRUNKLINE_MEDIA_TOKEN", help="The media token that lets the call in."),
]
ApiKey = Annotated[
    str,
    typer.Option(
        "--api-key", envvar="TRUNKLINE_API_KEY", help="Get media tokens at --rest-url with this key."
    ),
]
RestUrl = Annotated[
    str,
    typer.Option("--rest-url", envvar="TRUNKLINE_REST_URL", help="REST, such as http://127.0.0.1:8081."),
]
Reattach = Annotated[
    bool,
    typer.Option("--reattach/--no-reattach", help="Come again when the gateway is lost; the call goes on."),
]
Spread = Annotated[
    bool, typer.Option("--spread", help="A process of its own for router, session and llm, too.")
]
Workers = Annotated[
    str,
    typer.Option(
        "--workers",
        help="Several processes of a service, such as stt=2,llm=2,gateway=2; they are named stt-1, stt-2, …",
    ),
]
LocalLlm = Annotated[
    bool,
    typer.Option(
        "--local-llm/--no-local-llm",
        help="Start SmolLM2 behind the FAQ; never when TRUNKLINE_LLM_OPENAI_BASE_URL names another.",
    ),
]


def writable_folder_of(path: Path, flag: str) -> Path:
    """`path`, whose folder now exists; raises BadOption, naming `flag`, when that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOption(
            f"{path.parent} cannot be made: {error.strerror}", mend=f"choose another place with {flag}"
        ) from error
    return path
