-- The finder of what CDC skipped: single statements, and whole tables while it had suspended them.
-- By hand: psql -f sql/example.psql -f sql/finders/skipped.sql

-- name: list_judged
-- List the numbers of those skipped statements that no request is needed for. A reload judges the keys of what is
-- skipped while it writes the table, except where no row of its own can be the cause, and reads DMS's list of these
-- statements until it ends. is_pending: it has not ended yet. A reload of the keys that was opened later has read them. A
-- reload that is limited to columns cannot do what was skipped.
SELECT
    s.number,
    coalesce(meanwhile.is_pending, FALSE) AS is_pending
FROM jsonb_to_recordset(:'statements'::jsonb) AS s (
    number integer, group_name text, table_name text, keys jsonb, skipped_at timestamptz, is_harmless boolean
)
CROSS JOIN LATERAL (
    SELECT bool_and(r.confirm_status = 'pending') AS is_pending
    FROM admin.reloads AS r
    WHERE
        NOT s.is_harmless AND r.columns IS NULL
        AND r.group_name = s.group_name AND s.table_name = any(r.tables)
        AND r.status IN ('merging', 'merged') AND s.skipped_at >= r.merge_started_at
        AND (
            r.confirm_status = 'pending'
            OR (r.confirm_status = 'confirmed' AND s.skipped_at < r.confirm_ended_at - :'margin'::interval)
        )
) AS meanwhile
CROSS JOIN LATERAL (
    SELECT bool_and(
        EXISTS (
            SELECT
            FROM admin.reload_keys AS x
            INNER JOIN admin.reloads AS r ON x.reload_id = r.reload_id
            WHERE
                x.table_name = s.table_name
                AND x.key = array(
                    SELECT e.text FROM jsonb_array_elements_text(k.value) WITH ORDINALITY AS e (text, place)
                    ORDER BY e.place
                )
                AND r.group_name = s.group_name AND r.status = 'merged' AND r.confirm_status = 'confirmed'
                AND r.columns IS NULL AND r.opened_at > s.skipped_at + :'margin'::interval
        )
    ) AS are_reloaded
    FROM jsonb_array_elements(s.keys) AS k
) AS later
WHERE meanwhile.is_pending IS NOT NULL OR later.are_reloaded
ORDER BY s.number;

-- name: list_suspensions
-- List the tables of a group that CDC was ever found to have suspended: whether, as far as is known, it still does, and
-- until when its window was asked for.
SELECT DISTINCT ON (f.table_name)
    f.table_name,
    f.evidence ->> 'kind' = 'table_suspended' AS is_suspended,
    f.window_end
FROM admin.findings AS f
WHERE
    f.finder = 'skipped' AND f.group_name = :'group_name'
    AND f.evidence ->> 'kind' IN ('table_suspended', 'table_carried')
ORDER BY f.table_name ASC, f.finding_id DESC;
