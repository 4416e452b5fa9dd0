# A stand-in for the public image, from the server that the local stack unpacks, where none can be pulled.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends libcurl4 && rm -rf /var/lib/apt/lists/* \
    && useradd --system mongodb && install -d -o mongodb /data/db
COPY . /opt/mongodb
ENV PATH=/opt/mongodb:/usr/bin:/bin LD_LIBRARY_PATH=/opt/mongodb
USER mongodb
EXPOSE 27017
CMD ["mongod", "--bind_ip_all"]
