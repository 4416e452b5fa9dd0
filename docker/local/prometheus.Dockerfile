# A stand-in for the public image, from Debian's package, where none can be pulled.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/* \
    && install -d -o prometheus /prometheus
USER prometheus
EXPOSE 9090
ENTRYPOINT ["prometheus"]
