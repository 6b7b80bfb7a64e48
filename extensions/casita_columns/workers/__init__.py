"""Who reads files: workers with users' rights, and sandboxed children that run queries."""
