-- Whose a run is, for a store that several projects share: the project's folder, who began it, and where. Empty: not known.
ALTER TABLE run ADD COLUMN project TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN user    TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN host    TEXT NOT NULL DEFAULT '';
