"""Alerts: rules over what may be wrong, one row for each thing that is, and somebody told once."""
