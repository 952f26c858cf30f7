"""A small language model on this machine, behind OpenAI's API: `python -m llm_service.local_server --port N`.

The stand-in of the embedded composition, so that the `openai` engine has something to talk to without an
account or a GPU. A process of its own: generation is native code that takes a core, and `nice` lets speech
recognition and synthesis go first. One thread by default: on cores that others use too, two threads wait for
each other and are several times slower (the README has the figures).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Final

from contracts.errors import TrunklineError
from llm_service.errors import EngineNotInstalled, EngineUnavailable
from llm_service.settings import Settings
from models.store import ModelStore
from runtime import settings as environment
from runtime.errors import PortInUse

_HOST: Final = "127.0.0.1"
_NICENESS: Final = 5
_WATCH_S: Final = 0.5
_TOKENS_AT_ONCE: Final = 256


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or until the process that started this one is gone; the exit status."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(prog="python -m llm_service.local_server", description=__doc__)
    parser.add_argument("--port", type=int, help="0 takes a free one; default TRUNKLINE_LLM_LOCAL_PORT")
    port = parser.parse_args(arguments).port
    try:
        settings = environment.load(Settings)
        server = start(settings, settings.llm_local_port if port is None else port)
    except TrunklineError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - it is a command
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print(f"ready {server.listening_address}/v1", flush=True)  # noqa: T201 - whoever started it reads this
    while not stop.wait(_WATCH_S):
        if settings.exit_with_parent and os.getppid() != parent:
            break
    del server  # finishes its threads
    return 0


def start(settings: Settings, port: int) -> Any:
    """The server, listening on loopback; its `listening_address` is the base URL without `/v1`.

    Raises PortInUse, EngineNotInstalled, a ModelError, or EngineUnavailable when it does not come up.
    """
    try:
        import xllamacpp  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise EngineNotInstalled(
            f"the local model server needs the package {error.name}", mend="pip install 'trunkline[llm]'"
        ) from error
    _check_free(port)
    model = ModelStore(settings.home / "models").path(settings.llm_local_model)
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    try:
        return xllamacpp.Server(_parameters(xllamacpp.CommonParams(), model, settings, port))
    except RuntimeError as error:
        raise EngineUnavailable(
            f"{model.name} does not load: {error}",
            mend="correct TRUNKLINE_LLM_LOCAL_MODEL, or install the model again",
        ) from error


def _parameters(params: Any, model: Path, settings: Settings, port: int) -> Any:
    params.model.path = str(model)
    params.model_alias = {settings.llm_local_model}
    params.hostnames = [_HOST]
    params.port = port
    params.n_ctx = settings.llm_local_context * settings.llm_local_slots
    params.n_parallel = settings.llm_local_slots
    params.n_batch = params.n_ubatch = _TOKENS_AT_ONCE
    params.cpuparams.n_threads = settings.llm_local_threads
    params.cpuparams_batch.n_threads = settings.llm_local_threads
    params.n_threads_http = settings.llm_local_slots + 2
    params.cache_ram_mib = settings.llm_local_prefix_cache_mib
    params.n_gpu_layers = 0
    params.fit_params = False
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 0
    return params


def _check_free(port: int) -> None:
    """llama.cpp does not say why it cannot listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise PortInUse(
                f"port {port} of {_HOST} cannot be had: {error.strerror}",
                mend="stop what listens there, or choose another with --port",
            ) from error


if __name__ == "__main__":
    sys.exit(main())
