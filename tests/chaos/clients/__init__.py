"""Everybody who uses the platform during the attack: over the API, from business transactions, repairing."""
