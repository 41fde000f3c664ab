-- Confirm, step 5 of 9: before any correction, let DMS read the rows that the source connection shows older than
-- before.
-- k: a key in doubt. d: its staged row, under its numbers. p: production. r: the source, as this pass read it. a: as
-- DMS reads it. l: as the connection shows it after DMS. u: a key that is updated.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/5_source_is_current.sql

-- name: find_older
-- Find the keys to correct whose source row, as it was read, is older than the staged row, or older than what CDC has
-- written into production since the reload was opened. CDC has passed the read, so the read may have seen an old copy.
-- A row that the source lacks counts as older than any. The table lasts as long as the session.
CREATE TEMPORARY TABLE :"older" AS
SELECT k.*
FROM :"keys" AS k
LEFT JOIN :"source_rows" AS r ON :r_is_k
LEFT JOIN LATERAL (
    SELECT d.*
    FROM (SELECT :s_numbered FROM :"staging_schema".:"staging_table" AS s) AS d
    WHERE :d_is_k
    LIMIT 1
) AS d ON TRUE
LEFT JOIN LATERAL (
    SELECT p.*
    FROM :"schema".:"table" AS p
    WHERE :p_is_k
    LIMIT 1
) AS p ON TRUE
WHERE
    k.is_open AND k.verdict IN (:corrected)
    AND (
        (:d_is_newer_than_r) IS TRUE
        OR (
            -- A separate column, because p.* may have a column of any name. Excludes what the merge or a correction
            -- wrote.
            (
                SELECT
                    age(present.xmin) <= age((found.opened_xid % 4294967296)::text::xid)
                    AND k.written_xmin IS DISTINCT FROM present.xmin::text
                FROM (
                    SELECT p.xmin
                    FROM :"schema".:"table" AS p
                    WHERE :p_is_k
                    LIMIT 1
                ) AS present
                CROSS JOIN admin.reloads AS found
                WHERE found.reload_id = :'reload_id'::bigint
            )
            AND (NOT k.is_ours OR (:p_is_newer_than_d) IS TRUE)
            AND ((r.*) IS NULL OR (:p_is_newer_than_r) IS TRUE)
        )
    );

-- name: create_latest
-- Create a table for the rows that the source connection shows after DMS has read them. It lasts as long as the
-- session.
CREATE TEMPORARY TABLE :"latest" (LIKE :"source_rows");

-- name: bound_older
-- Return the range of the window column in which the newer rows of the keys in doubt lie.
SELECT
    min(newer.moment) AS first,
    max(newer.moment) AS last
FROM :"older" AS k
CROSS JOIN LATERAL (
    SELECT d.:"numbered_window_column" AS moment
    FROM (SELECT :s_numbered FROM :"staging_schema".:"staging_table" AS s) AS d
    WHERE :d_is_k
    UNION ALL
    SELECT p.:"production_window_column"
    FROM :"schema".:"table" AS p
    WHERE :p_is_k
) AS newer;

-- name: judge_older
-- Count the keys in doubt whose row the source connection shows as it did first, although DMS read a newer row in
-- between; a row that the connection lacks counts as well. Return some of the keys. If the connection now shows
-- something else than first, the key is put off to the next pass.
WITH doubted AS (
    SELECT
        k.*,
        r::text IS DISTINCT FROM l::text AS has_changed,
        (l.*) IS NULL OR (:a_is_newer_than_l) IS TRUE AS is_older,
        (a.*) IS NULL AS is_unread
    FROM :"older" AS k
    LEFT JOIN :"again" AS a ON :a_is_k
    LEFT JOIN :"latest" AS l ON :l_is_k
    LEFT JOIN :"source_rows" AS r ON :r_is_k
),

put_off AS (
    UPDATE :"keys" AS u
    SET verdict = 'overtaken'
    FROM doubted AS k
    WHERE :u_is_k AND k.has_changed
)

SELECT
    count(*) AS stale,
    (array_agg(array_to_string(:k_key_texts, ', ')))[1:5] AS some
FROM doubted AS k
WHERE k.is_older AND NOT k.is_unread AND NOT k.has_changed;
