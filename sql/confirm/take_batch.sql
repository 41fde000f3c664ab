-- Release the next corrections of a batch, of some verdicts, in key order.
-- psql: -v keys=confirm_keys_1 -v delta_key=d.c1 -v held="{held update}" -v batch=0 -v most=20000
UPDATE :"keys" AS k SET verdict = substr(k.verdict, 6)
WHERE
    k.ctid = any(
        array(
            SELECT d.ctid
            FROM :"keys" AS d
            WHERE d.is_open AND d.verdict = any(:'held'::text []) AND d.batch = :'batch'::integer
            ORDER BY :delta_key
            LIMIT :'most'::bigint
        )
    );
