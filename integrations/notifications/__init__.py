"""Messages to people and systems: written in the transaction that causes them, sent later, at least once.

`outbox.notify` writes, `delivery` sends, `channels` knows the ways out: a module each, which keeps `contract.Channel`.
"""
