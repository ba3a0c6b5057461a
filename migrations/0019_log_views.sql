-- What analysts may read: the log as a view, and tables of projections of one's own (src/projections/custom), which stand in schemas `custom_<name>`.
-- Who has this role sees every organisation, and nothing that is sealed opened.
-- Where the login user may not create roles, an administrator may (`create role recado_analyst nologin; grant recado_analyst to <login user>`), before
-- this migration runs; without the role everything works, only that SELECTs of analysts run with the rights of the login user.
do $$
begin
  if not exists (select from pg_roles where rolname = 'recado_analyst') then
    begin
      create role recado_analyst nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls;
    exception when duplicate_object or unique_violation or insufficient_privilege then
      null;
    end;
  end if;
  if exists (select from pg_roles where rolname = 'recado_analyst') and not pg_has_role(current_user, 'recado_analyst', 'SET') then
    begin
      grant recado_analyst to current_user;
    exception when unique_violation or insufficient_privilege then
      null;
    end;
  end if;
end
$$;

create schema log;

-- A stretch of the log where recado.after and recado.through say one, and one organisation where recado.tenant does: all of it else. The settings
-- are how a projection written as a SELECT is run over what is new. What opens something is not shown to anybody: credentials and hashes of keys.
create view log.events as
  select e.position, e.recorded_at, (e.metadata ->> 'occurredAt')::timestamptz as occurred_at, e.tenant_id,
    left(e.stream_id, strpos(e.stream_id, '-') - 1) as category, substr(e.stream_id, strpos(e.stream_id, '-') + 1) as stream_id, e.version,
    e.event_id, e.type, e.schema_version,
    case when e.type in ('ChannelAdded', 'ChannelCredentialsChanged', 'ApiKeyIssued') then e.data::jsonb - '{accessToken,appSecret,hash}'::text[]
      else e.data::jsonb end as data,
    e.metadata::jsonb as metadata
  from es.events e
  where e.position > coalesce(nullif(current_setting('recado.after', true), ''), '0')::bigint
    and e.position <= coalesce(nullif(current_setting('recado.through', true), ''), '9223372036854775807')::bigint
    and (nullif(current_setting('recado.tenant', true), '') is null or e.tenant_id = nullif(current_setting('recado.tenant', true), '')::uuid);

do $$
begin
  if exists (select from pg_roles where rolname = 'recado_analyst') then
    grant usage on schema log to recado_analyst;
    grant select on log.events to recado_analyst;
  end if;
end
$$;
