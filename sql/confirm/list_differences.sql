-- The places and keys of the rows that a comparison found to differ.
-- psql: -v text_keys="f.k1"
SELECT
    f.ctid::text AS place,
    concat_ws(', ', :text_keys) AS key_text
FROM pg_temp.differences AS f;
