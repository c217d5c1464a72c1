"""Attacks a whole platform with faults by a seed, and then checks every law on rows and ledgers."""
