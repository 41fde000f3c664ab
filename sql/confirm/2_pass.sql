-- Confirm, step 2 of 9: judge the open keys in one pass. Verdicts: see reload_assets/confirm/verdicts.py.
-- k: a key. p: production. r: the source, as this pass reads it. t: a row of the source as text. n: production's row as
-- it was noted before the source was read; b: as the previous pass noted it. u: a key that is updated. w: the values of
-- a source row in a unique index. h: their holder in production. o: the key of a holder.
-- By hand: psql -f sql/example.psql -f sql/confirm/1_keys.sql -f sql/confirm/2_pass.sql

-- name: note_production
-- Before the source is read: note which row version (xmin) production has of each open key. If somebody else has
-- written a row since the previous note, note the row itself too.
UPDATE :"keys" AS u
SET
    production_xmin = found.production_xmin,
    times_overtaken = found.times_overtaken,
    noted_before = u.noted,
    noted = CASE WHEN found.times_overtaken > 0 THEN found.noted END,
    verdict = NULL
FROM (
    SELECT
        k.ctid AS place,
        p.production_xmin,
        p.noted,
        k.times_overtaken + CASE WHEN k.verdict = 'overtaken' THEN 1 ELSE 0 END AS times_overtaken
    FROM :"keys" AS k
    LEFT JOIN LATERAL (
        SELECT
            p.xmin::text AS production_xmin,
            -- Not to_jsonb(p): if the table has a column named p, that would mean the column.
            CASE WHEN k.times_overtaken > 0 OR k.verdict = 'overtaken' THEN to_jsonb(p.*) END AS noted
        FROM :"schema".:"table" AS p
        WHERE :p_is_k
        LIMIT 1
    ) AS p ON TRUE
    WHERE k.is_open
) AS found
WHERE u.ctid = found.place;

-- name: list_keys
-- List the keys to read from the source, as canonical text. wanted: the keys of the confirm, or those that one of its
-- steps has chosen.
SELECT :k_canonical_key
FROM :"wanted" AS k
WHERE :k_is_wanted;

-- name: create_texts
-- Create a table for rows of the source as text, one column for each. COPY fills it.
CREATE TEMPORARY TABLE :"texts" (:text_columns) ON COMMIT DROP;

-- name: type_texts
-- Turn the texts into values of production's types, as DMS would have loaded them.
INSERT INTO :"source_rows"
SELECT :t_typed
FROM :"texts" AS t
WHERE :t_is_chosen;

-- name: list_texts
-- List the places (ctid) of the texts, to find those that the types cannot hold.
SELECT t.ctid::text AS place
FROM :"texts" AS t;

-- name: add_unfit
-- Add the key of a source row that the target's types cannot hold, with the reason.
INSERT INTO :"source_rows" (:key_numbers, unfit)
SELECT
    :t_key_typed,
    :'refusal'
FROM :"texts" AS t
WHERE :t_is_chosen;

-- name: judge_keys
-- After the source was read: decide what to do about each open key. The first match wins. A row that somebody wrote in
-- between is left for the next pass. If a correction wrote this very row of the source, the result is right, even if
-- triggers of production changed it. A row that is marked as deleted counts as absent. A row that the target's types
-- cannot hold gets a correction, which will be refused.
UPDATE :"keys" AS u
SET
    verdict = found.verdict,
    is_rewritten = found.is_rewritten,
    is_replaced = NOT u.is_settled AND found.verdict = 'same' AND (u.unequal_hash <> found.source_hash) IS TRUE,
    unequal_hash = CASE WHEN found.verdict NOT IN ('same', 'absent') THEN found.source_hash END
FROM (
    SELECT
        k.ctid AS place,
        coalesce(
            p.is_alive AND p.differs AND k.written_xmin = p.production_xmin AND k.written_hash = md5(r.source_row), FALSE
        ) AS is_rewritten,
        coalesce(md5(r.source_row), 'none') AS source_hash,
        CASE
            WHEN p.production_xmin IS DISTINCT FROM k.production_xmin THEN 'overtaken'
            WHEN r.source_row IS NULL AND p.production_xmin IS NULL THEN 'absent'
            WHEN r.source_row IS NULL AND NOT p.is_alive THEN 'same'
            WHEN r.source_row IS NULL THEN :verdict_without_source
            WHEN r.unfit IS NOT NULL THEN :verdict_if_unfit
            WHEN p.production_xmin IS NULL THEN :verdict_without_production
            WHEN
                p.is_alive
                AND (
                    NOT p.differs
                    OR (k.written_xmin = p.production_xmin AND k.written_hash = md5(r.source_row))
                ) THEN 'same'
            WHEN p.is_left_alone THEN 'left'
            ELSE 'update'
        END AS verdict
    FROM :"keys" AS k
    LEFT JOIN (
        SELECT
            r.*,
            r::text AS source_row
        FROM :"source_rows" AS r
    ) AS r ON :r_is_k
    LEFT JOIN LATERAL (
        SELECT
            p.xmin::text AS production_xmin,
            :p_differs_from_r AS differs,
            :p_is_left_alone AS is_left_alone,
            :p_is_in_window AS is_in_window,
            :p_is_alive AS is_alive
        FROM :"schema".:"table" AS p
        WHERE :p_is_k
        LIMIT 1
    ) AS p ON TRUE
    WHERE k.is_open
) AS found
WHERE u.ctid = found.place;

-- name: judge_overtaken
-- Judge rows that CDC writes again and again column by column. A column is settled if its noted value equals the one
-- that the source had afterwards. It is also settled if its value has changed between two notes, as CDC has then set it
-- to the source's. A row is settled if all its columns are. A column that stays unequal is corrected alone (patch).
UPDATE :"keys" AS u
SET
    unequal_columns = found.unequal_columns,
    is_settled = u.is_settled OR found.unequal_columns = '{}',
    verdict = CASE
        WHEN found.unequal_columns = '{}' THEN 'same'
        WHEN u.times_overtaken >= :'most_overtaken'::integer THEN 'patch'
        ELSE u.verdict
    END
FROM (
    SELECT
        k.ctid AS place,
        array(
            SELECT unequal.name
            FROM unnest(:n_differs_from_r) AS unequal (name)
            WHERE
                unequal.name IS NOT NULL
                AND (k.unequal_columns IS NULL OR unequal.name = any(k.unequal_columns))
                AND (k.noted_before IS NULL OR unequal.name <> all(array_remove(:n_differs_from_b, NULL)))
        ) AS unequal_columns
    FROM :"keys" AS k
    INNER JOIN :"source_rows" AS r ON :r_is_k
    CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", k.noted) AS n
    CROSS JOIN LATERAL jsonb_populate_record(NULL:::"schema".:"table", k.noted_before) AS b
    WHERE k.is_open AND k.verdict IN ('overtaken', 'update') AND k.noted IS NOT NULL AND r.unfit IS NULL AND :n_is_alive
) AS found
WHERE u.ctid = found.place;

-- name: mark_takers
-- If CDC's position is not known, rows that this reload did not write are left as they are. Except from that the staged
-- rows that the merge withheld because of a holder (h).
UPDATE :"keys" AS u
SET takes_value = TRUE
FROM :"keys" AS k
INNER JOIN :"source_rows" AS r ON :r_is_k
CROSS JOIN LATERAL :r_indexed AS w
CROSS JOIN LATERAL (
    SELECT
        :p_key_numbered,
        :p_can_let_go AS can_let_go
    FROM :"schema".:"table" AS p
    WHERE :p_holds_value_of_w
    LIMIT 1
) AS h
WHERE
    u.ctid = k.ctid
    AND k.is_open AND k.verdict = 'left' AND k.is_staged AND NOT k.is_ours AND NOT k.takes_value
    AND r.unfit IS NULL AND w.is_indexed AND NOT (:h_is_k) AND h.can_let_go;

-- name: collect_holders
-- Collect the rows of production that hold a unique value which a correction needs, the holders (h). If the source no
-- longer has a holder, it is removed before the correction is made, in any window. Returns a row for each new one.
INSERT INTO :"keys" AS u (:key_numbers, in_any_window, holds_value)
SELECT DISTINCT
    :h_key,
    FALSE,
    TRUE
FROM :"keys" AS k
INNER JOIN :"source_rows" AS r ON :r_is_k
CROSS JOIN LATERAL :r_indexed AS w
CROSS JOIN LATERAL (
    SELECT
        :p_key_numbered,
        :p_can_let_go AS can_let_go
    FROM :"schema".:"table" AS p
    WHERE :p_holds_value_of_w
    LIMIT 1
) AS h
WHERE
    k.is_open AND k.verdict IN (:written) AND r.unfit IS NULL AND w.is_indexed AND NOT (:h_is_k) AND h.can_let_go
    AND NOT EXISTS (
        SELECT 1
        FROM :"keys" AS o
        WHERE :h_is_o AND (o.holds_value OR o.verdict IS DISTINCT FROM 'left')
    )
ON CONFLICT (:key_numbers) DO UPDATE SET holds_value = TRUE, is_open = TRUE
RETURNING TRUE AS is_collected;
