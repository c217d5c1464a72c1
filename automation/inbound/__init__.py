"""Webhooks that came in: their sources, their requests, and what became of them."""
