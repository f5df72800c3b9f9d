"""What is wrong with a record, and what cannot be done, in the words of whoever has to mend it."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioning import ProvisioningError


class CatalogueRefused(ProvisioningError):
    """An import or a release that cannot be made; the message says what to put right."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said about one record: its place in the file (from 1; 0 is the file itself), and why.

    `path` is the field that it is about (dotted), which the sentence names, too. In a file of sheets the place is `row`
    of `sheet`, and `column` names the field.
    """

    row: int
    name: str
    sentence: str
    path: str = ""
    sheet: str = ""
    column: str = ""

    def __str__(self) -> str:
        if self.sheet:
            row = f" 第 {self.row} 行" if self.row else ""
            column = f"“{self.column}”" if self.column else ""
            name = f" {self.name}" if self.name else ""
            return f"{self.sheet}{row}{column}{name}：{self.sentence}"
        return f"第 {self.row} 条 {self.name}：{self.sentence}"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, by item code. With anything in `refused`, nothing was written at all."""

    approved: bool
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)

    @property
    def imported(self) -> bool:
        return not self.refused
