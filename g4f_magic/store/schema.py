"""The tables of the conversations' database, as the numbered steps that make them."""

from __future__ import annotations

# What a row of answers takes, and its pictures; a content that several have counts for each.
SIZE_BYTES = """(
    length(CAST(text AS BLOB)) + length(CAST(reasoning AS BLOB))
    + coalesce(length(CAST(request AS BLOB)), 0) + coalesce(length(tool_calls), 0)
    + (SELECT coalesce(sum(length(content)), 0) FROM pictures JOIN blobs ON hash = blob
        WHERE pictures.answer = answers.id)
)"""

# Append only: a step that was released is never changed. A database says how many it has seen
# (PRAGMA user_version). Each step is a tuple of statements, done in one transaction.
#
# - Turns point to answers, not the other way round: a fork shares the answers, and the cache
#   has answers without a turn. The last to let go of one deletes it.
# - AUTOINCREMENT, so that no number is ever used again: a kernel that still writes an answer
#   whose turn another kernel has replaced must not hit the new one.
# - Texts stand last in their row: what is read often is read without them.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE notebooks (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE
        )""",
        """CREATE TABLE conversations (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            notebook INTEGER NOT NULL REFERENCES notebooks ON DELETE CASCADE,
            name TEXT NOT NULL,
            used_at REAL NOT NULL,
            UNIQUE (notebook, name)
        )""",
        """CREATE TABLE answers (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            owner TEXT,
            state TEXT NOT NULL,
            updated_at REAL NOT NULL,
            elapsed_s REAL NOT NULL,
            first_token_s REAL,
            tokens_in INTEGER,
            tokens_out INTEGER,
            attempt INTEGER NOT NULL,
            cached INTEGER NOT NULL,
            model TEXT NOT NULL,
            provider TEXT NOT NULL,
            finish_reason TEXT,
            error TEXT NOT NULL DEFAULT '',
            usage TEXT,
            tool_calls TEXT,
            request TEXT,
            reasoning TEXT NOT NULL,
            text TEXT NOT NULL
        )""",
        "CREATE INDEX answers_under_way ON answers (owner) WHERE owner IS NOT NULL",
        """CREATE TABLE turns (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
            position INTEGER NOT NULL,
            answer INTEGER REFERENCES answers,
            starts_afresh INTEGER NOT NULL,
            created_at REAL NOT NULL,
            cell_id TEXT,
            execution TEXT,
            system TEXT,
            prompt TEXT NOT NULL,
            UNIQUE (conversation, position)
        )""",
        """CREATE INDEX turns_of_cell ON turns (conversation, cell_id, position)
            WHERE cell_id IS NOT NULL""",
        "CREATE INDEX turns_afresh ON turns (conversation, position) WHERE starts_afresh",
        "CREATE INDEX turns_system ON turns (conversation, position) WHERE system IS NOT NULL",
        "CREATE INDEX turns_of_answer ON turns (answer)",
        """CREATE TABLE cache (
            key TEXT PRIMARY KEY,
            answer INTEGER NOT NULL REFERENCES answers
        )""",
        "CREATE INDEX cache_of_answer ON cache (answer)",
        """CREATE TABLE blobs (
            hash BLOB PRIMARY KEY,
            content BLOB NOT NULL
        )""",
        """CREATE TABLE pictures (
            answer INTEGER NOT NULL REFERENCES answers ON DELETE CASCADE,
            place INTEGER NOT NULL,
            blob BLOB REFERENCES blobs,
            media_type TEXT NOT NULL,
            url TEXT NOT NULL,
            revised_prompt TEXT NOT NULL,
            trouble TEXT NOT NULL,
            PRIMARY KEY (answer, place)
        )""",
        "CREATE INDEX pictures_of_blob ON pictures (blob)",
        # What was asked and used, also by turns that were replaced or deleted since.
        """CREATE TABLE spent (
            notebook INTEGER NOT NULL REFERENCES notebooks ON DELETE CASCADE,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            requests INTEGER NOT NULL,
            uncounted INTEGER NOT NULL,
            tokens_in INTEGER NOT NULL,
            tokens_out INTEGER NOT NULL,
            PRIMARY KEY (notebook, provider, model)
        )""",
        """CREATE TRIGGER turn_lets_go AFTER DELETE ON turns WHEN OLD.answer IS NOT NULL BEGIN
            DELETE FROM answers WHERE id = OLD.answer
                AND NOT EXISTS (SELECT 1 FROM turns WHERE answer = OLD.answer)
                AND NOT EXISTS (SELECT 1 FROM cache WHERE answer = OLD.answer);
        END""",
        """CREATE TRIGGER cache_lets_go AFTER DELETE ON cache BEGIN
            DELETE FROM answers WHERE id = OLD.answer
                AND NOT EXISTS (SELECT 1 FROM turns WHERE answer = OLD.answer)
                AND NOT EXISTS (SELECT 1 FROM cache WHERE answer = OLD.answer);
        END""",
        """CREATE TRIGGER picture_lets_go AFTER DELETE ON pictures WHEN OLD.blob IS NOT NULL BEGIN
            DELETE FROM blobs WHERE hash = OLD.blob
                AND NOT EXISTS (SELECT 1 FROM pictures WHERE blob = OLD.blob);
        END""",
    ),
    # What all models said where several were asked; a turn's answer is one of these. And what
    # was sent where that is more than text: each part a text, or a blob and what it is.
    (
        """CREATE TABLE compared (
            turn INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
            place INTEGER NOT NULL,
            answer INTEGER NOT NULL REFERENCES answers,
            label TEXT NOT NULL,
            PRIMARY KEY (turn, place)
        )""",
        "CREATE INDEX compared_of_answer ON compared (answer)",
        "DROP TRIGGER turn_lets_go",
        "DROP TRIGGER cache_lets_go",
        """CREATE TRIGGER turn_lets_go AFTER DELETE ON turns WHEN OLD.answer IS NOT NULL BEGIN
            DELETE FROM answers WHERE id = OLD.answer
                AND NOT EXISTS (SELECT 1 FROM turns WHERE answer = OLD.answer)
                AND NOT EXISTS (SELECT 1 FROM cache WHERE answer = OLD.answer)
                AND NOT EXISTS (SELECT 1 FROM compared WHERE answer = OLD.answer);
        END""",
        """CREATE TRIGGER cache_lets_go AFTER DELETE ON cache BEGIN
            DELETE FROM answers WHERE id = OLD.answer
                AND NOT EXISTS (SELECT 1 FROM turns WHERE answer = OLD.answer)
                AND NOT EXISTS (SELECT 1 FROM cache WHERE answer = OLD.answer)
                AND NOT EXISTS (SELECT 1 FROM compared WHERE answer = OLD.answer);
        END""",
        """CREATE TRIGGER compared_lets_go AFTER DELETE ON compared BEGIN
            DELETE FROM answers WHERE id = OLD.answer
                AND NOT EXISTS (SELECT 1 FROM turns WHERE answer = OLD.answer)
                AND NOT EXISTS (SELECT 1 FROM cache WHERE answer = OLD.answer)
                AND NOT EXISTS (SELECT 1 FROM compared WHERE answer = OLD.answer);
        END""",
        """CREATE TABLE parts (
            turn INTEGER NOT NULL REFERENCES turns ON DELETE CASCADE,
            place INTEGER NOT NULL,
            kind TEXT,
            media_type TEXT,
            name TEXT,
            note TEXT,
            blob BLOB REFERENCES blobs,
            text TEXT,
            PRIMARY KEY (turn, place)
        )""",
        "CREATE INDEX parts_of_blob ON parts (blob)",
        "DROP TRIGGER picture_lets_go",
        """CREATE TRIGGER picture_lets_go AFTER DELETE ON pictures WHEN OLD.blob IS NOT NULL BEGIN
            DELETE FROM blobs WHERE hash = OLD.blob
                AND NOT EXISTS (SELECT 1 FROM pictures WHERE blob = OLD.blob)
                AND NOT EXISTS (SELECT 1 FROM parts WHERE blob = OLD.blob);
        END""",
        """CREATE TRIGGER part_lets_go AFTER DELETE ON parts WHEN OLD.blob IS NOT NULL BEGIN
            DELETE FROM blobs WHERE hash = OLD.blob
                AND NOT EXISTS (SELECT 1 FROM pictures WHERE blob = OLD.blob)
                AND NOT EXISTS (SELECT 1 FROM parts WHERE blob = OLD.blob);
        END""",
    ),
    # How large the cache is, and in which order its answers were used.
    (
        "ALTER TABLE cache ADD COLUMN used INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE cache ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0",
        f"""UPDATE cache SET used = answer, size_bytes =
            (SELECT {SIZE_BYTES} FROM answers WHERE id = cache.answer)""",  # noqa: S608  # our own
        "CREATE INDEX cache_by_use ON cache (used, size_bytes)",
    ),
)
