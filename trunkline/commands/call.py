"""`trunkline call`: be a caller, from WAV files; see the conversation, keep what the agent said."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from audio.wav import write_wav
from runtime.clock import SystemClock
from trunkline.admittance import Admit, admittance, pass_from_rest
from trunkline.caller import RETURN_WITHIN_S, Caller, Dialling, new_carrier_call_id
from trunkline.commands.options import HOME, ApiKey, Home, Reattach, RestUrl, Token, writable_folder_of
from trunkline.errors import CallFailed, NotRunning
from trunkline.following import Following
from trunkline.interrupts import run_interruptible
from trunkline.state import read_state
from trunkline.turn_taking import Exchange, ask, hear_greeting
from trunkline.utterance import LINE_RATE_HZ, Utterance, load_utterance
from trunkline.view import CallView, plain_console

CALLER_NUMBER: Final = "+15550123"
_MEDIA_URL: Final = "ws://127.0.0.1:8080/media/twilio"
_LAST_WORDS_WITHIN_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Plan:
    dialling: Dialling
    admit: Admit
    reattach_within_s: float
    utterances: list[Utterance]
    at_once: bool
    nats_url: str | None
    save: Path


def call(
    files: Annotated[
        list[Path], typer.Argument(help="What to say, one WAV a turn; each waits for the answer before.")
    ],
    *,
    to: Annotated[str, typer.Option("--to", help="The number to call, such as +15550100.")],
    caller: Annotated[str, typer.Option("--from", help="The number that calls.")] = CALLER_NUMBER,
    url: Annotated[
        list[str] | None,
        typer.Option(
            "--url",
            help="A gateway's media stream; more of them, to come back through. "
            "Default: the platform of this home, else where REST says.",
        ),
    ] = None,
    nats: Annotated[
        str,
        typer.Option("--nats", help="That platform's bus, for the transcript.", envvar="TRUNKLINE_NATS_URL"),
    ] = "",
    save: Annotated[Path, typer.Option("--save", help="Where to keep the agent's audio, as WAV.")] = Path(
        "out/agent.wav"
    ),
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Speak into the greeting instead of waiting for its end.")
    ] = False,
    token: Token = "",
    api_key: ApiKey = "",
    rest_url: RestUrl = "",
    reattach: Reattach = True,
    home: Home = HOME,
) -> None:
    """Call a number, say WAV files in real time, show the conversation and keep the agent's audio."""
    utterances = [load_utterance(path) for path in files]
    urls, nats_url, own = _where(home, url or [], nats)
    if not urls and api_key and rest_url and not token:
        token, media_url = pass_from_rest(rest_url, api_key, to, caller)
        urls = [media_url]
    admit = admittance(token=token, api_key=api_key, rest_url=rest_url, home=own, clock=SystemClock())
    media_url, *others = urls or [_MEDIA_URL]
    dialling = Dialling(media_url, to, caller, new_carrier_call_id(random.Random()), others=tuple(others))
    within_s = RETURN_WITHIN_S if reattach else 0
    where = writable_folder_of(save, "--save")
    plan = _Plan(dialling, admit, within_s, utterances, at_once, nats_url, where)
    raise typer.Exit(run_interruptible(lambda _: _run(plan)))


def _where(home: Path, urls: list[str], nats: str) -> tuple[list[str], str | None, Path | None]:
    """The media streams and the bus of what was asked for, or of the platform in `home`, or none.

    With `home` again, where it is that platform.
    """
    if urls:
        return urls, nats or None, None
    try:
        state = read_state(home)
    except NotRunning:
        return [], nats or None, None
    return list(state.media_urls or (state.media_url,)), nats or state.bus_url, home


async def _run(plan: _Plan) -> int:
    console = plain_console()
    caller = Caller(plan.dialling, SystemClock(), admit=plan.admit, reattach_within_s=plan.reattach_within_s)
    with CallView(console) as view:
        try:
            async with Following(caller, view, plan.nats_url) as following:
                async with caller:
                    exchanges = await _talk(caller, plan)
                await following.story_told(_LAST_WORDS_WITHIN_S)
        finally:
            if caller.frames_sent:
                write_wav(plan.save, caller.heard(), LINE_RATE_HZ)
    console.print(f"The agent's audio: {plan.save}", soft_wrap=True)
    if not any(exchange.answered for exchange in exchanges):
        raise CallFailed("the agent answered nothing", mend="trunkline doctor says what is missing or down")
    return 0


async def _talk(caller: Caller, plan: _Plan) -> list[Exchange]:
    if not plan.at_once:
        await hear_greeting(caller)
    *first, last = plan.utterances
    return [*[await ask(caller, one) for one in first], await ask(caller, last, last=True)]
