"""A real Kubernetes node on this machine, and what the suite has to stand on it (`make cluster`, `make cluster-test`).

`build.sh` builds the programs, `node` runs them in namespaces of their own, `stores` puts MongoDB and RabbitMQ beside
them, `suite` installs the chart.
"""
