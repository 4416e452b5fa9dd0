"""The page itself: a WSGI application over the use-cases of respondents."""
