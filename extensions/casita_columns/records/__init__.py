"""What column delivery remembers: tables, and transactions on them."""
