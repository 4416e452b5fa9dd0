"""Personal values at rest and on their way: sealed under keys that can be destroyed one by one.

Every document with personal values has a data key of its own, and so have the events that tell of it. Keys lie in a
keyring beside the databases of the services, wrapped by a key of their tenant that only exists in a file. Whoever may
read the keyring can open what was sealed by any service; once a key is destroyed nobody can, wherever a copy survives:
in a journal, a queue, a backup or the pages of a database file.

`keyring` keeps the keys, `personal` tells what is personal and takes it out of documents and events.
"""

from libs.engine.sealing.keyring import Key, Keyring, KeyringError, Masters, MemoryKeyring
from libs.engine.sealing.personal import Personal

__all__ = ["Key", "Keyring", "KeyringError", "Masters", "MemoryKeyring", "Personal"]
