-- Verify, step 4, after the merge: check that production has the staged rows, and that each row has its parents.
-- s: a staged row. p: a row of production. d: a staged row from which production differs. r: a row of the source, as it
-- was just read. c: a row of production with a foreign key. q: its parent.
-- By hand: psql -f sql/example.psql -f sql/verify/4_after_merge.sql

-- name: collect_differing
-- staged_in_production: collect the staged rows of a merged reload that production does not have as they were staged,
-- with their keys as the source spells them. written_since: somebody else wrote or deleted the row since the merge. If
-- the audit has the row, its row version then differs from the one written together with the audit. If it does not, the
-- row version is younger than the verdict on staging. corrected: confirm wrote the row. One index probe per row, so the
-- cost does not depend on the size of production.
CREATE TEMPORARY TABLE staged_differing ON COMMIT DROP AS
WITH differing AS MATERIALIZED (
    SELECT
        :s_named_key_texts,
        :s_key_numbered,
        :s_key_shown AS key_text,
        :s_key_json AS audit_key,
        found.row_xmin,
        CASE
            WHEN found.row_xmin IS NULL THEN 'missing'
            WHEN found.version IS NULL OR s.:"staged_version_column" IS NULL THEN 'unversioned'
            WHEN found.version > s.:"staged_version_column" THEN 'newer'
            WHEN found.version = s.:"staged_version_column" THEN 'other'
            ELSE 'older'
        END AS outcome
    FROM :"staging_schema".:"staging_table" AS s
    LEFT JOIN LATERAL (
        SELECT
            p.xmin AS row_xmin,
            :p_equals_s AS is_equal,
            p.:"version_column" AS version
        FROM :"schema".:"table" AS p
        WHERE :p_is_s AND :p_is_alive
        LIMIT 1
    ) AS found ON TRUE
    WHERE found.is_equal IS NOT TRUE
),

audited AS (
    SELECT
        a.key,
        bool_or(a.step = 'confirm') AS corrected,
        array_agg(a.xmin) AS writers
    FROM admin.reload_changes AS a
    WHERE a.reload_id = :'reload_id'::bigint AND a.table_name = :'table_name'
    GROUP BY a.key
)

SELECT
    d.*,
    coalesce(a.corrected, FALSE) AS corrected,
    CASE
        WHEN d.row_xmin IS NULL THEN a.key IS NOT NULL
        WHEN a.key IS NOT NULL THEN d.row_xmin <> all(a.writers)
        ELSE coalesce(age(d.row_xmin) < (
            SELECT min(age(checks.xmin))
            FROM admin.reload_checks AS checks
            WHERE checks.reload_id = :'reload_id'::bigint
        ), FALSE)
    END AS written_since
FROM differing AS d
LEFT JOIN audited AS a ON d.audit_key = a.key;

-- name: count_differing
-- Count them by outcome, and by whether confirm or somebody else has written them since, with some keys.
SELECT
    outcome,
    corrected,
    written_since,
    count(*) AS rows,
    (array_agg(key_text ORDER BY key_text))[1:5] AS examples
FROM pg_temp.staged_differing
GROUP BY outcome, corrected, written_since
ORDER BY outcome, corrected, written_since;

-- name: list_differing
-- List their keys as the source spells them, to read these rows from the source.
SELECT :d_noted_key FROM pg_temp.staged_differing AS d;

-- name: judge_differing
-- Compare each of them with the source's row: does production equal the source? source_row: the hash of the source's
-- row; NULL if it has none.
SELECT
    d.ctid::text AS place,
    d.key_text,
    d.outcome,
    p.is_there IS NOT NULL AS in_production,
    r.source_row,
    CASE
        WHEN r.source_row IS NULL THEN p.is_there IS NULL
        ELSE p.is_equal IS TRUE
    END AS is_right
FROM pg_temp.staged_differing AS d
LEFT JOIN LATERAL (
    SELECT
        r.*,
        md5(r::text) AS source_row
    FROM pg_temp.:"source_rows" AS r
    WHERE :r_is_d
    LIMIT 1
) AS r ON TRUE
LEFT JOIN LATERAL (
    SELECT
        TRUE AS is_there,
        :p_equals_r AS is_equal
    FROM :"schema".:"table" AS p
    WHERE :p_is_d AND :p_is_alive
    LIMIT 1
) AS p ON TRUE;

-- name: delete_settled
-- Delete the rows that need not be judged again.
DELETE FROM pg_temp.staged_differing WHERE ctid = any(:'places'::tid[]);

-- name: count_parentless
-- foreign_keys: count the selected rows without a parent. A writer bypassed the constraint, or the rows are older
-- than it. One index probe per row, so the cost does not depend on the number of parents.
SELECT
    count(*) AS rows,
    coalesce((array_agg(:c_key_shown ORDER BY :c_key_shown))[1:5], '{}') AS examples
FROM :"schema".:"table" AS c
LEFT JOIN LATERAL (
    SELECT TRUE AS is_there
    FROM :"parent_schema".:"parent_table" AS q
    WHERE :q_is_parent_of_c
    LIMIT 1
) AS parent ON TRUE
WHERE
    :c_is_selected
    AND :c_has_references
    AND parent.is_there IS NULL;
