-- Whose keys were destroyed, and since when: their files are looked for and removed. Few beside all keys.
create index subject_keys_destroyed on keyring.subject_keys (destroyed_at) where destroyed_at is not null;
