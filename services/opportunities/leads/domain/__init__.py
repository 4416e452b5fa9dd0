"""Forms, leads, touches, scores and the steps of a conversion."""
