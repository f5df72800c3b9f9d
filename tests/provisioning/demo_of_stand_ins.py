"""The demo's process, with stand-ins for the apps: DIR PORT."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import provisioning.demo

provisioning.demo.Demo = partial(  # type: ignore[misc,assignment]
    provisioning.demo.Demo, command=[sys.executable, "-m", "tests.provisioning.stand_in"]
)
try:
    provisioning.demo.run_demo(Path(sys.argv[1]), int(sys.argv[2]))
except provisioning.ProvisioningError as error:
    sys.exit(f"Error: {error}")
