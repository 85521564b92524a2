-- Whatever happened, in order, for every reader: streams, webhooks, bridges. Written in the same
-- transaction as its cause; forgotten by age and count, always the oldest first.
CREATE TABLE events (
    -- The order. Never given twice and without gaps, so that a cursor tells what was missed.
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    -- `evt_` and a ULID.
    id       TEXT    NOT NULL UNIQUE,
    -- Milliseconds since 1970, UTC; so below.
    at       INTEGER NOT NULL,
    session  TEXT    NOT NULL,
    -- As `message.ack`.
    name     TEXT    NOT NULL,
    -- The chat it is about; NULL where there is none.
    chat     TEXT,
    -- The account at that time, as JSON.
    me       TEXT,
    -- As JSON.
    payload  TEXT    NOT NULL,
    -- Names what happened, where WhatsApp's page may tell the same thing twice.
    once     TEXT
) STRICT;
CREATE INDEX events_by_time ON events (at);
CREATE UNIQUE INDEX events_once ON events (once) WHERE once IS NOT NULL;

-- The account of each session, as it was last known.
CREATE TABLE accounts (
    session TEXT NOT NULL PRIMARY KEY,
    me      TEXT NOT NULL
) STRICT;

-- People. An id that was given stays theirs, whichever of their names is learnt later.
CREATE TABLE contacts (
    id          TEXT    NOT NULL PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    -- Found to be the same person as this one; an id that is no longer given.
    merged_into TEXT
) STRICT;
-- Their names on WhatsApp: `…@c.us` and `…@lid`.
CREATE TABLE contact_names (
    name    TEXT NOT NULL PRIMARY KEY,
    contact TEXT NOT NULL REFERENCES contacts (id)
) STRICT;
CREATE INDEX contact_names_by_contact ON contact_names (contact);

-- An edit changes the text of a stored message: the search must follow.
CREATE TRIGGER messages_text_update AFTER UPDATE OF body ON messages BEGIN
    INSERT INTO messages_text (messages_text, rowid, body) VALUES ('delete', old.seq, old.body);
    INSERT INTO messages_text (rowid, body) VALUES (new.seq, new.body);
END;
