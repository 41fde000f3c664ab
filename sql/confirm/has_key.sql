-- Whether a key is among those that are looked at, and whether a row of it was staged.
-- psql: -v keys=confirm_keys_1 -v is_key="d.c1 = '7'" -v staging_schema=staging -v staging_table=customers_r1 -v is_staged_key="s.id = '7'"
SELECT
    (SELECT count(*) > 0 FROM :"keys" AS d WHERE :is_key) AS looked_at,
    (SELECT count(*) > 0 FROM :"staging_schema".:"staging_table" AS s WHERE :is_staged_key) AS staged;
