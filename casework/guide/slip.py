"""What a QR code on a guide holds: the short list itself, for a phone at home that reaches no station."""

from __future__ import annotations

from collections.abc import Sequence

from casework.canonical import Document

MOST_BYTES = 460
"""A code of level M stays below version 17 (85 modules): at 34 mm a phone reads it from a paper that was folded."""


def slip(item: Document, materials: Sequence[str], *, place: str, on: str, release: int) -> str:
    """Name, what to bring, where to go and whom to call, as plain text; materials that do not fit are counted.

    `place` is the station's name, `on` the day in words.
    """
    where = [str(spot["place"]) for spot in item.get("where") or ()]
    phone = str((item.get("phones") or {}).get("enquiry") or "")
    below = "\n".join(
        filter(
            None,
            (
                f"到：{_cut('、'.join(where), 90)}" if where else "",
                f"电话：{phone}" if phone else "",
                f"{_cut(place, 60)} {on} 第{release}版",
                "以受理时为准",
            ),
        )
    )
    above = _cut(str(item["name"]), 90)
    room = MOST_BYTES - len(f"{above}\n\n{below}".encode())
    return f"{above}\n{_listed(materials, room)}\n{below}"


def _listed(materials: Sequence[str], room: int) -> str:
    if not materials:
        return "不用带材料"
    shown = list(materials)
    while True:
        more = "" if len(shown) == len(materials) else f" …共{len(materials)}样"
        text = "要带：" + " ".join(f"{n}.{name}" for n, name in enumerate(shown, 1)) + more
        if len(text.encode()) <= room or not shown:
            return text
        shown.pop()


def _cut(text: str, most_bytes: int) -> str:
    if len(text.encode()) <= most_bytes:
        return text
    return text.encode()[: most_bytes - 3].decode(errors="ignore") + "…"
