-- Some staged keys that are like those that the source is said to have lost, by their shape: a few a shape, drawn by a
-- hash. The load saw them, so that the source finds them by their key, unless it has lost them since or cannot.
-- psql: -v control=example_control -v key_columns="s.id AS c1" -v staged_shape="''::text" -v staging_schema=staging -v staging_table=customers_r1 -v staged_key_text="s.id::text" -v shapes="{''}" -v each=5 -v keys=confirm_keys_1 -v gone="d.is_open AND d.verdict = 'delete'" -v same_control="d.c1 = s.id"
CREATE TEMPORARY TABLE :"control" AS
WITH drawn AS (
    SELECT min(s.ctid) AS place
    FROM :"staging_schema".:"staging_table" AS s
    WHERE
        :staged_shape = any(:'shapes'::text [])
        AND NOT EXISTS (SELECT 1 FROM :"keys" AS d WHERE :gone AND :same_control)
    GROUP BY :staged_shape, abs(hashtext(:staged_key_text) % :'each'::integer)
)

SELECT
    :key_columns,
    :staged_shape AS shape,
    FALSE AS is_found
FROM drawn
INNER JOIN :"staging_schema".:"staging_table" AS s ON drawn.place = s.ctid;
