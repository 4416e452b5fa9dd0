# A stand-in for the public image, from Debian's package, where none can be pulled.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends rabbitmq-server && rm -rf /var/lib/apt/lists/*
ENV HOME=/var/lib/rabbitmq RABBITMQ_LOGS=-
USER rabbitmq
EXPOSE 5672 15672 15692
ENTRYPOINT ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
