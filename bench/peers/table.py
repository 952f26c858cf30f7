"""LiveKit Agents and Pipecat under the density workload, and ours beside them, as one table.

    python -m bench.peers.table [--livekit 100,150] [--pipecat 25] [--tuned 100] [--seconds 40]
        [--environments .venv-peers] [--ours bench/results/density.json] [--out bench/results/peers.json]

Each framework gets a virtual environment of its own below `--environments`, made when it is missing. What is
compared is not the same work: the frameworks run in one process, with no transport, bus, codec or voice
detector; ours carries Twilio Media Streams, NATS and every service. Callers are in the frameworks' figures
and not in ours; `--baseline` says how much that is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import venv
from pathlib import Path
from typing import Any, Final

from bench.figures import Figures
from bench.machine import describe_machine

HERE: Final = Path(__file__).parent
SCRIPTS: Final = {"livekit": "livekit_agents.py", "pipecat": "pipecat_pipelines.py"}
_INSTALL_S: Final = 900
_RUN_MORE_S: Final = 120


def environment_of(peer: str, folder: Path) -> Path:
    """The Python of a peer's own environment; made, with the pinned packages, when it is missing."""
    python = folder / peer / "bin" / "python"
    requirements = HERE / f"requirements-{peer}.txt"
    stamp = folder / peer / requirements.name
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        print(f"installing {peer} below {folder}")
        venv.create(folder / peer, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)]
        subprocess.run(install, check=True, timeout=_INSTALL_S)
        stamp.write_text(requirements.read_text())
    return python


def run_peer(peer: str, python: Path, calls: int, seconds: float, *flags: str) -> dict[str, Any]:
    """One run in a fresh process."""
    command = [str(python), SCRIPTS[peer], "--calls", str(calls), "--seconds", str(seconds), *flags]
    done = subprocess.run(
        command, cwd=HERE, stdout=subprocess.PIPE, text=True, check=True, timeout=seconds + _RUN_MORE_S
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def ours(path: Path) -> list[dict[str, Any]]:
    """The rows of our own density bench, in the form of the others."""
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return [
        {
            **row,
            "peer": "Trunkline",
            "version": "",
            "baseline": False,
            "load_average": [row["load_average_before"][0], row["load_average_after"][0]],
        }
        for row in rows
    ]


def show(rows: list[dict[str, Any]]) -> None:
    """One line a run."""
    head = ("", "calls", "turns", "p50", "p95", "p99 ms", "CPU-s/call-min", "load")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print(
            "  ".join(
                cell.rjust(width) if at else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
        )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    overhead = row["overhead_ms"]
    name = f"{row['peer']} {row['version']}".strip() + (" (harness alone)" if row["baseline"] else "")
    return (
        name,
        str(row["calls"]),
        f"{row['turns_completed']}/{row['turns_expected']}",
        *(str(overhead[key]) for key in ("p50", "p95", "p99")),
        f"{row['cpu_s_per_call_minute']:.3f}",
        f"{row['load_average'][0]} → {row['load_average'][1]}",
    )


def counts(text: str) -> list[int]:
    """`100,150` as numbers; nothing as none."""
    return [int(count) for count in text.split(",") if count]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--livekit", default="100,150", help="numbers of calls; empty: not at all")
    parser.add_argument("--pipecat", default="25")
    parser.add_argument("--tuned", default="100", help="Pipecat with its bookkeeping off")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--baseline", action="store_true", help="the harness alone, besides")
    parser.add_argument("--environments", type=Path, default=Path(".venv/peers"))
    parser.add_argument("--ours", type=Path, help="JSON of bench.density, to stand in the same table")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    arguments = parser.parse_args()
    figures = Figures(arguments.out, "bench.peers.table", **describe_machine())
    wanted = [("livekit", count, ()) for count in counts(arguments.livekit)]
    wanted += [("pipecat", count, ()) for count in counts(arguments.pipecat)]
    tuned = [("pipecat", count, ("--tuned",)) for count in counts(arguments.tuned)]
    alone = [(peer, count, (*flags, "--baseline")) for peer, count, flags in wanted if arguments.baseline]
    rows = []
    for peer, count, flags in (*wanted, *tuned, *alone):
        python = environment_of(peer, arguments.environments.absolute())
        rows.append(run_peer(peer, python, count, arguments.seconds, *flags))
        figures.put(rows=rows)
    rows += ours(arguments.ours) if arguments.ours else []
    figures.put(rows=rows)
    show(rows)


if __name__ == "__main__":
    main()
