-- Where each session has been, and why: the newest of them are kept.
CREATE TABLE session_history (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    session    TEXT    NOT NULL,
    -- Milliseconds since 1970, UTC.
    at         INTEGER NOT NULL,
    from_state TEXT    NOT NULL,
    to_state   TEXT    NOT NULL,
    -- Why: a stable code, and words. NULL where there was nothing to say.
    reason     TEXT,
    detail     TEXT,
    -- What was being tried: reconnect, reload, relaunch.
    step       TEXT,
    -- Which attempt, where it was one.
    attempt    INTEGER
) STRICT;
CREATE INDEX session_history_by_session ON session_history (session, seq);
CREATE TRIGGER session_history_ends_with_the_session AFTER DELETE ON sessions BEGIN
    DELETE FROM session_history WHERE session = old.id;
END;
