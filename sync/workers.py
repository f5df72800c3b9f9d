"""Several processes on one listening socket: the first makes it and keeps the others alive."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

_REST_S: Final = 1.0
_LAST_CALL_S: Final = 10.0


def keep_workers(count: int, work: Callable[[], None], *, sleep: Callable[[float], None]) -> None:
    """Run `work` in `count` processes until this one is told to stop; one that dies is replaced.

    To be called with a single thread running and no database open: neither survives a fork. `work` is told to
    stop by SIGTERM, also when this process is killed without a word.
    """
    end_of_parent, held_open = os.pipe()
    workers: set[int] = set()

    def begin() -> None:
        pid = os.fork()
        if pid == 0:
            os.close(held_open)
            _be_worker(work, end_of_parent)
        workers.add(pid)

    signal.signal(signal.SIGTERM, stop_here)
    try:
        for _ in range(count):
            begin()
        while True:
            pid, _status = os.wait()
            workers.discard(pid)
            # What kills every new worker at once must not fill the machine.
            sleep(_REST_S)
            begin()
    except (KeyboardInterrupt, SystemExit):
        # A second signal must not stop the stopping.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    finally:
        _end(workers, sleep)


def stop_here(*_: object) -> NoReturn:
    """A signal handler: leave by way of every `finally`."""
    raise SystemExit(0)


def _be_worker(work: Callable[[], None], end_of_parent: int) -> NoReturn:
    code = 1
    try:
        # Ctrl-C reaches the whole group; the parent passes it on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_follow, args=(end_of_parent,), daemon=True).start()
        work()
        code = 0
    except SystemExit:
        code = 0
    finally:
        # Not by way of the parent's own exit handlers.
        os._exit(code)


def _follow(end_of_parent: int) -> None:
    # Nobody ever writes: it ends when the parent does.
    os.read(end_of_parent, 1)
    # To the thread that waits in the loop, or it would sleep on.
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGTERM)


def _end(workers: set[int], sleep: Callable[[float], None]) -> None:
    for pid in workers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    left = _LAST_CALL_S
    while workers and left > 0:
        for pid in list(workers):
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    continue
            workers.discard(pid)
        sleep(0.05)
        left -= 0.05
    for pid in workers:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
