"""The target database: logins, statements, catalog and sessions."""
