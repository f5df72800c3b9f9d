"""Keeps services running: starts them on a lifeline, again when they die, and ends them together."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A service that lived longer than this died of something new; one that did not may die of the same thing
# again.
STEADY_S = 5.0
SOON_S = 0.2
LATER_S = 1.0

Clock = Callable[[], float]


@dataclass(frozen=True)
class Service:
    """A process to be kept running; all that it prints goes to `log`."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """Runs services until `stop`.

    Each has a pipe of ours as its standard input: when this process ends, however it ends, the pipe closes,
    and a service that was told `--stop-on-eof` ends too. Each is in a session of its own, so that Ctrl-C
    reaches only us.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._threads: list[threading.Thread] = []
        self._restarts: dict[str, int] = {}

    def keep(self, service: Service) -> None:
        """Start a service and keep it. Raises `OSError` when its command cannot be started at all."""
        self._start(service)
        thread = threading.Thread(target=self._watch, args=(service,), name=f"keeps {service.name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def pid(self, name: str) -> int:
        with self._turn:
            return self._running[name].pid

    def restarts(self, name: str) -> int:
        """How often the service was started again."""
        return self._restarts.get(name, 0)

    def stop(self, within_s: float) -> None:
        """Ask every service to end; those that have not after `within_s` are killed. Returns when all are
        gone.
        """
        with self._turn:
            # Under the lock: nothing is started again once this is set.
            self._stopping.set()
            running = list(self._running.values())
        for process in running:
            if process.stdin is not None:
                process.stdin.close()
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = self._clock() + within_s
        for process in running:
            try:
                process.wait(max(deadline - self._clock(), 0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for thread in self._threads:
            thread.join()

    def _start(self, service: Service) -> None:
        with self._turn:
            if self._stopping.is_set():
                return
            service.log.parent.mkdir(parents=True, exist_ok=True)
            with service.log.open("ab") as log:
                self._running[service.name] = subprocess.Popen(  # noqa: S603 - our own command line
                    list(service.command),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **service.environment},
                    start_new_session=True,
                )

    def _watch(self, service: Service) -> None:
        while True:
            started = self._clock()
            process = self._running[service.name]
            process.wait()
            if process.stdin is not None and not self._stopping.is_set():
                process.stdin.close()
            pause_s = SOON_S if self._clock() - started > STEADY_S else LATER_S
            if self._stopping.wait(pause_s):
                return
            self._restarts[service.name] = self._restarts.get(service.name, 0) + 1
            self._start(service)
