-- Merge, step 5 of 6: check that only the judged rows were written, and as judged. Foreign keys that act write rows
-- that nobody has judged, and triggers can change a row. c: a row that refers to production's. w: a row as it was
-- returned.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql -f sql/merge/3_write.sql -f sql/merge/5_effects.sql

-- name: find_followed
-- Before an update: count the rows of the delta that change a value to which rows of another table refer, and which
-- these would follow. Also return the key of one.
SELECT
    count(*) AS followed,
    min(:d_key_texts) AS example
FROM :"delta" AS d
INNER JOIN :"schema".:"table" AS p ON :p_is_d
WHERE
    d.outcome IN ('updated', 'repaired')
    AND :p_changes
    AND EXISTS (
        SELECT 1
        FROM :child AS c
        WHERE :c_refers_to_p
    );

-- name: count_written
-- Before and after the writing: count the rows that this transaction has written so far in the referring tables, their
-- partitions and heirs, by any statement. Also return whether the server counts writes at all.
WITH RECURSIVE parts AS (
    SELECT unnest(:'children'::oid []) AS oid
    UNION
    SELECT i.inhrelid
    FROM pg_inherits AS i
    INNER JOIN parts ON i.inhparent = parts.oid
)

SELECT
    current_setting('track_counts')::boolean AS counts,
    coalesce(
        sum(
            pg_stat_get_xact_tuples_inserted(parts.oid) + pg_stat_get_xact_tuples_updated(parts.oid)
            + pg_stat_get_xact_tuples_deleted(parts.oid)
        ),
        0
    ) AS written
FROM parts;

-- name: find_turned_away
-- Find rows of the delta that a trigger kept from being written as they are, with one key of each kind. elsewhere: this
-- very transaction wrote the row, but the statement did not return it. missing: production lacks a row that was to be
-- inserted. A concurrent writer who inserted and deleted the row in between looks the same.
SELECT
    min(:d_key_texts) FILTER (WHERE p.is_own) AS elsewhere,
    min(:d_key_texts) FILTER (WHERE p.is_own IS NULL) AS missing
FROM :"delta" AS d
LEFT JOIN LATERAL (
    SELECT :p_is_own AS is_own
    FROM :"schema".:"table" AS p
    WHERE :p_is_d
    LIMIT 1
) AS p ON TRUE
WHERE
    (d.judged_ctid IS NULL AND d.outcome <> 'inserted' AND (p.is_own IS NULL OR p.is_own))
    OR (:'every_row'::boolean AND p.is_own);

-- name: try_insert
-- Try once more to insert the rows of the delta that production lacks, and return the key of one that it does not take.
-- The caller rolls this back.
WITH lacking AS (
    SELECT d.*
    FROM :"delta" AS d
    WHERE
        d.judged_ctid IS NULL AND d.outcome <> 'inserted'
        AND NOT EXISTS (
            SELECT 1
            FROM :"schema".:"table" AS p
            WHERE :p_is_d
        )
),

written AS (
    INSERT INTO :"schema".:"table" AS p (:columns)
    OVERRIDING SYSTEM VALUE
    SELECT :d_values
    FROM lacking AS d
    ON CONFLICT (:key) DO NOTHING
    RETURNING :p_key_numbered
)

SELECT min(:d_key_texts) AS turned_away
FROM lacking AS d
WHERE
    NOT EXISTS (
        SELECT 1
        FROM written AS w
        WHERE :w_is_d
    );

-- name: find_missing
-- Find the key of a row of the delta that was written and that production lacks nevertheless, because a trigger has
-- moved it or given it another key.
SELECT :d_key_texts AS missing
FROM :"delta" AS d
WHERE
    d.outcome IN ('inserted', 'updated', 'repaired')
    AND NOT EXISTS (
        SELECT 1
        FROM :"schema".:"table" AS p
        WHERE :p_is_d
    )
LIMIT 1;

-- name: advance_sequence
-- Advance a sequence past the loaded keys, never backwards, so that an application's next row gets a free key. A
-- rollback does not undo this, which does no harm.
SELECT setval(q.seqrelid::regclass, least(loaded.top, q.seqmax)::bigint) AS advanced
FROM :sequence_relation AS present
CROSS JOIN pg_sequence AS q
CROSS JOIN (
    SELECT floor(max(s.:"sequence_column"))::numeric AS top
    FROM :"staging_schema".:"staging_table" AS s
    WHERE :s_is_selected AND :s_in_range
) AS loaded
WHERE
    q.seqrelid = :'sequence'::regclass
    AND q.seqincrement > 0
    AND loaded.top >= q.seqmin
    AND (loaded.top > present.last_value OR (loaded.top = present.last_value AND NOT present.is_called));
