"""The adapter `browser.run`: declared steps in a browser, for systems that have no other door."""
