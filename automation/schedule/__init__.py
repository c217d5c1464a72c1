"""When work is due: timings, zones, calendars and what becomes of a due time; pure, the clock is an argument."""
