"""The messages of released versions, frozen: what one release sends the next must read, and the other way round.

    tests/wire/messages/<release>/<case>.json

A file is never changed once its release is out. `tests/integration/test_wire.py` replays all of them on real servers,
and fails when today's messages have a form that no file has.
"""
