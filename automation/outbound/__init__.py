"""Webhooks out: events sent to subscribed endpoints, signed, from rows that commit with the event."""
