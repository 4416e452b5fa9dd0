"""Everything that the author of a service needs, in the order to read it.

- `domain`: entities, changes, events, and refusals by name
- `identity`, `context`: ids and time; who acts, for which tenant, on whose command
- `store`: `database.collection(…)` and the verbs of a collection: `insert`, `update`, `update_many`, `upsert_many`,
  `find`, `page`, `rows`, `totals`; `filtering` for conditions, `paging` for `PageRequest` and `to_page`; `contention`
  and `ahead` for bulk work, `rows` for requests of many rows that stand alone
- `codec`: `field_of(request, …)` from the wire, `to_proto(value, …)` back; `enums` for the words of their values;
  `validation` for the rules of the protos
- `serving`, `status`: questions about the call that is served; a refusal as one row of an answer tells it
- `scopes`, `privacy`: what a caller may do, and what is personal in what it is shown
- `inbox`: reactions to events; `timers`: work that time causes; `operations`: `Job[Request, State]`, long work
- `customers`, `projection`, `erasure`: a service's own copy of customers, and the end of what it holds on one
- `feed`: watches of what changes
- `service`: `Service`, which puts these together; `testing`: `World`, which does so in a test

`libs.engine` keeps what is declared here. No module of a service imports it but `__main__`, and nothing here but
`testing` does.
"""
