-- Insert those rows of the delta once more that production lacks: the key of one that it does not take. For a
-- transaction that is rolled back.
-- psql: -v delta=reload_delta_1 -v schema=production -v table=customers -v columns="id, name" -v values="d.c1, d.c2" -v key=id -v same_key="p.id = d.c1" -v delta_key_texts="ARRAY[d.c1::text]" -v returned_key="p.id AS c1" -v same_returned="t.c1 = d.c1"
WITH lacking AS (
    SELECT d.*
    FROM :"delta" AS d
    WHERE
        d.seen IS NULL AND d.outcome <> 'inserted'
        AND NOT EXISTS (
            SELECT 1
            FROM :"schema".:"table" AS p
            WHERE :same_key
        )
),

taken AS (
    INSERT INTO :"schema".:"table" AS p (:columns)
    OVERRIDING SYSTEM VALUE
    SELECT :values
    FROM lacking AS d
    ON CONFLICT (:key) DO NOTHING
    RETURNING :returned_key
)

SELECT min(:delta_key_texts) AS turned_away
FROM lacking AS d
WHERE
    NOT EXISTS (
        SELECT 1
        FROM taken AS t
        WHERE :same_returned
    );
