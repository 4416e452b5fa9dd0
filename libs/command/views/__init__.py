"""Views of customers, interactions and promises for a terminal: messages in, rich renderables out."""
