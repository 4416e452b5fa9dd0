"""Problems that many customers have, and one remedy for all of them."""
