-- What the API keeps for itself: the answers of changing requests, by Idempotency-Key.
create schema api;
grant usage on schema api to recado_api, recado_worker;

-- running (status null) → answered. `key` is the SHA-256 of tenant and Idempotency-Key: the client's own words are not kept, and every key is equally long.
-- `body` is sealed: it may hold what is shown once (an API key), a phone number, a message. `headers` are position, version and the like.
-- `claimed_until` is on the database clock: past it, whoever claimed the key is taken for dead.
create table api.idempotency (
  tenant_id uuid not null,
  key text not null,
  fingerprint text not null,
  claimed_until timestamptz not null,
  claim uuid not null,
  status int4,
  headers json,
  body text,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, key)
);
-- For the purge.
create index idempotency_by_age on api.idempotency (created_at);

alter table api.idempotency enable row level security;
create policy tenant_wall on api.idempotency to recado_api
  using (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);
create policy worker_all on api.idempotency to recado_worker using (true) with check (true);
grant select, insert, update, delete on api.idempotency to recado_api;
grant select, delete on api.idempotency to recado_worker;
