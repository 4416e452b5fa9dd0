"""`kehu ops` without its tables: what is read of a cluster and of the broker, and what it means.

`cluster` reads one namespace with the rights that `rights` lists, `broker` reads RabbitMQ; `status`, `lag`, `drain`,
`drift` and `warnings` turn what was read into something a person can act on, and know neither network nor terminal;
`bundle` puts all of it into one file.
"""
