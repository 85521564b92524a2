-- Sessions that were created and not deleted.
CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY,
    -- Milliseconds since 1970, UTC.
    created_at INTEGER NOT NULL,
    -- What the creator chose, as JSON.
    options    TEXT    NOT NULL,
    -- The profile folder, absolute: the auth folder may be another one at the next start.
    profile    TEXT    NOT NULL,
    -- 1: a phone was linked the last time anything was known.
    linked     INTEGER NOT NULL DEFAULT 0,
    -- 1: it is meant to run, so it is started when the program starts.
    wanted     INTEGER NOT NULL DEFAULT 1
) STRICT;
