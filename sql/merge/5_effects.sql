-- Merge, step 5 of 6: has it written just what it says? Foreign keys that act write rows that nobody has judged, and
-- triggers write something else. Rows of a table that refers to production's are c, rows as they were returned w.
-- By hand: psql -f sql/example.psql -f sql/merge/2_judge.sql -f sql/merge/3_write.sql -f sql/merge/5_effects.sql

-- name: find_followed
-- Before an update: count the rows of the delta that change a value which rows of another table refer to and follow,
-- with the key of one of them.
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
-- Before and after the writing: how many rows this transaction has written so far in the referring tables, their
-- partitions and heirs, no matter what wrote them; and whether the server counts that.
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
-- Rows of the delta that production did not take as they were written, by a trigger's doing, with one key of each kind.
-- elsewhere: production has them from this very transaction, but what it returned did not say so. missing: it lacks
-- those that were to be inserted; a concurrent writer who inserted and deleted them looks the same.
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
-- Insert those rows of the delta once more that production lacks: the key of one that it does not take. For a
-- transaction that is rolled back.
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
-- The key of a row of the delta that was written and that production lacks all the same: a trigger has moved it, or has
-- given it another key.
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
-- Advance a sequence past the loaded keys, so that the next row of an application gets a free one; never backwards.
-- A rollback does not undo it, and it does no harm then.
SELECT setval(q.seqrelid::regclass, least(loaded.top, q.seqmax)::bigint) AS advanced
FROM :sequence_relation AS present
CROSS JOIN pg_sequence AS q
CROSS JOIN (
    SELECT floor(max(s.:"sequence_column"))::numeric AS top
    FROM :"staging_schema".:"staging_table" AS s
    WHERE
        s.:"window_column" >= :'start'::timestamp AND s.:"window_column" < :'end'::timestamp
        AND :s_in_range
) AS loaded
WHERE
    q.seqrelid = :'sequence'::regclass
    AND q.seqincrement > 0
    AND loaded.top >= q.seqmin
    AND (loaded.top > present.last_value OR (loaded.top = present.last_value AND NOT present.is_called));
