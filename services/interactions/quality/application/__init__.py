"""Use-cases of quality: figures of what was settled, and what people judged."""
