"""The platform on one machine: a real MongoDB, a real RabbitMQ and Kehu's own processes, without containers."""
