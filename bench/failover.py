"""What callers notice when processes are killed and frozen under them.

    python -m bench.failover [--strikes 200] [--calls 50] [--services stt,llm,tts,gateway,...]

Two processes of every role, synthetic engines; callers speak for 2 s and then listen for 8 s, again and
again, each at his own point of these 10 s. Strikes come one after the other, at random moments: `kill -9`, or
SIGSTOP for a few seconds and then SIGCONT, so that the frozen one wakes and finds itself replaced. The next
strike waits until the process is back. What was promised is judged by the stream afterwards, silence by what
arrived at the callers' sockets.

`--rolling` restarts every process in order instead (SIGTERM, drain, start), one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.chaos.invariants import stories
from bench.chaos.monkey import Blow, Monkey, Strike, plan_strikes, service_of
from bench.chaos.record import calls_holding_slots, whole_record
from bench.chaos.verdict import Outcome, Scene, judged
from bench.density import make_room
from bench.figures import Figures
from bench.machine import describe_machine
from runtime.clock import SystemClock
from trunkline.bus_client import open_bus
from trunkline.load.plan import Arrival, LoadPlan, Number
from trunkline.load.run import LoadRun
from trunkline.load.script import parse_pattern
from trunkline.local_platform import LocalPlatform, Options
from trunkline.readiness import HttpOk

SCRIPT: Final = parse_pattern("noise:2.0,silence:8.0")
SCENE: Final = Scene(spoken_s=2.0, endpoint_ms=300.0, whole_answer_ms=(1_900.0, 2_150.0))
NUMBER: Final = "+15550199"
STRIKABLE: Final = ("stt", "llm", "tts", "router", "session", "analytics", "gateway")
PAIRS: Final = ("gateway", "stt", "llm", "tts", "router", "session")
SETTLES_S: Final = 3.0
ENDS_WITHIN_S: Final = 20.0
LOOK_S: Final = 0.5
FROZEN_S: Final = 4.0
DIALS_A_SECOND: Final = 20
PAUSE_S: Final = (0.5, 2.5)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is done: so many callers who talk until all is done, or for `talk_s`; so many strikes at
    `victims`, a share of them, `frozen`, by freezing; then `restarts`, one after the other. Both are names of
    processes, or of services for all of theirs.
    """

    calls: int
    talk_s: float
    strikes: int = 0
    victims: tuple[str, ...] = STRIKABLE
    frozen: float = 0.3
    restarts: tuple[str, ...] = ()
    seed: int = 1


async def run(trial: Trial, home: Path) -> Outcome:
    """Callers on the line from the first strike to the last."""
    rng, workers = random.Random(trial.seed), dict.fromkeys(PAIRS, 2)
    options = Options(home=home, port=0, spread=True, local_llm=False, workers=workers, open_loopback=True)
    async with LocalPlatform(options) as platform:
        await asyncio.sleep(SETTLES_S)
        strikes: list[Strike] = []
        zero_us = time.time_ns() // 1000
        load = LoadRun(plan_of(platform, trial), SystemClock(), rng, pids={})
        calling = asyncio.ensure_future(load.run())
        await asyncio.sleep(trial.calls / DIALS_A_SECOND + SETTLES_S)
        striking = asyncio.ensure_future(strike_all(platform, trial, rng, strikes))
        await asyncio.wait({striking, calling}, return_when=asyncio.FIRST_COMPLETED)
        if striking.done():
            striking.result()
        striking.cancel()
        load.finish()
        report = await calling
        await asyncio.sleep(SETTLES_S)
        async with open_bus(platform.state.bus_url) as bus:
            held = await until_free(bus)
            return Outcome(strikes, report, stories(await whole_record(bus)), held, zero_us)


def plan_of(platform: LocalPlatform, trial: Trial) -> LoadPlan:
    """Callers through every gateway, each at his own point of the script."""
    url, *others = platform.state.media_urls
    return LoadPlan(
        url,
        (Number(NUMBER),),
        trial.calls,
        Arrival.CONSTANT,
        trial.calls / DIALS_A_SECOND,
        SCRIPT,
        trial.talk_s,
        together=True,
        others=tuple(others),
    )


async def strike_all(platform: LocalPlatform, trial: Trial, rng: random.Random, done: list[Strike]) -> None:
    """Strike after strike, with a pause of random length between them; then the restarts."""
    ready = {one.name: HttpOk(one.health_port) for one in platform.state.processes if one.health_port}
    victims = [name for name in ready if {name, service_of(name)} & {*trial.victims}]
    monkey = Monkey(platform.pids, ready, FROZEN_S)
    for process, blow in plan_strikes(victims, trial.strikes, trial.frozen, rng):
        await asyncio.sleep(rng.uniform(*PAUSE_S))
        tell(done, await monkey.strike(process, blow))
    if trial.restarts:
        at_us = time.time_ns() // 1000
        async for name, _ in platform.rolling(trial.restarts):
            now_us = time.time_ns() // 1000
            tell(done, Strike(name, Blow.RESTART, at_us, round((now_us - at_us) / 1e6, 2)))
            at_us = now_us


def tell(done: list[Strike], strike: Strike) -> None:
    done.append(strike)
    print(f"  {len(done):4} {strike.blow:<6} {strike.process:<12} back in {strike.back_s:.1f} s", flush=True)


async def until_free(bus: Any) -> int:
    """How many slots are still held once calls had time to end."""
    for _ in range(round(ENDS_WITHIN_S / LOOK_S)):
        if not await calls_holding_slots(bus):
            return 0
        await asyncio.sleep(LOOK_S)
    return await calls_holding_slots(bus)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strikes", type=int, default=200)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=3_000.0, help="how long callers talk at most")
    parser.add_argument("--services", default=",".join(STRIKABLE))
    parser.add_argument("--frozen", type=float, default=0.3, help="the share of strikes that freeze")
    parser.add_argument("--rolling", action="store_true", help="restart everything in order instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave the platform's home, with its logs, here")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    names = tuple(arguments.services.split(","))
    done = {"restarts": names} if arguments.rolling else {"strikes": arguments.strikes, "victims": names}
    trial = Trial(arguments.calls, arguments.seconds, frozen=arguments.frozen, seed=arguments.seed, **done)
    make_room()
    figures = Figures(arguments.out, "bench.failover", **describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        outcome = uvloop.run(run(trial, arguments.keep or Path(folder)))
    figures.put(**judged(outcome, SCENE))
    figures.show()


if __name__ == "__main__":
    main()
