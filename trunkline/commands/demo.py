"""`trunkline demo`: the platform comes up, answers a scripted call with the real models, and goes again."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from audio.wav import write_stereo_wav
from contracts.errors import TrunklineError
from models.store import ModelStore
from runtime.clock import SystemClock
from trunkline.bus_client import open_bus
from trunkline.caller import Caller, Dialling, new_carrier_call_id
from trunkline.commands.call import CALLER_NUMBER
from trunkline.commands.options import HOME, Home, Tenants, VoiceEngine, writable_folder_of
from trunkline.composition import models_home
from trunkline.demo_report import Conversation, Verdict, judge, latency_table, report
from trunkline.demo_script import Lines, hold_conversation, load_lines
from trunkline.errors import CallFailed
from trunkline.following import Following
from trunkline.interrupts import Interrupts, run_interruptible
from trunkline.inventory import default_models, installed_versions
from trunkline.ledger import LedgerTurn, read_ledger
from trunkline.local_platform import EXAMPLES, TENANTS, LocalPlatform, Options
from trunkline.machine import describe_machine, memory_mb
from trunkline.supervisor import Happening, Report
from trunkline.turn_taking import Exchange
from trunkline.utterance import LINE_RATE_HZ
from trunkline.view import CallView, plain_console, process_line

_CALLED: Final = "+15550100"
_STORY_WITHIN_S: Final = 5.0
_LEDGER_WITHIN_S: Final = 15.0


def demo(
    *,
    out: Annotated[Path, typer.Option("--out", help="Where to leave call.wav and report.json.")] = Path(
        "out/demo"
    ),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the platform up afterwards, until Ctrl-C.")
    ] = False,
    home: Home = HOME,
    tenants: Tenants = TENANTS,
    voice: VoiceEngine = "",
) -> None:
    """Start the platform, hold a real call with it, show what was said and how fast, and stop it."""
    lines = load_lines(EXAMPLES / "audio")
    writable_folder_of(out / "call.wav", "--out")
    options = Options(home=home, tenants=tenants, port=0, voice=voice, open_loopback=True)
    stage = _Stage(options, out, lines, keep=keep)
    raise typer.Exit(run_interruptible(stage.run))


@dataclass
class _Stage:
    """One demo from its first line to its exit status."""

    options: Options
    out: Path
    lines: Lines
    keep: bool
    console: Console = field(default_factory=plain_console)
    ready_ms: dict[str, float] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    broke_off: str = ""

    async def run(self, interrupts: Interrupts) -> int:
        machine_before = describe_machine()
        await asyncio.to_thread(self._say_models)
        started_s = time.monotonic()
        platform = LocalPlatform(self.options, self._process)
        interrupts.hurry = platform.hurry
        async with platform:
            start_s = time.monotonic() - started_s
            self._say(f"Ready in {start_s:.1f} s. Calling {_CALLED} at {platform.state.media_url}\n")
            caller, following, turns = await self._call(platform)
            facts = {
                "call": following.ref._asdict() if following.ref else None,
                "called": _CALLED,
                "duration_s": round(caller.frames_sent / 50, 2),
                "caller_worst_lateness_ms": round(caller.worst_lateness_ms, 1),
                "start": {"seconds": round(start_s, 2), "ready_ms": self.ready_ms},
                "memory_mb": memory_mb({one.name: one.pid for one in platform.state.processes}),
                "machine": {**machine_before, "load_average_after": describe_machine()["load_average"]},
                "versions": installed_versions(),
                "models": [model.name for model in default_models()],
            }
            conversation = Conversation(tuple(self.exchanges), turns, caller.began_us, len(self.lines))
            verdicts = judge(conversation, self.broke_off)
            self._leave(caller, report(conversation, verdicts, facts))
            self._show(conversation, verdicts, facts)
            if self.keep:
                self._say(f"Kept up: {platform.state.media_url}  Ctrl-C stops it.")
                await asyncio.Event().wait()
        return 0 if all(verdict.holds for verdict in verdicts) else 1

    async def _call(self, platform: LocalPlatform) -> tuple[Caller, Following, tuple[LedgerTurn, ...]]:
        state = platform.state
        dialling = Dialling(state.media_url, _CALLED, CALLER_NUMBER, new_carrier_call_id(random.Random()))
        caller = Caller(dialling, SystemClock())
        with CallView(self.console) as view:
            async with Following(caller, view, state.bus_url) as following:
                try:
                    async with caller:
                        await hold_conversation(caller, self.lines, self.exchanges.append)
                except CallFailed as error:
                    self.broke_off = str(error)
                await following.story_told(_STORY_WITHIN_S)
        return caller, following, await self._ledger(state.bus_url, following)

    async def _ledger(self, nats_url: str, following: Following) -> tuple[LedgerTurn, ...]:
        if following.ref is None:
            return ()
        try:
            async with open_bus(nats_url) as bus:
                return await read_ledger(bus, following.ref, _LEDGER_WITHIN_S)
        except TrunklineError as error:
            self.broke_off = self.broke_off or f"the ledger cannot be read: {error}"
            return ()

    # -- what is shown and left behind -----------------------------------------------------------------

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def _say_models(self) -> None:
        """Name every model; the first time, this is where they are checked and joined."""
        store = ModelStore(models_home(self.options.home.absolute()))
        self._say("Models:")
        for model in default_models():
            store.path(model.name)
            megabytes = model.size_bytes / 1e6
            self._say(f"  {model.name:<20} {model.kind:<10} {megabytes:6.0f} MB  {model.licence}")

    def _process(self, happened: Report) -> None:
        if happened.happened is Happening.READY:
            self.ready_ms[happened.name] = round(happened.ms, 1)
        self.console.print(process_line(happened), soft_wrap=True)

    def _leave(self, caller: Caller, content: dict[str, Any]) -> None:
        write_stereo_wav(self.out / "call.wav", caller.spoken(), caller.heard(), LINE_RATE_HZ)
        path = self.out / "report.json"
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _show(self, conversation: Conversation, verdicts: list[Verdict], facts: dict[str, Any]) -> None:
        self.console.print()
        self.console.print(latency_table(conversation))
        for verdict in verdicts:
            mark, style = ("ok  ", "green") if verdict.holds else ("FAIL", "bold red")
            self.console.print(f"{mark} {verdict.what}: {verdict.found}", style=style, soft_wrap=True)
        total_mb = sum(facts["memory_mb"].values())
        self._say(f"\nMemory {total_mb:.0f} MB in {len(facts['memory_mb'])} processes.")
        self._say(
            f"Listen to {self.out / 'call.wav'} (caller left, agent right), read {self.out / 'report.json'}"
        )
