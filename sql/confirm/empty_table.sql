-- Empty a temporary table.
-- psql: -v table=confirm_rows_1
TRUNCATE :"table";
