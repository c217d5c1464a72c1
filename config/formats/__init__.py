"""How the site writes instants, by language."""
