-- Messages in both directions. What we send is here before anybody is told that it was accepted.
CREATE TABLE messages (
    -- The order of acceptance. Never given twice, so that a cursor never names another message.
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Our own id, a ULID.
    id         TEXT    NOT NULL UNIQUE,
    session    TEXT    NOT NULL,
    -- 1: this account wrote it.
    from_me    INTEGER NOT NULL,
    -- Whom it was for or who wrote it, as it was given.
    recipient  TEXT    NOT NULL,
    -- The chat as WhatsApp names it; NULL until it was looked up.
    chat       TEXT,
    -- Its id on WhatsApp's wire, chosen when it was accepted.
    wire_id    TEXT    NOT NULL,
    -- The whole key; NULL until the page has it.
    message_id TEXT,
    -- queued, sending, sent, delivered, read, failed, cancelled; or received.
    state      TEXT    NOT NULL,
    -- Why it failed: a stable code, and words.
    reason     TEXT,
    detail     TEXT,
    kind       TEXT    NOT NULL,
    body       TEXT,
    -- Milliseconds since 1970, UTC; so below.
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Not before this time; NULL: at once.
    send_at    INTEGER,
    UNIQUE (session, wire_id, from_me)
) STRICT;

CREATE INDEX messages_by_session ON messages (session, seq);
CREATE INDEX messages_by_chat ON messages (session, chat, seq);
-- What is still to be done: small, however long the history is.
CREATE INDEX messages_open ON messages (session, seq) WHERE state IN ('queued', 'sending');

-- The words of the messages, for search. The text itself stays in `messages`.
CREATE VIRTUAL TABLE messages_text USING fts5 (
    body, content = 'messages', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER messages_text_insert AFTER INSERT ON messages BEGIN
    INSERT INTO messages_text (rowid, body) VALUES (new.seq, new.body);
END;
CREATE TRIGGER messages_text_delete AFTER DELETE ON messages BEGIN
    INSERT INTO messages_text (messages_text, rowid, body) VALUES ('delete', old.seq, old.body);
END;

-- Which accepted send an Idempotency-Key stands for.
CREATE TABLE idempotency (
    key        TEXT    NOT NULL PRIMARY KEY,
    -- What was asked, so that the same key with something else is refused.
    request    TEXT    NOT NULL,
    message    TEXT    NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
