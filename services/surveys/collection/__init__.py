"""Collection: responses as they come in, on every mode, from the first answer to the last."""
