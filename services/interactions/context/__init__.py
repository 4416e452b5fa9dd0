"""What the next person to serve a customer must know, and the watch that keeps it current."""
