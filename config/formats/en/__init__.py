"""English, but in the order that everybody reads alike."""
