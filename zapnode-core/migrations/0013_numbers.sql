-- What WhatsApp said of numbers, so that it is not asked again for each.
CREATE TABLE checked_numbers (
    session    TEXT    NOT NULL,
    -- As it was asked, digits.
    number     TEXT    NOT NULL,
    -- Under which chat to write to them; NULL: not on WhatsApp.
    chat       TEXT,
    -- `…@c.us` and `…@lid`, as far as known.
    phone      TEXT,
    lid        TEXT,
    -- Milliseconds since 1970, UTC.
    checked_at INTEGER NOT NULL,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;
