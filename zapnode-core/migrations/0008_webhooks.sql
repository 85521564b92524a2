-- Webhooks: readers of the event log that are told by HTTP.
CREATE TABLE webhooks (
    id             TEXT    NOT NULL PRIMARY KEY,
    url            TEXT    NOT NULL,
    -- JSON: names of events, or ["*"].
    events         TEXT    NOT NULL,
    -- NULL: of all sessions.
    session        TEXT,
    -- JSON: name to value.
    headers        TEXT    NOT NULL,
    secret         TEXT    NOT NULL,
    -- The secret before, and until when it signs too (milliseconds since 1970, UTC; so below).
    previous_secret TEXT,
    previous_until INTEGER,
    -- JSON: policy, delayMs, attempts.
    retries        TEXT    NOT NULL,
    ordered        INTEGER NOT NULL,
    paused         INTEGER NOT NULL,
    disabled_reason TEXT,
    disabled_at    INTEGER,
    -- api or environment.
    source         TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    -- Every event up to this sequence is in webhook_deliveries, or is none of its.
    cursor         INTEGER NOT NULL,
    -- Since it was made: events delivered and given up, attempts that failed.
    delivered      INTEGER NOT NULL DEFAULT 0,
    dead           INTEGER NOT NULL DEFAULT 0,
    failures       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What one webhook is to be told, or was. The event itself stays in the log.
CREATE TABLE webhook_deliveries (
    -- The order of sending within a lane.
    n              INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE,
    webhook        TEXT    NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    sequence       INTEGER NOT NULL,
    event_id       TEXT    NOT NULL,
    event          TEXT    NOT NULL,
    session        TEXT,
    -- What has an order: a chat of a session, or a session.
    lane           TEXT    NOT NULL,
    -- pending, delivered, dead.
    state          TEXT    NOT NULL,
    -- Since it was last queued.
    attempts       INTEGER NOT NULL DEFAULT 0,
    -- 1: somebody asked for it once more.
    replay         INTEGER NOT NULL DEFAULT 0,
    created_at     INTEGER NOT NULL,
    settled_at     INTEGER
) STRICT;
-- An event is queued once for each webhook, whatever happens to the cursor.
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (webhook, sequence) WHERE replay = 0;
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook, state, n);
-- What is still to be done: small, however long the history is.
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (webhook, lane, n) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (settled_at) WHERE settled_at IS NOT NULL;

-- Each attempt, as long as its delivery is kept.
CREATE TABLE webhook_attempts (
    delivery       INTEGER NOT NULL REFERENCES webhook_deliveries (n) ON DELETE CASCADE,
    attempt        INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    -- NULL: there was no answer.
    status         INTEGER,
    latency_ms     INTEGER NOT NULL,
    -- Why it did not count as delivered, a stable word.
    error          TEXT,
    -- The first 1,000 bytes of the answer, or the error in words.
    answer         TEXT    NOT NULL,
    PRIMARY KEY (delivery, attempt)
) STRICT, WITHOUT ROWID;
