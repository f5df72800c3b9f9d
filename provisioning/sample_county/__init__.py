"""The sample county 驿山县 (600101) as data: stations, departments, accounts, items, the demo."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ITEMS_FILE = FOLDER / "items.json"  # goes through the same import as a real county's file
LIBRARIES_FILE = FOLDER / "libraries.json"


def load(name: str) -> Any:
    """The contents of `stations`, `departments`, `accounts`, `demo`, `items` or `libraries`."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
