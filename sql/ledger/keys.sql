-- The ledger: the keys that a reload selects. key_list: a JSON list of keys, each a list of texts.
-- x: such a key, as values of production's types.
-- By hand: psql -f sql/example.psql -f sql/ledger/open.sql -f sql/ledger/keys.sql

-- name: list_canonical
-- Return keys as canonical text, and as they were given where the text says another value than the one that PostgreSQL
-- makes of it. PostgreSQL refuses the statement if a text is not a value of the key's type.
SELECT
    ARRAY[:x_canonical] AS key,
    CASE WHEN NOT (:x_means_them) THEN x.given END AS given
FROM (
    SELECT
        x.key AS given,
        :x_typed
    FROM jsonb_array_elements(:'key_list'::jsonb) AS x (key)
) AS x;

-- name: insert_keys
-- Note the keys that the opened reload selects of a table, in the transaction that opens it. They are canonical text.
INSERT INTO admin.reload_keys (reload_id, table_name, key)
SELECT
    :'opened_reload_id'::bigint,
    :'table_name',
    array(SELECT jsonb_array_elements_text(x.key))
FROM jsonb_array_elements(:'key_list'::jsonb) AS x (key);

-- name: list_keys
-- List the keys that a reload selects of a table, as canonical text.
SELECT key
FROM admin.reload_keys
WHERE reload_id = :'reload_id'::bigint AND table_name = :'table_name'
ORDER BY key;

-- name: list_moments
-- List when production's rows with these keys lie: the window column as canonical text.
SELECT
    ARRAY[:x_canonical] AS key,
    :p_moment AS moment
FROM (
    SELECT :x_typed
    FROM jsonb_array_elements(:'key_list'::jsonb) AS x (key)
) AS x
INNER JOIN :"schema".:"table" AS p ON :p_is_x
WHERE :p_moment IS NOT NULL;

-- name: list_present
-- List those of the keys whose rows production has.
SELECT ARRAY[:x_canonical] AS key
FROM (
    SELECT :x_typed
    FROM jsonb_array_elements(:'key_list'::jsonb) AS x (key)
) AS x
INNER JOIN :"schema".:"table" AS p ON :p_is_x;
