"""What every Kehu service shares, and nothing of any one of them."""
