"""Faults on purpose: everything is killed, frozen and restarted while a ledger of acknowledged calls is kept.

After the faults stop, the ledger, the databases, the journals and the queues must agree (`checks`). A run is decided by
its seed, which is printed with the verdict; KEHU_TEST_SEED repeats one.
"""
