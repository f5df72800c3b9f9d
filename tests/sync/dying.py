"""`yizhan` in a process that kills itself at a counted write: `python -m tests.sync.dying PLACE NUMBER ARGUMENT…`.

`insert` is while documents are being written, `commit` with all of them written and not yet committed, `committed`
when they are durable and nobody has been told so.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from typing import Any

from sync import database_file

_BEGINNINGS = {"insert": "INSERT INTO documents", "commit": "COMMIT"}


class Death:
    """The end of this process at the `left`-th write of documents since its start."""

    def __init__(self, place: str, left: int) -> None:
        self.place = place
        self.left = left
        self._in_documents = False

    def sees(self, statement: str) -> None:
        """Called with each statement before it runs."""
        if statement.startswith("INSERT INTO documents"):
            self._in_documents = True
        if statement.startswith(_BEGINNINGS.get(self.place, "-")) and self._in_documents:
            self.comes_nearer()
        if statement.startswith("COMMIT"):
            self._in_documents = False

    def comes_nearer(self) -> None:
        """One of the writes that are counted."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main(place: str, number: str, *arguments: str) -> None:
    """Run the command, with death at its hand."""
    death = Death(place, int(number))
    connect, announce = database_file._writer_of, database_file.DatabaseFile.announce

    def watched(*where: Any) -> Any:
        writer = connect(*where)
        writer.set_trace_callback(death.sees)
        return writer

    def announced(file: database_file.DatabaseFile, seq: int) -> None:
        if place == "committed":
            death.comes_nearer()
        announce(file, seq)

    database_file._writer_of = watched
    database_file.DatabaseFile.announce = announced  # type: ignore[method-assign]
    sys.argv = ["yizhan", *arguments]
    runpy.run_module("yizhan", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
