"""One module for each row: how ours and its floor are made to do the same work."""
