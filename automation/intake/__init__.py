"""Takes webhooks in: between the socket and a durable place stands as little as possible.

What is acknowledged (2xx) is a row in PostgreSQL or, while that is away, lies in RabbitMQ, confirmed by a quorum of it.
Everything else, reading the body, matching, starting runs, is done behind, by `automation.receiving`.
"""
