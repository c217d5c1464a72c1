"""A Django app with the functions that tests let workflows call; no workflow of its own."""
