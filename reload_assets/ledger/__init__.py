"""The ledger: what is known of each reload, in the schema ``admin``."""
