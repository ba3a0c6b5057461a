-- A number was connected for which deliveries had been parked, perhaps for weeks: what waits for it is worked off in portions, beside the intake and
-- not within one page of it. A row here says that this is under way; it goes when everything that had been parked was looked at.
create table work.unparking (
  address text collate "C" primary key,
  opened_at timestamptz not null default clock_timestamp()
);
-- Its place in the order of parking is how a portion goes on behind the one before.
create index parked_deliveries_address on work.parked_deliveries (address, parked_at, tenant_id, delivery_id);
grant select, insert, update, delete on work.unparking to recado_worker;
