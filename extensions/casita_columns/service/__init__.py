"""The hub service ``columns``: routes, requests, lookups, and the threads that get files read."""
