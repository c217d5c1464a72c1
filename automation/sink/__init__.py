"""Hands incidents and dead letters on to OpenSearch, where that is wanted; the engine never waits for it."""
