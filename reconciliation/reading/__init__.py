"""Reads both sides of a job as sorted streams of records; it writes nothing but temporary files."""
