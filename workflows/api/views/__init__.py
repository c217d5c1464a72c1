"""The views, one module for each thing; each parses, makes one call and answers."""
