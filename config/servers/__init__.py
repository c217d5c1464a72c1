"""PostgreSQL, Redis and RabbitMQ as private child processes; it never touches a server it did not start."""
