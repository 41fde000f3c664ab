-- Confirm, step 1 of 9: collect the keys to read again. Verdicts and states: see reload_assets/confirm/verdicts.py.
-- k: a key of the confirm. p: production. s: a staged row. d: a staged row under its numbers, as in the merge's delta.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql

-- name: find_unconfirmed
-- Find this reload, and earlier ones of its group that overlap its window, were merged in whole or in part, and were
-- never confirmed. Their rows of a table are confirmed too, unless a confirmed reload has taken them up. Returns since
-- when each of them has been writing production, and what it loaded. Reloads of keys overlap no window: see
-- mark_written. A reload that is limited to columns takes up no other one, as it judges no whole row.
SELECT
    r.reload_id,
    r.opened_at,
    r.load_start,
    r.window_end,
    r.merge_started_xid,
    r.merge_started_at
FROM admin.reloads AS r
WHERE
    r.reload_id = :'reload_id'::bigint
    OR (
        (SELECT o.columns FROM admin.reloads AS o WHERE o.reload_id = :'reload_id'::bigint) IS NULL
        AND r.group_name = :'group_name' AND r.confirm_status = 'unconfirmed'
        AND r.reload_id < :'reload_id'::bigint
        AND r.load_start < :'window_end'::timestamptz AND r.window_end > :'window_start'::timestamptz
        AND NOT EXISTS (
            SELECT 1
            FROM admin.reload_tables AS t
            WHERE t.reload_id = r.reload_id AND t.table_name = :'table_name' AND t.confirmed_with IS NOT NULL
        )
    )
ORDER BY r.reload_id;

-- name: create_keys
-- Create the table of a table's keys, with the state of each. The columns of the key have the numbers of staging's. It
-- lasts as long as the session.
CREATE TEMPORARY TABLE :"keys" AS
SELECT
    :s_key_numbered,
    -- This reload wrote the row.
    FALSE AS is_ours,
    -- Production has the row because this reload wrote it. So it is deleted if the source lacks it, no matter which
    -- policy holds for orphans.
    FALSE AS is_brought_back,
    -- The row is confirmed in any window; otherwise only if it lies in the reload's window.
    TRUE AS in_any_window,
    -- The comparison found the row among those that changed during the reload. Outside the window it is not an orphan.
    FALSE AS found_by_comparison,
    -- This reload staged the row, but production lacked it or had it with other content after the merge.
    FALSE AS is_staged,
    -- The row needs a unique value that another row of production had.
    FALSE AS takes_value,
    -- The row has a unique value that a correction needs. If the source lacks it, it is an orphan in any window.
    FALSE AS holds_value,
    -- The next pass reads the key.
    TRUE AS is_open,
    -- A pass read the row equal on both sides since this reload wrote it last.
    FALSE AS is_settled,
    -- How many passes found that somebody else had written the row meanwhile.
    0 AS times_overtaken,
    -- How often production refused the correction.
    0 AS times_refused,
    -- The version (xmin) of production's row before the source was read.
    NULL::text AS production_xmin,
    -- Production's row before the source was read. Only kept if somebody else writes the row again and again.
    NULL::jsonb AS noted,
    -- The value of noted at the previous pass.
    NULL::jsonb AS noted_before,
    -- The columns of the noted row that were never read equal.
    NULL::text [] AS unequal_columns,
    -- Production's row under its lock, for the audit when single columns are corrected.
    NULL::jsonb AS locked_row,
    -- The version (xmin) of production's row that a correction wrote.
    NULL::text AS written_xmin,
    -- The hash of the source's row that this correction wrote.
    NULL::text AS written_hash,
    -- Production's row is not as this correction wrote it: a trigger has changed it.
    FALSE AS is_rewritten,
    -- The hash of the source's row at the last pass that did not read the key equal; 'none' if the source lacked the row,
    -- 'skipped' if CDC skipped a statement about it. NULL once the key was read equal or corrected.
    NULL::text AS unequal_hash,
    -- The source has another row than the one that was read unequal: the key may have passed to another row.
    FALSE AS is_replaced,
    -- What the last pass found.
    NULL::text AS verdict,
    -- The state of the correction; NULL if there is none.
    NULL::text AS correction,
    -- Corrections with the same number are made together; 0: in any batch. For a patch: its own number, or 0 for none.
    0 AS batch,
    -- Why production last refused the correction, and what to do.
    NULL::text AS reason
FROM :"staging_schema".:"staging_table" AS s
WHERE FALSE;
ALTER TABLE :"keys"
ALTER COLUMN is_ours SET DEFAULT FALSE,
ALTER COLUMN is_brought_back SET DEFAULT FALSE,
ALTER COLUMN in_any_window SET DEFAULT TRUE,
ALTER COLUMN found_by_comparison SET DEFAULT FALSE,
ALTER COLUMN is_staged SET DEFAULT FALSE,
ALTER COLUMN takes_value SET DEFAULT FALSE,
ALTER COLUMN holds_value SET DEFAULT FALSE,
ALTER COLUMN is_open SET DEFAULT TRUE,
ALTER COLUMN is_settled SET DEFAULT FALSE,
ALTER COLUMN times_overtaken SET DEFAULT 0,
ALTER COLUMN times_refused SET DEFAULT 0,
ALTER COLUMN is_rewritten SET DEFAULT FALSE,
ALTER COLUMN is_replaced SET DEFAULT FALSE,
ALTER COLUMN batch SET DEFAULT 0,
ADD PRIMARY KEY (:key_numbers);

-- name: create_rows
-- Create a table for rows of the source. It has staging's columns under their numbers, with plain types instead of
-- domains, and lasts as long as the session. unfit: why the target's types cannot hold a row, which then has only its
-- key.
CREATE TEMPORARY TABLE :"source_rows" AS
SELECT
    :s_without_domains,
    NULL::text AS unfit
FROM :"staging_schema".:"staging_table" AS s
WHERE FALSE;

-- name: create_again
-- Create a table for rows that are read once more: with CDC stopped, by DMS, or for the control of step 3.
CREATE TEMPORARY TABLE :"again" (LIKE :"source_rows");

-- name: collect_staged
-- Collect the selected staged rows that production lacks or has with other content: the merge refused them, or CDC
-- has written them since.
INSERT INTO :"keys" (:key_numbers, is_staged)
SELECT
    :d_key,
    TRUE
FROM (
    SELECT :s_numbered
    FROM :"staging_schema".:"staging_table" AS s
    WHERE :s_is_selected
) AS d
LEFT JOIN LATERAL (
    SELECT :judgement AS outcome
    FROM :"schema".:"table" AS p
    WHERE :p_is_d
    LIMIT 1
) AS found ON TRUE
WHERE found.outcome IS DISTINCT FROM 'identical'
ON CONFLICT (:key_numbers) DO NOTHING;

-- name: collect_written
-- Collect the keys that a reload wrote, according to the audit. A row that it inserted is there because of it.
INSERT INTO :"keys" AS u (:key_numbers, is_ours, is_brought_back)
SELECT
    :p_key,
    TRUE,
    bool_or(c.operation = 'inserted')
FROM admin.reload_changes AS c
-- Not a record of the whole table, because the domain of another column may not allow NULL.
CROSS JOIN LATERAL jsonb_to_record(c.key) AS p (:key_types)
WHERE c.reload_id = :'reload_id'::bigint AND c.table_name = :'table_name'
GROUP BY :p_key
ON CONFLICT (:key_numbers) DO UPDATE
    SET is_ours = TRUE, is_brought_back = u.is_brought_back OR excluded.is_brought_back;

-- name: count_written
-- How many keys a reload wrote.
SELECT count(DISTINCT c.key) AS written
FROM admin.reload_changes AS c
WHERE c.reload_id = :'reload_id'::bigint AND c.table_name = :'table_name';

-- name: collect_orphans
-- Collect rows of production's window that were not staged: the source has deleted them or moved them out of the
-- window.
INSERT INTO :"keys" (:key_numbers)
SELECT :p_key
FROM :"schema".:"table" AS p
WHERE
    :p_is_selected
    AND :p_has_key AND :p_is_alive
    AND NOT EXISTS (
        SELECT 1
        FROM :"staging_schema".:"staging_table" AS s
        WHERE :p_is_s
    )
ON CONFLICT (:key_numbers) DO NOTHING;

-- name: collect_selected
-- If the reload selects keys: collect all of them, also those whose rows are equal. So a pass compares each.
INSERT INTO :"keys" (:key_numbers)
:selected_keys
ON CONFLICT (:key_numbers) DO NOTHING;

-- name: find_others
-- Find the earlier reloads of the group that are not confirmed and that find_unconfirmed does not return, because they or
-- this reload (o) select keys. One whose confirm is pending may be dead, and nobody has noticed it yet.
SELECT r.reload_id
FROM admin.reloads AS r
INNER JOIN admin.reloads AS o ON o.reload_id = :'reload_id'::bigint
WHERE
    r.group_name = :'group_name' AND r.confirm_status IN ('unconfirmed', 'pending') AND r.reload_id < o.reload_id
    AND :'table_name' = any(r.tables)
    AND o.columns IS NULL
    AND (r.selection = 'keys' OR o.selection = 'keys')
ORDER BY r.reload_id;

-- name: mark_written
-- Mark those of the collected keys that such a reload wrote, according to the audit. A row that it inserted is there
-- because of it, unless a reload that was opened afterwards has selected the key (x) and was confirmed: then the source
-- had the row.
UPDATE :"keys" AS k
SET
    is_ours = TRUE,
    is_brought_back = k.is_brought_back OR written.is_inserted
FROM (
    SELECT
        :p_key_numbered,
        bool_or(c.operation = 'inserted') AS is_inserted
    FROM admin.reload_changes AS c
    CROSS JOIN LATERAL jsonb_to_record(c.key) AS p (:key_types)
    WHERE
        c.reload_id = :'reload_id'::bigint AND c.table_name = :'table_name'
        AND NOT EXISTS (
            SELECT 1
            FROM admin.reload_keys AS x
            INNER JOIN admin.reloads AS r ON x.reload_id = r.reload_id
            INNER JOIN admin.reload_tables AS t ON x.table_name = t.table_name
            WHERE
                x.table_name = :'table_name' AND t.reload_id = :'reload_id'::bigint
                AND r.group_name = :'group_name' AND r.confirm_status = 'confirmed'
                AND r.opened_at > t.merge_ended_at AND r.opened_at > c.changed_at
                AND :p_is_listed
        )
    GROUP BY :p_key
) AS written
WHERE :written_is_k;

-- name: find_named
-- Return whether a key that a skipped statement names is one of the confirm's, and whether a row with it was staged.
SELECT
    (SELECT count(*) > 0 FROM :"keys" AS k WHERE :k_is_named) AS is_confirmed,
    (SELECT count(*) > 0 FROM :"staging_schema".:"staging_table" AS s WHERE :s_is_named) AS is_staged;

-- name: collect_named
-- Collect a key that a skipped statement names. is_ours: CDC skipped the statement after this reload began to write, so
-- this reload is the cause of the row's state. is_brought_back: the statement would have removed the row. Returns a row
-- if the key is new or becomes this reload's own.
INSERT INTO :"keys" AS u (:key_numbers, is_ours, is_brought_back, in_any_window, unequal_hash)
VALUES (:named_key, :'is_ours'::boolean, :'is_brought_back'::boolean, :'is_ours'::boolean, 'skipped')
ON CONFLICT (:key_numbers) DO UPDATE
    SET
        is_ours = TRUE,
        is_brought_back = u.is_brought_back OR excluded.is_brought_back,
        in_any_window = TRUE,
        found_by_comparison = FALSE,
        unequal_hash = CASE WHEN u.is_settled THEN u.unequal_hash ELSE coalesce(u.unequal_hash, 'skipped') END,
        is_open = TRUE
    WHERE
        excluded.is_ours
        AND NOT (u.is_ours AND u.in_any_window AND (u.is_brought_back OR NOT excluded.is_brought_back))
RETURNING TRUE AS is_collected;

-- name: find_row
-- Return whether a table outside the reload has the row that a skipped statement names.
SELECT exists(SELECT 1 FROM :"schema".:"table" AS p WHERE :p_is_named) AS is_there;
