"""Explains what is wrong with an installation and how to mend it: `manage.py automation doctor`; it mends nothing."""
