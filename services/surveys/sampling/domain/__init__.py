"""Sample designs, the frames that they draw from, and the invitations that follow."""
