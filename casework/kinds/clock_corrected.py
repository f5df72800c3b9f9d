"""clock_corrected (更正时间): what a wrong clock wrote is dated anew, and nothing is rewritten."""

from __future__ import annotations

from casework.documents.document_type import shape, text
from casework.documents.event import EVENT_ID, MOST_OFFSET_MS
from casework.kinds.kind import Kind

SCHEMA = shape(
    {
        "events": {"type": "array", "items": text(EVENT_ID), "minItems": 1, "maxItems": 1000},
        # Milliseconds to add to the raw clock of each of these events, instead of the offset it was written
        # with.
        "offset": {"type": "integer", "minimum": -MOST_OFFSET_MS, "maximum": MOST_OFFSET_MS},
        "how": {"type": "string", "minLength": 1, "maxLength": 200},
    }
)

KIND = Kind("clock_corrected", SCHEMA)
