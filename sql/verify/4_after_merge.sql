-- Verify, step 4, after the merge: are the staged rows in production, and has each row its foreign-key parents?
-- s: a staged row. p: production's row. d: a staged row that production has otherwise. r: the source's row, as it was
-- just read. c: a row of production with a foreign key. q: its parent.
-- By hand: psql -f sql/example.psql -f sql/verify/4_after_merge.sql

-- name: collect_differing
-- staged_in_production: the staged rows of a merged reload that production does not have as they were staged, with
-- their keys as the source spells them; gone with the transaction. written_since: somebody else wrote or deleted the
-- row since the merge. A row that the audit knows is then another row version than the one that was written with the
-- audit's; any other is younger than the verdict on staging. corrected: confirm wrote it. One index probe per row,
-- however large production is.
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
-- What they are: outcome, whether confirm or somebody else wrote them since, rows, some keys.
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
-- Their keys as the source spells them. The source is asked for its rows by these.
SELECT :d_noted_key FROM pg_temp.staged_differing AS d;

-- name: judge_differing
-- Each of them against the source's row: is production as the source is? source_row: what the source has, as a hash;
-- NULL where it has no such row.
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
-- Those that need not be judged again.
DELETE FROM pg_temp.staged_differing WHERE ctid = any(:'places'::tid[]);

-- name: count_parentless
-- foreign_keys: the rows of the window whose foreign key finds no parent. They were let in past the constraint, or were
-- there before it. One index probe per row, however many parents there are.
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
    c.:"window_column" >= :'start'::timestamp AND c.:"window_column" < :'end'::timestamp
    AND :c_has_references
    AND parent.is_there IS NULL;
