"""What is wrong with a record, and what cannot be done, in the words of whoever has to mend it."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioning import ProvisioningError


class CatalogueRefused(ProvisioningError):
    """An import or a release that cannot be made; the message says what to put right."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said about one record: its place in the file (from 1; 0 is the file itself), and why."""

    row: int
    name: str
    sentence: str

    def __str__(self) -> str:
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
