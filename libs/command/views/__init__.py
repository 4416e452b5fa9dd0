"""How customers, contacts and promises look to a person in a terminal: messages in, rich renderables out."""
