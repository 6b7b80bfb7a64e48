"""Where results lie, and the doors through which they are fetched."""
