-- Finders: turn findings into requests. Each piece of evidence counts once, and nothing is asked for twice.
-- By hand: psql -f sql/example.psql -f sql/finders/requesting.sql

-- name: list_unfit
-- List the positions of the texts that say no value of a type: PostgreSQL refuses, rounds or cuts them.
SELECT v.position
FROM unnest(:'read_values'::text []) WITH ORDINALITY AS v (value, position)
WHERE CASE WHEN admin.reads_as(v.value, :'read_type') THEN NOT (:v_says_it) ELSE TRUE END;

-- name: list_known
-- List the pieces of evidence, of these, that a finder has reported before.
SELECT evidence_id
FROM admin.findings
WHERE finder = :'finder' AND evidence_id = any(:'evidence_ids'::text []);

-- name: lock_findings
-- Let only one process at a time turn findings into requests. The lock lasts until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('reload_assets:findings', 0));

-- name: insert_findings
-- Note findings, each piece of evidence once, and return those that are new.
INSERT INTO admin.findings (
    finder, evidence_id, group_name, table_name, keys, window_start, window_end, evidence, seen_at
)
SELECT
    f.finder,
    f.evidence_id,
    f.group_name,
    f.table_name,
    f.keys,
    f.window_start,
    f.window_end,
    f.evidence,
    f.seen_at
FROM jsonb_to_recordset(:'findings'::jsonb) AS f (
    finder text,
    evidence_id text,
    group_name text,
    table_name text,
    keys jsonb,
    window_start timestamptz,
    window_end timestamptz,
    evidence jsonb,
    seen_at timestamptz
)
ON CONFLICT (finder, evidence_id) DO NOTHING
RETURNING finding_id, finder, evidence_id;

-- name: list_open
-- List the requests of some groups that are open, the oldest first, with what they ask for. healed_until: when the last
-- confirm of their own reload ended; what was seen wrong later is still to be asked for. Nobody knows which part of a
-- request that was split has a key, so the first part that ended counts. Repairs of columns are left out. An instant
-- that no window can have, such as infinity, is NULL.
SELECT
    q.request_id,
    q.group_name,
    q.status,
    q.keys,
    q.whole_windows,
    CASE
        WHEN q.window_start BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN q.window_start
    END AS window_start,
    CASE
        WHEN q.window_end BETWEEN '0001-01-02T00:00Z' AND '9999-12-30T00:00Z' THEN q.window_end
    END AS window_end,
    q.tables,
    coalesce(
        (
            SELECT max(r.confirm_ended_at) FROM admin.reloads AS r
            WHERE r.request_id = q.request_id
        ),
        (
            SELECT
                min(
                    coalesce(
                        (
                            SELECT max(r.confirm_ended_at) FROM admin.reloads AS r
                            WHERE r.request_id = p.request_id OR r.reload_id = p.reload_id
                        ),
                        CASE WHEN p.status IN ('done', 'healed', 'failed', 'refused') THEN p.updated_at END
                    )
                )
            FROM admin.reload_requests AS p
            WHERE p.split_from = q.request_id
        )
    ) AS healed_until
FROM admin.reload_requests AS q
WHERE
    q.status IN ('pending', 'held', 'started', 'split') AND q.group_name = any(:'groups'::text [])
    AND q.columns IS NULL
ORDER BY q.request_id;

-- name: count_recent
-- Count the keys and the windows that finders have asked for within 24 hours, without what was refused or a limit holds
-- back. What is held for CDC goes ahead by itself. The windows into which a request was split count, and its keys do not, not even
-- after it has ended.
SELECT
    coalesce(
        sum(k.keys) FILTER (
            WHERE
            NOT q.whole_windows
            AND NOT EXISTS (SELECT FROM admin.reload_requests AS p WHERE p.split_from = q.request_id)
        ),
        0
    )::bigint AS keys,
    count(q.window_start) AS windows
FROM admin.reload_requests AS q
CROSS JOIN LATERAL (
    SELECT sum(jsonb_array_length(CASE jsonb_typeof(t.value) WHEN 'array' THEN t.value ELSE '[]' END)) AS keys
    FROM jsonb_each(CASE jsonb_typeof(q.keys) WHEN 'object' THEN q.keys ELSE '{}' END) AS t
) AS k
WHERE
    q.found_by <> 'person' AND q.requested_at > clock_timestamp() - interval '24 hours'
    AND q.status <> 'refused' AND NOT (q.status = 'held' AND q.held_because LIKE '%[held-by-limit]');

-- name: insert_request
-- Ask for the reload of keys, of the windows that hold them, or of a window.
INSERT INTO admin.reload_requests (
    group_name, window_start, window_end, tables, keys, whole_windows, reason, found_by, evidence
)
VALUES (
    :'group_name',
    :'window_start'::timestamptz,
    :'window_end'::timestamptz,
    :'tables'::text [],
    :'keys_of_tables'::jsonb,
    :'whole_windows'::boolean,
    :'reason',
    :'finder',
    :'evidence'::jsonb
)
RETURNING request_id;

-- name: link_findings
-- Note which request asks for the reload of findings.
UPDATE admin.findings
SET request_id = :'request_id'::bigint
WHERE finding_id = any(:'finding_ids'::bigint []);
