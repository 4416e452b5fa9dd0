"""Attribution of interactions and conversations to customers."""
