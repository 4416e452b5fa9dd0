"""The engine under the chassis, which services never import, except in `__main__`.

It implements what `libs.chassis` declares. In the order of a change on its way:

- `rpc`: the gRPC server, its stages and its exit, where responses are masked; `access` verifies access tokens,
  `tls` reads the identity of a process
- `store`: the laws of a collection on MongoDB and in memory; `sealing` keeps personal values under keys of their own
- `outbox`, `bus`: the relay of events from the documents to RabbitMQ; `journal` records all of them,
  `roots` signs its end
- `inbox`: from a queue to the function of a subscription; `timers`, `deferrals`, `lease`: work that time causes
- `run`: one process of a service (`api`, `worker`, `operation`, `migrate`, `check`), its `settings` and `exits`
- `outage`: errors that pass when a peer is well again; `logs`, `metrics`, `admin`: what a process tells of itself
"""
