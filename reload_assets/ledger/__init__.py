"""The ledger: the tables in the schema ``admin`` that record each reload."""
