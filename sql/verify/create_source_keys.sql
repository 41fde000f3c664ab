-- Room for a window's rows as the source has them before a load: keys (k1, k2 ...) and the window column as canonical
-- text, content as a hash. Unlogged as staging is, and dropped with it.
-- psql: -v schema=staging -v table=source_keys_2 -v keys="k1 text"
CREATE UNLOGGED TABLE :"schema".:"table" (
    :keys,
    window_text text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL
);
