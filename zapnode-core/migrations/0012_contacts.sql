-- Stop words in chats that are ignored: of the message only its id is kept, so that it counts once
-- however often the page tells it.
CREATE TABLE stop_words_heard (
    session TEXT    NOT NULL,
    wire_id TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (session, wire_id)
) STRICT, WITHOUT ROWID;

-- Finished jobs are looked for by their age, once their messages are gone.
CREATE INDEX batches_by_age ON batches (created_at);

-- `lid_phones` goes into `contact_names`, which is the one map of LIDs and numbers from here on:
-- see store/contacts.rs, which does it after this and drops the table.
