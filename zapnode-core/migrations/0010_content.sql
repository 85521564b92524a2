-- What a message of ours carries, as JSON; NULL: the plain text in `body`. Where it is set, `body`
-- has the words in it, for people and for search.
ALTER TABLE messages ADD COLUMN content TEXT;

-- Files: those that were uploaded to be sent, and those of messages that came. The bytes are in the
-- folder `media`, under their hash; the same bytes are there once.
CREATE TABLE media (
    -- A ULID.
    id         TEXT    NOT NULL PRIMARY KEY,
    -- The message that it came with, by our own id; NULL: uploaded.
    message    TEXT    UNIQUE REFERENCES messages (id) ON DELETE CASCADE,
    -- available: here. remote: it can be had from WhatsApp. expired: WhatsApp has it no more.
    state      TEXT    NOT NULL,
    -- SHA-256 of the bytes, in hex; NULL while they were never here.
    sha256     TEXT,
    mime       TEXT,
    name       TEXT,
    -- Bytes.
    size       INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX media_by_hash ON media (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX media_uploads ON media (created_at) WHERE message IS NULL;
