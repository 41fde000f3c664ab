-- Count a staging table.
-- psql: -v schema=staging -v table=orders_r1
SELECT count(*) AS staged_rows
FROM :"schema".:"table";
