"""County alerts: one file each with a read-only `check`, one line here."""
