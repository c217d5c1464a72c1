"""The adapters `amqp.publish` and `amqp.get`: messages of RabbitMQ and other AMQP 0-9-1 brokers."""
