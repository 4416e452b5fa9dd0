"""Loading files: rows of CSV or JSON lines become requests by a mapping, and every row is applied exactly once.

`mapping` tells how a row becomes a message, `rows` reads files, `targets` knows the three bulk calls, `loading` sends
chunks and counts outcomes, `progress` remembers how far an interrupted run came and keeps refused rows.
"""
