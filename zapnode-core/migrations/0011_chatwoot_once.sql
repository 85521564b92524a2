-- When the bridge was set up: what happened to the session before that is not told as news.
ALTER TABLE chatwoot_bridges ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
UPDATE chatwoot_bridges SET begun = since;

-- The chat on WhatsApp that the conversation is answered in, as WhatsApp names it.
ALTER TABLE chatwoot_threads ADD COLUMN chat TEXT;
-- 0: the contact was made by us without a name, and gets the first one that is told.
ALTER TABLE chatwoot_threads ADD COLUMN named INTEGER NOT NULL DEFAULT 1;
CREATE INDEX chatwoot_threads_by_conversation ON chatwoot_threads (session, conversation);

-- One message of an agent may be several on WhatsApp: `part`, from 0.
ALTER TABLE chatwoot_messages RENAME TO chatwoot_messages_before;
DROP INDEX chatwoot_messages_by_wire;
CREATE TABLE chatwoot_messages (
    session      TEXT    NOT NULL,
    message      INTEGER NOT NULL,
    part         INTEGER NOT NULL DEFAULT 0,
    conversation INTEGER NOT NULL,
    -- The id on WhatsApp's wire, and whether this account wrote it.
    wire_id      TEXT    NOT NULL,
    from_me      INTEGER NOT NULL,
    -- WhatsApp's whole key, to quote it by; NULL until the page had it.
    message_id   TEXT,
    -- 1: it was taken back on WhatsApp, so its deletion in Chatwoot is our own doing.
    revoked      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (session, message, part)
) STRICT;
INSERT INTO chatwoot_messages (session, message, conversation, wire_id, from_me, message_id)
    SELECT session, message, conversation, wire_id, from_me, message_id FROM chatwoot_messages_before;
DROP TABLE chatwoot_messages_before;
CREATE INDEX chatwoot_messages_by_wire ON chatwoot_messages (session, wire_id, from_me);

-- `done` 2: it was open in a backup that was brought back, so nobody knows whether it was dealt with
-- after that; whoever wrote it is told.
DROP INDEX chatwoot_calls_open;
CREATE INDEX chatwoot_calls_open ON chatwoot_calls (session, seq) WHERE done <> 1;
