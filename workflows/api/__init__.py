"""The REST API of the engine; it parses, asks the use cases or the readings, and answers."""
