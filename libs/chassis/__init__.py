"""Everything that the author of a service needs, in the order to read it.

- `domain`: entities, changes, events, and refusals by name
- `identity`, `context`: ids and time; who acts, for which tenant, on whose command
- `store`: `database.collection(…)` and the verbs of a collection: `insert`, `update`, `update_many`, `upsert_many`,
  `find`, `page`, `rows`, `totals`; `filtering` for conditions, `paging` for `PageRequest` and `to_page`
- `codec`: `field_of(request, …)` from the wire, `to_proto(value, …)` back; `validation` for the rules of the protos
- `inbox`: what a service reacts to; `timers`: what time causes; `operations`: `Job[Request, State]`, long work
- `run`: `Service`, which puts these together; `testing`: `World`, which does so in a test
"""
