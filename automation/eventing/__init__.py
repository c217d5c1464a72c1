"""Events that start runs: the sections `webhook`, `event` and `event_missing` of a definition's `on`."""
