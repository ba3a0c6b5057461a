-- Two roles without login. Connections of the login user (DATABASE_URL) take one of them on at connect; neither owns anything, so neither can lift a policy.
--   recado_api     one tenant at a time: sees rows whose tenant_id is current_setting('recado.tenant'), and none when it is not set
--   recado_worker  all tenants: the event store, projections and processes
-- Roles belong to the server, not to the database: they may exist already, or appear while another database of the same server migrates.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['recado_api', 'recado_worker'] loop
    if not exists (select from pg_roles where rolname = wanted) then
      begin
        execute format('create role %I nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls', wanted);
      exception when duplicate_object or unique_violation then
        null;
      end;
    end if;
    -- Since PostgreSQL 16 who creates a role may administer it, and still not SET ROLE to it.
    if not pg_has_role(current_user, wanted, 'SET') then
      begin
        execute format('grant %I to current_user', wanted);
      exception when unique_violation then
        null;
      end;
    end if;
  end loop;
end
$$;

-- The schema `es` and its table `migrations` are made by the migration runner; every other schema by the migration that needs it.
grant usage on schema es to recado_api, recado_worker;
grant select on es.migrations to recado_api, recado_worker;
