"""The tables of a service's own file: made once, and brought up to what a newer version knows."""

from __future__ import annotations

from pathlib import Path

from web.localfile import LocalFile


def columns(file: LocalFile, table: str) -> list[str]:
    return [row["name"] for row in file.rows("SELECT name FROM pragma_table_info(?)", (table,))]


def test_a_file_of_an_older_version_gets_the_columns_it_lacks_and_keeps_its_rows(tmp_path: Path) -> None:
    file = LocalFile(tmp_path / "local.sqlite3")
    file.table("notes", {"id": int, "text": str}, pk="id")
    file.index("notes", "text")
    with file.writing() as database:
        database.execute("INSERT INTO notes VALUES (1, '一')")
    file.close()

    newer = LocalFile(tmp_path / "local.sqlite3")
    for _ in range(2):
        newer.table("notes", {"id": int, "text": str, "at": str, "order": int}, pk="id")
        newer.index("notes", "text")
        newer.index("notes", "at", "order")
    assert columns(newer, "notes") == ["id", "text", "at", "order"]
    assert newer.rows("SELECT * FROM notes") == [{"id": 1, "text": "一", "at": None, "order": None}]
    made = [row["name"] for row in newer.rows("SELECT name FROM sqlite_master WHERE type = 'index'")]
    assert made == ["idx_notes_text", "idx_notes_at_order"]
    newer.close()

    # The one before it, started again, has what it knows.
    older = LocalFile(tmp_path / "local.sqlite3")
    older.table("notes", {"id": int, "text": str}, pk="id")
    assert columns(older, "notes") == ["id", "text", "at", "order"]
    older.close()
