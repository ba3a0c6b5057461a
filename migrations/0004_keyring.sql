-- The keys that seal personal data. Nothing in here is of use without the master key, which the database never sees:
-- tenant keys are wrapped by the master key, subject keys by their tenant's key.
create schema keyring;
grant usage on schema keyring to recado_worker, recado_api;

-- One row: a known text under the master key. It tells a wrong key at start, before anything is sealed with it.
create table keyring.master_check (
  id int4 primary key check (id = 1),
  sealed bytea not null,
  created_at timestamptz not null default clock_timestamp()
);
grant select, insert on keyring.master_check to recado_worker;

-- `wrap` wraps the subject keys and may get newer versions; `index` keys the blind indexes and has one version for ever:
-- a new one would make every index that is stored in an event or a stream name unfindable.
create table keyring.tenant_keys (
  tenant_id uuid not null,
  purpose text not null check (purpose in ('wrap', 'index')),
  version int4 not null check (version between 1 and 65535),
  wrapped_key bytea not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, purpose, version)
);

-- Destroying a key empties `wrapped_key` and keeps the row, so that what it sealed is known to be erased and not taken for damaged.
create table keyring.subject_keys (
  tenant_id uuid not null,
  subject text not null,
  version int4 not null check (version between 1 and 65535),
  wrapped_key bytea,
  created_at timestamptz not null default clock_timestamp(),
  destroyed_at timestamptz,
  primary key (tenant_id, subject, version),
  constraint destroyed_or_there check ((wrapped_key is null) = (destroyed_at is not null))
);

alter table keyring.tenant_keys enable row level security;
alter table keyring.subject_keys enable row level security;
create policy tenant_wall on keyring.tenant_keys for select to recado_api
  using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy tenant_wall on keyring.subject_keys for select to recado_api
  using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on keyring.tenant_keys to recado_worker using (true) with check (true);
create policy worker_all on keyring.subject_keys to recado_worker using (true) with check (true);
grant select on keyring.tenant_keys, keyring.subject_keys to recado_api;
grant select, insert, update on keyring.tenant_keys, keyring.subject_keys to recado_worker;
