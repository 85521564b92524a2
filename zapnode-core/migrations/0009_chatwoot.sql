-- The bridge of a session to an inbox of Chatwoot.
CREATE TABLE chatwoot_bridges (
    session TEXT    NOT NULL PRIMARY KEY,
    -- As JSON, with the token: the file is readable by its owner only.
    config  TEXT    NOT NULL,
    -- What Chatwoot's calls carry in their path.
    secret  TEXT    NOT NULL,
    -- The inbox, once it is known or made.
    inbox   INTEGER,
    -- The last event of the log that was dealt with.
    cursor  INTEGER NOT NULL,
    -- working, waiting, wrong_token, missing, refused; with words, and since when (milliseconds).
    state   TEXT    NOT NULL,
    detail  TEXT,
    since   INTEGER NOT NULL
) STRICT;

-- Which conversation a chat goes on in.
CREATE TABLE chatwoot_threads (
    session      TEXT    NOT NULL,
    -- One person under all their names, or a group.
    peer         TEXT    NOT NULL,
    contact      INTEGER NOT NULL,
    source_id    TEXT    NOT NULL,
    conversation INTEGER NOT NULL,
    PRIMARY KEY (session, peer)
) STRICT;

-- Which message there is which message here.
CREATE TABLE chatwoot_messages (
    session      TEXT    NOT NULL,
    message      INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    -- The id on WhatsApp's wire, and whether this account wrote it.
    wire_id      TEXT    NOT NULL,
    from_me      INTEGER NOT NULL,
    -- WhatsApp's whole key, to quote it by; NULL until the page had it.
    message_id   TEXT,
    PRIMARY KEY (session, message)
) STRICT;
CREATE INDEX chatwoot_messages_by_wire ON chatwoot_messages (session, wire_id, from_me);

-- Calls of Chatwoot's webhook that ask for something. Answered once they are here.
CREATE TABLE chatwoot_calls (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT    NOT NULL,
    -- What is asked, once: the message and what is to be done with it.
    once    TEXT    NOT NULL,
    body    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    -- 1: dealt with. Kept for a while, so that a repeated call is known.
    done    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (session, once)
) STRICT;
CREATE INDEX chatwoot_calls_open ON chatwoot_calls (session, seq) WHERE done = 0;

-- WhatsApp's key of the message that one answers.
ALTER TABLE messages ADD COLUMN reply_to TEXT;
