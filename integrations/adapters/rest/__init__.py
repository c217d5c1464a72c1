"""The adapter `rest.call`: operations of an API that an OpenAPI document describes."""
