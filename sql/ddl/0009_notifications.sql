-- What was said to people about reloads, requests and CDC tasks, so that nothing is said twice.
-- By hand: psql -f sql/example.psql -f sql/ddl/0009_notifications.sql
CREATE TABLE IF NOT EXISTS admin.notifications (
    notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event text NOT NULL,
    -- The reload, the request or the ARN of the CDC task that it happened to.
    subject text NOT NULL,
    -- Distinguishes two events of one kind that happen to one subject: when it happened, or in which run.
    occurrence text NOT NULL,
    groups text [] NOT NULL,
    partition_key text,
    tables text [],
    reload_id bigint,
    run_id text,
    error_code text,
    -- What else is known: names of checks, a status, a lag. Never a value of a row.
    detail text NOT NULL DEFAULT '',
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The channels that have not taken it yet.
    pending text [] NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    sent_at timestamptz,
    -- Why the last attempt failed.
    failure text,
    UNIQUE (event, subject, occurrence)
);
COMMENT ON TABLE admin.notifications IS
'One row per event that is sent to people. pending: the channels that have not taken it yet; failure: why the last '
'attempt failed; sent_at: when the last channel took it. The events of a subject tell its state: a CDC task is as its '
'newest row says.';
CREATE INDEX IF NOT EXISTS notifications_pending ON admin.notifications (failures, notification_id)
WHERE pending <> '{}';
