"""The `kehu` command: everything that people and scripts do with the suite from a terminal."""
