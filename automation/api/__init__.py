"""Schedules, backfills and calendars over HTTP."""
